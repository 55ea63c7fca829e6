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
  printable,
  shortTime,
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
      terminal.status(delivery.status),
      ...(roomy ? [delivery.reason ?? ''] : []),
      recipient(delivery),
      delivery.id,
    ]),
  );
}

/** One line for a stream: when it last changed, and where it stands now. */
export function deliveryLine(terminal: Terminal, delivery: Delivery, at: string): void {
  const { text, style } = terminal.status(delivery.status) as { text: string; style: Style };
  const why = delivery.reason ? terminal.style('dim', ` (${delivery.reason})`) : '';
  terminal.say(
    `${terminal.style('dim', clock(at))}  ${channelTitles[delivery.channel].padEnd(6)}  ` +
      `${terminal.style(style, text.padEnd(9))}  ${delivery.id}  ${printable(recipient(delivery))}${why}`,
  );
}

/** What was heard last about a delivery: the time of a line in the stream. */
export const lastChange = (delivery: Delivery): string =>
  delivery.deliveredAt ??
  delivery.sentAt ??
  (delivery.status === 'scheduled' ? delivery.createdAt : new Date().toISOString());

export function showDelivery(terminal: Terminal, delivery: DeliveryDetail): void {
  terminal.say(terminal.style('bold', terminal.wrap(printable(delivery.sentence))));
  terminal.facts([
    ['delivery', delivery.id],
    ['message', delivery.messageId],
    ['channel', channelTitles[delivery.channel]],
    ['status', terminal.status(delivery.status)],
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
  const words = Object.entries(event.detail).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return ['detail', 'message', 'response', 'text'].includes(name) ? text : `${name}: ${text}`;
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
