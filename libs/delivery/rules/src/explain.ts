/** A delivery's state in sentences, for the dashboard, the CLI and `explain`. Pure. */
import {
  reasons,
  type Delivery,
  type DeliveryEvent,
  type Explanation,
  type Status,
} from '@carillon/contracts';
import { adviceFor } from './cause.js';

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

/** A step of its route, in order. */
export interface StepFacts {
  channel: Delivery['channel'];
  status: Status;
  /** Is it the delivery that is explained? */
  own: boolean;
  /** How far the steps before must not have got for this one to go out. */
  unless: 'sent' | 'delivered' | 'read' | null;
}
export interface ExplainFacts {
  delivery: Facts & { id: string; class: Delivery['class']; expiresAt: string | null };
  timeline: readonly DeliveryEvent[];
  /** The account that it went through, or would. */
  account: { name: string; provider: string; paused: string | null } | null;
  /** Null when its message has no route. */
  route: readonly StepFacts[] | null;
  /** Attempts in all, and how long anything is tried again at all. */
  retry: { attempts: number; windowMs: number };
  /** From when the window counts. */
  plannedAt: Date;
  /** Can its provider be asked what became of it? */
  looksUp: boolean;
  /** Which version of the workspace's own rules judged it, and what stopped it, where its timeline does not say. */
  gate?: { version: number | null; said: string | null };
}

/** Why it did or did not arrive, what happens next, and what a person can do. */
export function explain(facts: ExplainFacts, now: Date): Explanation {
  const { delivery } = facts;
  return {
    id: delivery.id,
    verdict: sentenceOf(delivery),
    because: [
      ...providerSaid(facts),
      ...gateSaid(facts),
      ...accountSaid(facts),
      ...attemptsSaid(facts, now),
      ...routeSaid(facts),
      ...peopleSaid(facts),
    ],
    next: nextOf(facts, now),
    youCan: youCan(facts),
  };
}

const text = (value: unknown): string | null =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : null;
const latest = (timeline: readonly DeliveryEvent[], test: (event: DeliveryEvent) => boolean) =>
  timeline.findLast(test);
const stop = (sentence: string) => (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`);

/** The latest words of the provider, whoever they came by. */
function providerSaid({ timeline, delivery }: ExplainFacts): string[] {
  const event = latest(
    timeline,
    ({ type, detail }) =>
      type !== 'accepted' &&
      detail['gate'] === undefined &&
      (text(detail['code']) ?? text(detail['message']) ?? text(detail['status'])) !== null,
  );
  if (!event) return [];
  const said = [text(event.detail['code']), text(event.detail['message']) ?? text(event.detail['status'])]
    .filter(Boolean)
    .join(' ');
  // Lines of the clock and of the renderer are our own words.
  const speaker = event.provider ?? text(event.detail['provider']) ?? null;
  return [speaker ? stop(`${speaker} said: ${said}`) : stop(`${sentence(said)}`), ...late(event, delivery)];
}
const late = (event: DeliveryEvent, delivery: Facts): string[] =>
  event.type === 'receipt' && text(event.detail['reported']) && delivery.status !== 'unknown'
    ? [
        `It reported “${text(event.detail['reported'])}” later, which changed nothing: a status never goes back.`,
      ]
    : [];
const sentence = (words: string) => words.charAt(0).toUpperCase() + words.slice(1);

/** The rules that were asked before it left, when one of them objected. */
function gateSaid({ timeline, gate }: ExplainFacts): string[] {
  const event = latest(timeline, ({ detail }) => typeof detail['gate'] === 'string');
  const trace = (text(event?.detail['gate']) ?? gate?.said ?? '').split('; ').filter(Boolean);
  const judged = gate?.version ? [`Version ${gate.version} of the rules of the workspace judged it.`] : [];
  const objection = trace.at(-1);
  if (!objection) return judged;
  const [rule = '', verdict = ''] = objection.split(': ');
  const passed = trace.slice(0, -1).map((line) => line.split(': ')[0]);
  return [
    `The rule “${rule}” decided: ${verdict}.${passed.length ? ` Before it, these had no objection: ${passed.join(', ')}.` : ''}`,
    ...judged,
  ];
}

function accountSaid({ account, delivery }: ExplainFacts): string[] {
  if (!account) return [];
  const through =
    delivery.attempts > 0 ? [`It went through the account “${account.name}” (${account.provider}).`] : [];
  return account.paused === null
    ? through
    : [...through, stop(`The account “${account.name}” is paused: ${lower(account.paused)}`)];
}

function attemptsSaid({ delivery, retry, plannedAt }: ExplainFacts, now: Date): string[] {
  const said: string[] = [];
  const open =
    delivery.status === 'scheduled' || delivery.status === 'queued' || delivery.status === 'sending';
  const until = plannedAt.getTime() + retry.windowMs - now.getTime();
  const left = Math.max(0, retry.attempts - delivery.attempts);
  if (delivery.attempts > 0)
    said.push(
      `It was handed over ${times(delivery.attempts)}.${
        open && until > 0
          ? ` ${left === 0 ? 'No attempt is' : left === 1 ? 'One more attempt is' : `${left} more attempts are`} left, the last ${inWords(until)} at the latest.`
          : ''
      }`,
    );
  if (delivery.possibleDuplicate)
    said.push('An earlier attempt ended without an answer and may have arrived, so this may be a duplicate.');
  return said;
}
const times = (count: number) => (count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`);

function routeSaid({ route }: ExplainFacts): string[] {
  if (!route || route.length < 2) return [];
  const own = route.findIndex((step) => step.own);
  const others = route.flatMap((step, n) =>
    step.own ? [] : [`${n + 1}. ${channelWords[step.channel]}: ${step.status}`],
  );
  return [`It is step ${own + 1} of ${route.length} of a route. The others: ${others.join(', ')}.`];
}

/** What people decided about it. */
function peopleSaid({ timeline }: ExplainFacts): string[] {
  return timeline.flatMap(({ type, at, detail }) => {
    const by = text(detail['by']) ?? 'Somebody';
    if (type === 'redriven') return [`${by} asked for it to be sent again at ${at}.`];
    if (type !== 'resolved') return [];
    const note = text(detail['note']);
    const what = { sent: 'that it arrived', failed: 'that it did not arrive', resend: 'to send it again' };
    const as = text(detail['as']);
    return [
      `${by} decided ${as && Object.hasOwn(what, as) ? what[as as keyof typeof what] : 'about it'} at ${at}${note ? `: “${note}”` : ''}.`,
    ];
  });
}

function nextOf({ delivery: d, looksUp, account }: ExplainFacts, now: Date): string {
  const when = d.dueAt ? `${inWords(Date.parse(d.dueAt) - now.getTime())} (${d.dueAt})` : 'now';
  const through = account && account.paused === null ? ` by the account “${account.name}”` : '';
  switch (d.status) {
    case 'scheduled':
      return d.reason === 'account_paused'
        ? `It goes on when the account is resumed; it is looked at again ${when}.`
        : d.reason === 'fallback'
          ? `It goes out ${when} unless the step before succeeds, and at once if that fails.`
          : d.reason === 'quiet_hours'
            ? `It goes to the gate again when quiet hours are over, ${when}.`
            : d.reason === 'capacity'
              ? `It asks for a place again ${when}; what is of higher priority is served first.`
              : d.reason === 'higher_priority'
                ? `It goes to the gate again ${when}, when the other message has had its time.`
                : d.reason === 'retry' || d.reason === 'rate_limited'
                  ? `It is tried again ${when}${through}, or by another account if there is one.`
                  : `It is looked at again ${when}.`;
    case 'queued':
      return 'A dispatcher takes it as soon as one is free; if its job was lost, the clock offers it again.';
    case 'sending':
      return `If the worker dies, the row is taken up again ${when}.`;
    case 'sent':
      return 'A receipt may still turn it into delivered or failed. Nothing else is due.';
    case 'unknown':
      return d.dueAt === null
        ? 'Nothing happens by itself: a late receipt, or a person, settles it.'
        : looksUp
          ? `Its provider is asked again ${when}; a receipt may settle it sooner. After 15 minutes a person decides.`
          : `This provider cannot be asked, so a receipt may settle it until ${d.dueAt}; after that a person decides.`;
    case 'failed':
    case 'suppressed':
    case 'cancelled':
    case 'expired':
    case 'delivered':
      return 'Nothing more happens by itself.';
  }
}

function youCan({ delivery: d, account }: ExplainFacts): string[] {
  switch (d.status) {
    case 'scheduled':
    case 'queued':
      return [
        'Cancel or reschedule its message.',
        ...(account?.paused != null ? [`Mend the account “${account.name}”, then resume it.`] : []),
      ];
    case 'unknown':
      return [
        'Ask the provider or the recipient, then decide: it arrived, it did not, or send it again and accept a possible duplicate.',
      ];
    case 'failed':
      return [d.reason ? adviceFor(d.reason) : 'Send it again.'];
    case 'suppressed':
      return d.reason === 'no_address' || d.reason === 'invalid_address'
        ? ['Correct the address of the profile, then send the message anew.']
        : d.reason === 'not_on_allow_list'
          ? ['Put the address on the allow list of the workspace, then send the message anew.']
          : d.reason === 'frequency_cap'
            ? ['Change the cap, or reset what counts for this person, then send the message anew.']
            : [];
    case 'expired':
      return ['Send the message anew if it still matters.'];
    case 'sending':
    case 'sent':
    case 'delivered':
    case 'cancelled':
      return [];
  }
}
