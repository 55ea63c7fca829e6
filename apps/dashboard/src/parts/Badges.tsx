/** Status, channel and account state: always an icon and a word, the colour only repeats them. */
import { VisuallyHidden } from '@mantine/core';
import type { AccountHealth, Channel, Status } from '@carillon/contracts';
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconCircleX,
  IconMoonStars,
  IconPlayerPause,
  type Icon,
} from '@tabler/icons-react';
import { channelLooks, statusLooks } from '../words.js';
import classes from './Badges.module.css';

interface PillProps {
  icon: Icon;
  label: string;
  color: string;
  large?: boolean;
}
export const Pill = ({ icon: PillIcon, label, color, large }: PillProps) => (
  <span className={classes.pill} data-large={large || undefined} style={{ '--tone': color }}>
    <PillIcon size={large ? 15 : 13} stroke={2} aria-hidden />
    {label}
  </span>
);
export const StatusBadge = ({ status, large }: { status: Status; large?: boolean }) => (
  <Pill {...statusLooks[status]} large={large} />
);
/** `iconOnly` keeps the word for screen readers and as a tooltip. */
export const ChannelMark = ({ channel, iconOnly }: { channel: Channel; iconOnly?: boolean }) => {
  const { icon: ChannelIcon, label, color } = channelLooks[channel];
  return (
    <span className={classes.channel} title={iconOnly ? label : undefined}>
      <ChannelIcon size={16} stroke={1.7} color={color} aria-hidden />
      {iconOnly ? <VisuallyHidden>{label}</VisuallyHidden> : label}
    </span>
  );
};
export const stateLooks: Record<AccountHealth['state'], { label: string; icon: Icon; color: string }> = {
  healthy: { label: 'Healthy', icon: IconCircleCheck, color: 'var(--status-delivered)' },
  degraded: { label: 'Degraded', icon: IconAlertTriangle, color: 'var(--status-suppressed)' },
  failing: { label: 'Failing', icon: IconCircleX, color: 'var(--status-failed)' },
  paused: { label: 'Paused', icon: IconPlayerPause, color: 'var(--status-pending)' },
  idle: { label: 'Idle', icon: IconMoonStars, color: 'var(--status-ended)' },
};
export const StateBadge = ({ state, large }: { state: AccountHealth['state']; large?: boolean }) => (
  <Pill {...stateLooks[state]} large={large} />
);
