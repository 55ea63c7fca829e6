/** A delivery's state in sentences, for the dashboard, the CLI and `explain`. Pure. */
import {
  reasons,
  type Delivery,
  type DeliveryEvent,
  type Explanation,
  type Status,
} from '@carillon/contracts';

const channelWords = {
  email: 'email',
  sms: 'SMS',
  push: 'push message',
  'in-app': 'in-app message',
} as const;
const minute = 60_000;

/** `in 4 minutes`, `in 20 seconds`, `now`. */
export const inWords = (ms: number): string => {
  if (ms <= 1000) return 'now';
  const [n, unit] =
    ms < minute
      ? [Math.round(ms / 1000), 'second']
      : ms < 60 * minute
        ? [Math.round(ms / minute), 'minute']
        : ms < 48 * 60 * minute
          ? [Math.round(ms / (60 * minute)), 'hour']
          : [Math.round(ms / (24 * 60 * minute)), 'day'];
  return `in ${n} ${unit}${n === 1 ? '' : 's'}`;
};

type Facts = Pick<
  Delivery,
  'channel' | 'status' | 'reason' | 'provider' | 'attempts' | 'dueAt' | 'possibleDuplicate'
>;

const statusWords: Record<Status, (d: Facts) => string> = {
  scheduled: () => 'is waiting',
  queued: () => 'is queued and about to be sent',
  sending: () => 'is being sent right now',
  sent: (d) => `was accepted by ${d.provider ?? 'the provider'}; there is no delivery receipt yet`,
  delivered: () => 'was delivered',
  failed: () => 'failed',
  suppressed: () => 'was not sent, on purpose',
  cancelled: () => 'was cancelled',
  expired: () => 'expired before it could be sent',
  unknown: () => 'may or may not have arrived',
};

/** Where it stands, in one sentence. */
export function sentenceOf(d: Facts): string {
  const why =
    d.reason && d.status !== 'cancelled' && d.status !== 'expired'
      ? `: ${lower(reasons[d.reason].sentence)}`
      : '.';
  return `This ${channelWords[d.channel]} ${statusWords[d.status](d)}${why}`;
}
const lower = (s: string) => s.charAt(0).toLowerCase() + s.slice(1);

/** Why it did or did not arrive, and what happens next. */
export function explain(
  d: Facts & { id: string; expiresAt: string | null },
  timeline: readonly DeliveryEvent[],
  now: Date,
): Explanation {
  const because: string[] = [];
  for (const event of timeline) {
    const said = [event.detail['code'], event.detail['message']]
      .filter((v) => typeof v === 'string' || typeof v === 'number')
      .join(' ');
    const quoted = said ? ` (${event.provider ?? 'provider'} said: ${said})` : '';
    const reason = event.reason ? ` ${reasons[event.reason].sentence}` : '';
    const attempt = event.attempt && event.attempt > 1 ? ` in attempt ${event.attempt}` : '';
    because.push(`${event.at} ${event.type.replaceAll('_', ' ')}${attempt}.${reason}${quoted}`);
  }
  return { id: d.id, verdict: sentenceOf(d), because, next: nextOf(d, now) };
}

function nextOf(d: Facts, now: Date): string {
  const when = d.dueAt ? inWords(Date.parse(d.dueAt) - now.getTime()) : 'now';
  switch (d.status) {
    case 'scheduled':
      return `It is looked at again ${when}.`;
    case 'queued':
      return 'A dispatcher takes it as soon as one is free; if its job was lost, the clock offers it again.';
    case 'sending':
      return `If the worker dies, the row is taken up again ${when}.`;
    case 'sent':
      return 'A receipt may still turn it into delivered or failed. Nothing else is due.';
    case 'unknown':
      return 'A receipt or a person settles it; it is not sent again by itself.';
    case 'failed':
    case 'suppressed':
    case 'cancelled':
    case 'expired':
    case 'delivered':
      return 'Nothing more happens by itself.';
  }
}
