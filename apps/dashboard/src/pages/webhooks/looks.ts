/** How endpoints and what they were told look: an icon, a word, and a colour that repeats it. */
import type { WebhookEndpoint, WebhookMessage } from '@carillon/contracts';
import {
  IconAlertTriangle,
  IconBan,
  IconCircleCheck,
  IconCircleX,
  IconClock,
  type Icon,
} from '@tabler/icons-react';

interface Look {
  icon: Icon;
  label: string;
  color: string;
}
export const endpointState = ({ enabled, failingSince }: WebhookEndpoint): Look =>
  !enabled
    ? { label: 'Disabled', icon: IconBan, color: 'var(--status-ended)' }
    : failingSince
      ? { label: 'Failing', icon: IconAlertTriangle, color: 'var(--status-failed)' }
      : { label: 'Live', icon: IconCircleCheck, color: 'var(--status-delivered)' };

export const messageLooks: Record<WebhookMessage['status'], Look> = {
  pending: { label: 'Waiting', icon: IconClock, color: 'var(--status-pending)' },
  sent: { label: 'Taken', icon: IconCircleCheck, color: 'var(--status-delivered)' },
  failed: { label: 'Failed', icon: IconCircleX, color: 'var(--status-failed)' },
};
