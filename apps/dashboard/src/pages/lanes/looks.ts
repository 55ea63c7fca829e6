/** How lanes and their pace look: a word and an icon, the colour only repeats them. */
import type { Lane } from '@carillon/contracts';
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconHandStop,
  IconKey,
  IconPlayerPlay,
  IconRoute,
  IconSpeakerphone,
  type Icon,
} from '@tabler/icons-react';
import type { Pace } from './pace.js';

export const laneLooks: Record<Lane, { label: string; icon: Icon; means: string }> = {
  transactional: {
    label: 'Transactional',
    icon: IconKey,
    means: 'What a person waits for: codes, receipts.',
  },
  journey: { label: 'Journey', icon: IconRoute, means: 'Steps of journeys.' },
  bulk: { label: 'Bulk', icon: IconSpeakerphone, means: 'Runs to many people, by pages.' },
};
export const paceLooks: Record<Pace, { label: string; icon: Icon; color: string }> = {
  clear: { label: 'Clear', icon: IconCircleCheck, color: 'var(--status-delivered)' },
  moving: { label: 'Moving', icon: IconPlayerPlay, color: 'var(--status-sent)' },
  behind: { label: 'Behind', icon: IconAlertTriangle, color: 'var(--status-suppressed)' },
  stalled: { label: 'Stalled', icon: IconHandStop, color: 'var(--status-failed)' },
};
