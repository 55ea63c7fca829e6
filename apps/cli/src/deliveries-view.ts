/** How deliveries look in the terminal: a table, one line, a timeline. Shared by the commands that show them. */
import {
  reasons,
  type Delivery,
  type DeliveryDetail,
  type DeliveryEvent,
  type DeliveryEventType,
} from '@carillon/contracts';
import {
  type Cell,
  channelTitles,
  clock,
  fit,
  printable,
  shortTime,
  statusCell,
  type Style,
  type Terminal,
} from './terminal.js';

/** Who it goes to, as far as known: the profile, else the address. */
export const recipient = (delivery: Delivery) => delivery.profile?.externalId ?? delivery.address ?? '';

/** In a window of 80 columns the reason has to wait for `explain`; the id never goes. */
export function deliveriesTable(terminal: Terminal, deliveries: readonly Delivery[]): void {
  const roomy = terminal.width >= 110;
  terminal.table(
    [
      { title: 'TIME' },
      { title: 'BY' },
      { title: 'STATUS' },
      ...(roomy ? [{ title: 'REASON' }] : []),
      { title: 'TO', narrow: 'cut' as const },
      { title: 'DELIVERY' },
    ],
    deliveries.map((delivery) => [
      {
        text: roomy ? clock(delivery.createdAt).replace(/\.\d+$/, '') : shortTime(delivery.createdAt),
        style: 'dim',
      },
      channelTitles[delivery.channel],
      statusCell(delivery.status),
      ...(roomy ? [delivery.reason ?? ''] : []),
      recipient(delivery),
      delivery.id,
    ]),
  );
}

/** One line for a stream: since when, and where it stands. The reason where there is room for it. */
export function deliveryLine(terminal: Terminal, delivery: Delivery, since: string): void {
  const { text, style } = statusCell(delivery.status);
  const head = `${clock(since).replace(/\.\d+$/, '')}  `;
  const rest = `  ${delivery.id}  `;
  const where = `${channelTitles[delivery.channel].padEnd(6)}  ${terminal.style(style, text.padEnd(10))}`;
  const room = Math.max(8, terminal.width - head.length - rest.length - 18);
  const why = delivery.reason && room > 60 ? `  ${delivery.reason}` : '';
  const who = fit(printable(recipient(delivery)), room - why.length);
  terminal.say(`${terminal.style('dim', head)}${where}${rest}${who}${terminal.style('dim', why)}`);
}

/** Since when it has stood so, as far as the row tells. */
export const standsSince = (delivery: Delivery): string =>
  delivery.deliveredAt ?? delivery.sentAt ?? delivery.createdAt;

export function showDelivery(terminal: Terminal, delivery: DeliveryDetail): void {
  terminal.say(terminal.style('bold', terminal.wrap(printable(delivery.sentence))));
  terminal.facts([
    ['delivery', delivery.id],
    ['message', delivery.messageId],
    ['channel', channelTitles[delivery.channel]],
    ['status', statusCell(delivery.status)],
    ['reason', delivery.reason && `${delivery.reason}: ${reasons[delivery.reason].sentence}`],
    ['profile', delivery.profile?.externalId],
    ['address', delivery.address],
    ['template', delivery.template && `${delivery.template.key}, version ${delivery.template.version}`],
    ['provider', delivery.provider],
    ['provider id', delivery.providerMessageId],
    ['attempts', String(delivery.attempts)],
    ['next', delivery.dueAt && clock(delivery.dueAt)],
    ['expires', delivery.expiresAt && clock(delivery.expiresAt)],
  ]);
  if (delivery.possibleDuplicate)
    terminal.say(
      terminal.style('yellow', '  It may have arrived twice: an attempt ended without an answer.'),
    );
  terminal.say();
  timeline(terminal, delivery.timeline);
}

/** The lines of a timeline with the time since the line before. */
export function timeline(terminal: Terminal, events: readonly DeliveryEvent[]): void {
  let before: number | undefined;
  const rows = events.map((event): Cell[] => {
    const at = Date.parse(event.at);
    const since = before === undefined ? '' : `+${sinceWords(at - before)}`;
    before = at;
    return [
      { text: clock(event.at), style: 'dim' },
      { text: since, style: 'dim' },
      { text: eventWords[event.type], style: eventStyles[event.type] ?? 'bold' },
      eventDetail(event),
    ];
  });
  terminal.table(
    [
      { title: 'TIME' },
      { title: '', align: 'right' },
      { title: 'WHAT' },
      { title: 'DETAIL', narrow: 'break' },
    ],
    rows,
    '  ',
  );
}

const sinceWords = (ms: number) => (ms < 1000 ? `${Math.max(0, ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function eventDetail(event: DeliveryEvent): string {
  const words = Object.entries(event.detail).flatMap(([name, value]): string[] => {
    if (value === null || (name === 'provider' && value === event.provider)) return [];
    if (name === 'retryInMs' && typeof value === 'number') return [`again in ${sinceWords(value)}`];
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [['detail', 'message', 'response', 'text'].includes(name) ? text : `${name}: ${text}`];
  });
  return [event.provider, event.reason && reasons[event.reason].sentence, ...words]
    .filter(Boolean)
    .join(' · ');
}

const eventWords: Record<DeliveryEventType, string> = {
  accepted: 'accepted',
  scheduled: 'scheduled',
  queued: 'queued',
  claimed: 'claimed by a dispatcher',
  handed_over: 'handed over',
  sent: 'sent',
  delivered: 'delivered',
  deferred: 'put off',
  failed: 'failed',
  suppressed: 'suppressed',
  cancelled: 'cancelled',
  rescheduled: 'rescheduled',
  expired: 'expired',
  unknown: 'outcome unknown',
  device_sent: 'sent to a device',
  device_failed: 'failed at a device',
  receipt: 'receipt',
  looked_up: 'looked up at the provider',
  resolved: 'decided by a person',
  redriven: 'asked for again',
  opened: 'opened',
  clicked: 'clicked',
  seen: 'seen',
  read: 'read',
  archived: 'archived',
  replied: 'replied',
  complained: 'complained',
  unsubscribed: 'unsubscribed',
};
const eventStyles: Partial<Record<DeliveryEventType, Style>> = {
  sent: 'green',
  delivered: 'green',
  failed: 'red',
  device_failed: 'red',
  unknown: 'red',
  deferred: 'yellow',
};
