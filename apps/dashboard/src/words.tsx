/**
 * How the system's closed lists look to a person: a word, an icon and a colour for every status and channel, a label
 * for every reason. The lists themselves come from the contracts; the compiler fails here when a word is added.
 */
import type {
  Channel,
  DeliveryEventType,
  Reason,
  ReasonName,
  Role,
  Source,
  Status,
} from '@carillon/contracts';
import { reasons } from '@carillon/contracts';
import {
  IconAlertTriangle,
  IconArchive,
  IconArrowForward,
  IconBan,
  IconBell,
  IconBellOff,
  IconCalendarClock,
  IconCalendarEvent,
  IconCheck,
  IconChecks,
  IconCircleX,
  IconClick,
  IconClock,
  IconDeviceMobile,
  IconEye,
  IconHandStop,
  IconHourglassOff,
  IconInbox,
  IconMail,
  IconMailOpened,
  IconMessage,
  IconQuestionMark,
  IconReceipt,
  IconRepeat,
  IconSearch,
  IconSend,
  IconStack2,
  IconTransfer,
  IconUserCheck,
  type Icon,
} from '@tabler/icons-react';

interface Look {
  label: string;
  icon: Icon;
  color: string;
}
export const statusLooks: Record<Status, Look & { means: string }> = {
  scheduled: {
    label: 'Scheduled',
    icon: IconCalendarClock,
    color: 'var(--status-pending)',
    means: 'waits for its time',
  },
  queued: {
    label: 'Queued',
    icon: IconStack2,
    color: 'var(--status-pending)',
    means: 'due, about to be sent',
  },
  sending: {
    label: 'Sending',
    icon: IconTransfer,
    color: 'var(--status-pending)',
    means: 'in the hands of a dispatcher',
  },
  sent: { label: 'Sent', icon: IconCheck, color: 'var(--status-sent)', means: 'the provider took it' },
  delivered: {
    label: 'Delivered',
    icon: IconChecks,
    color: 'var(--status-delivered)',
    means: 'a receipt confirms it',
  },
  failed: {
    label: 'Failed',
    icon: IconCircleX,
    color: 'var(--status-failed)',
    means: 'it could not be sent',
  },
  suppressed: {
    label: 'Suppressed',
    icon: IconBan,
    color: 'var(--status-suppressed)',
    means: 'we decided not to send',
  },
  cancelled: {
    label: 'Cancelled',
    icon: IconHandStop,
    color: 'var(--status-ended)',
    means: 'somebody cancelled it',
  },
  expired: {
    label: 'Expired',
    icon: IconHourglassOff,
    color: 'var(--status-ended)',
    means: 'its time ran out',
  },
  unknown: {
    label: 'Unknown',
    icon: IconQuestionMark,
    color: 'var(--status-unknown)',
    means: 'it may have arrived',
  },
};
export const channelLooks: Record<Channel, Look & { address: string }> = {
  email: { label: 'Email', icon: IconMail, color: 'var(--channel-email)', address: 'an email address' },
  sms: { label: 'SMS', icon: IconMessage, color: 'var(--channel-sms)', address: 'a phone number' },
  push: { label: 'Push', icon: IconDeviceMobile, color: 'var(--channel-push)', address: 'a device token' },
  'in-app': {
    label: 'In-app',
    icon: IconInbox,
    color: 'var(--channel-in-app)',
    address: 'the external id of a profile',
  },
};
export const sourceLabels: Record<Source, string> = {
  api: 'API',
  campaign: 'Campaign',
  journey: 'Journey',
  test: 'Test',
};
export const roleLabels: Record<Role, string> = { owner: 'Owner', editor: 'Editor', viewer: 'Viewer' };

const spaced = (word: string) => word.replaceAll('_', ' ');
export const sentenceCase = (word: string): string => {
  const text = spaced(word);
  return text.charAt(0).toUpperCase() + text.slice(1);
};
export const reasonLabel = (reason: Reason): string => sentenceCase(reason);
export const reasonSentence = (reason: ReasonName): string => reasons[reason].sentence;

const soft = 'var(--ink-soft)';
export const eventLooks: Record<DeliveryEventType, Look> = {
  accepted: { label: 'Accepted', icon: IconCheck, color: soft },
  scheduled: { label: 'Scheduled', icon: IconCalendarClock, color: 'var(--status-pending)' },
  queued: { label: 'Queued', icon: IconStack2, color: 'var(--status-pending)' },
  claimed: { label: 'Claimed by a dispatcher', icon: IconTransfer, color: 'var(--status-pending)' },
  handed_over: {
    label: 'Handed over to the provider',
    icon: IconArrowForward,
    color: 'var(--status-pending)',
  },
  sent: { label: 'Sent', icon: IconSend, color: 'var(--status-sent)' },
  delivered: { label: 'Delivered', icon: IconChecks, color: 'var(--status-delivered)' },
  deferred: { label: 'Deferred', icon: IconClock, color: 'var(--status-suppressed)' },
  failed: { label: 'Failed', icon: IconCircleX, color: 'var(--status-failed)' },
  suppressed: { label: 'Suppressed', icon: IconBan, color: 'var(--status-suppressed)' },
  cancelled: { label: 'Cancelled', icon: IconHandStop, color: 'var(--status-ended)' },
  rescheduled: { label: 'Rescheduled', icon: IconCalendarEvent, color: 'var(--status-pending)' },
  expired: { label: 'Expired', icon: IconHourglassOff, color: 'var(--status-ended)' },
  unknown: { label: 'Outcome unknown', icon: IconQuestionMark, color: 'var(--status-unknown)' },
  device_sent: { label: 'Sent to a device', icon: IconDeviceMobile, color: 'var(--status-sent)' },
  device_failed: { label: 'Failed for a device', icon: IconDeviceMobile, color: 'var(--status-failed)' },
  receipt: { label: 'Receipt', icon: IconReceipt, color: soft },
  looked_up: { label: 'Looked up at the provider', icon: IconSearch, color: soft },
  resolved: { label: 'Decided by a person', icon: IconUserCheck, color: soft },
  redriven: { label: 'Asked for again', icon: IconRepeat, color: 'var(--status-pending)' },
  opened: { label: 'Opened', icon: IconMailOpened, color: 'var(--status-delivered)' },
  clicked: { label: 'Clicked', icon: IconClick, color: 'var(--status-delivered)' },
  seen: { label: 'Seen', icon: IconEye, color: 'var(--status-delivered)' },
  read: { label: 'Read', icon: IconEye, color: 'var(--status-delivered)' },
  archived: { label: 'Archived', icon: IconArchive, color: soft },
  replied: { label: 'Replied', icon: IconBell, color: 'var(--status-delivered)' },
  complained: { label: 'Reported as spam', icon: IconAlertTriangle, color: 'var(--status-failed)' },
  unsubscribed: { label: 'Unsubscribed', icon: IconBellOff, color: 'var(--status-suppressed)' },
};
