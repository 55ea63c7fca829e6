/**
 * Judges a run by its ledgers alone. Shares no code with the system and knows nothing of how it works; only what was
 * promised (A), what arrived (B), what the log says (C), which receipts were acknowledged (E), when faults struck (F),
 * and which webhooks were sent (D, when there are any).
 */

/** In which nothing more happens by itself. */
const ENDS = ['sent', 'delivered', 'failed', 'suppressed', 'cancelled', 'expired', 'unknown'];
/** Lines of a timeline that end a delivery. */
const END_LINES = new Set(ENDS);

/** What must be 0 in every row. */
export const ZEROS = [
  'lost',
  'logMissing',
  'phantom',
  'duplicatesKnown',
  'forbidden',
  'stuck',
  'contradictions',
];

/**
 * @param {object} ledgers
 * @param {object[]} ledgers.promised A: `accepted { at, key, message, deliveries: [{ id, channel }], expiresAt? }`,
 *   `cancelled { at, message, alreadyLeft }`, `suppressed { at, channel, address }`
 * @param {object[]} ledgers.arrived B: `{ at, channel, delivery, key }`
 * @param {object[]} ledgers.log C: one per delivery, see dump.mjs
 * @param {object[]} [ledgers.receipts] E: `{ delivery, status }`, those answered with success
 * @param {object[]} [ledgers.faults] F: `{ at, what }`, in order; recovery counts from `at`
 * @param {object[]} [ledgers.webhooks] D: `{ delivery, status }`
 * @returns {{ figures: Record<string, number>, examples: Record<string, string[]> }} the row, and ids to look at
 */
export function check({ promised, arrived, log, receipts = [], faults = [], webhooks = [] }) {
  const examples = {};
  const count = (name, things) => {
    if (things.length > 0) examples[name] = things.slice(0, 5);
    return things.length;
  };
  const accepted = promised.filter((p) => p.kind === 'accepted');
  const acceptedIds = new Set(accepted.flatMap((a) => a.deliveries.map((d) => d.id)));
  const rows = new Map(log.map((row) => [row.delivery, row]));
  const arrivals = groupBy(
    arrived.filter((b) => b.delivery !== null),
    (b) => b.delivery,
  );

  const logMissing = [...acceptedIds].filter((id) => !rows.has(id));
  const lost = [...acceptedIds].filter((id) => {
    const row = rows.get(id);
    return row && isPlace(row.status, 'sent', 'delivered') && !arrivals.has(id);
  });
  const phantom = [
    ...[...arrivals.keys()].filter((id) => !(rows.get(id)?.tries > 0)),
    ...arrived.filter((b) => b.delivery === null).map((b) => `${b.channel} ${b.key}`),
  ];
  const duplicates = judgeDuplicates({ arrivals, rows, accepted, log });
  const forbidden = [
    ...cancelledYetSent({ promised, accepted, arrivals, rows }),
    ...suppressedYetSent({ promised, arrivals, log }),
    ...expiredYetSent({ accepted, arrivals, rows }),
  ];
  const stuck = log.filter((row) => !ENDS.includes(row.status)).map((row) => `${row.delivery} ${row.status}`);
  const contradictions = [
    ...sentTwice(log),
    ...receiptsIgnored(rows, receipts),
    ...webhooksWrong(rows, webhooks),
  ];
  const unknown = log.filter((row) => row.status === 'unknown' || row.possibleDuplicate);
  const recovery = recoveryOf(log, faults);

  return {
    figures: {
      accepted: acceptedIds.size,
      lost: count('lost', lost),
      logMissing: count('logMissing', logMissing),
      phantom: count('phantom', phantom),
      duplicatesKnown: count('duplicatesKnown', duplicates.known),
      duplicatesUnknown: duplicates.unknown,
      unknown: unknown.length,
      unknownPerKill: recovery.unknownPerKill,
      forbidden: count('forbidden', forbidden),
      stuck: count('stuck', stuck),
      contradictions: count('contradictions', contradictions),
      recoverySeconds: recovery.seconds,
      faults: faults.length,
    },
    examples,
  };
}

const isPlace = (status, ...places) => places.includes(status);

/**
 * More than one arrival of a delivery is excused as far as its timeline admits attempts that nobody knows the end of;
 * more than one delivery for a key never is.
 */
function judgeDuplicates({ arrivals, rows, accepted, log }) {
  const known = [];
  let unknown = 0;
  for (const [id, came] of arrivals) {
    const row = rows.get(id);
    if (!row || came.length < 2) continue;
    const surplus = came.length - 1;
    const doubts =
      row.possibleDuplicate || row.status === 'unknown' ? row.timeline.filter(isDoubt).length : 0;
    unknown += Math.min(surplus, doubts);
    for (let n = doubts; n < surplus; n++)
      known.push(`${id} arrived ${came.length} times, ${doubts} in doubt`);
  }
  for (const [key, answers] of groupBy(accepted, (a) => a.key)) {
    const messages = new Set(answers.map((a) => a.message));
    if (messages.size > 1) known.push(`key ${key} has messages ${[...messages].join(', ')}`);
  }
  for (const [key, logged] of groupBy(log, (row) => `${row.key} ${row.channel}`))
    if (logged.length > 1) known.push(`key ${key} has ${logged.length} deliveries`);
  return { known, unknown };
}
/** Lines that say of an attempt: it may have arrived. Silence is told as a retry, too. */
const isDoubt = (line) => line.type === 'unknown' || (line.type === 'deferred' && line.reason === 'retry');

/** Cancelled says that it will not be sent: nothing may arrive after it, and before it only what the log doubts. */
function cancelledYetSent({ promised, accepted, arrivals, rows }) {
  const deliveriesOf = new Map(accepted.map((a) => [a.message, a.deliveries]));
  return promised
    .filter((p) => p.kind === 'cancelled' && p.alreadyLeft === 0)
    .flatMap(({ message, at }) =>
      (deliveriesOf.get(message) ?? [])
        .filter(({ id }) =>
          (arrivals.get(id) ?? []).some((b) => b.at > at || !rows.get(id)?.possibleDuplicate),
        )
        .map(({ id }) => `${id} cancelled`),
    );
}

/** Handed over after the word of the operator was committed. */
function suppressedYetSent({ promised, arrivals, log }) {
  const since = new Map();
  for (const p of promised) if (p.kind === 'suppressed') since.set(`${p.channel} ${p.address}`, p.at);
  return log
    .filter((row) => {
      const at = since.get(`${row.channel} ${row.address}`);
      return at !== undefined && leftAfter(row, at, arrivals);
    })
    .map((row) => `${row.delivery} suppressed`);
}

function expiredYetSent({ accepted, arrivals, rows }) {
  return accepted
    .filter((a) => a.expiresAt !== undefined)
    .flatMap((a) =>
      a.deliveries.filter(({ id }) => rows.has(id) && leftAfter(rows.get(id), a.expiresAt, arrivals)),
    )
    .map(({ id }) => `${id} expired`);
}
/** The mark is the border: what was marked in time may arrive a moment later. */
const leftAfter = (row, at, arrivals) =>
  row.handedOverAt !== null &&
  row.handedOverAt > at &&
  (arrivals.get(row.delivery) ?? []).some((b) => b.at >= row.handedOverAt - 1);

/** An attempt's own word, not a receipt's, which may overtake it: what is sent is not tried again. */
const sentTwice = (log) =>
  log
    .filter((row) => row.timeline.filter((l) => l.type === 'sent' && l.attempt !== undefined).length > 1)
    .map((row) => `${row.delivery} sent twice`);

/** The best word that we acknowledged stands in the log, whatever order the words came in. */
function receiptsIgnored(rows, receipts) {
  return [...groupBy(receipts, (r) => r.delivery)]
    .filter(([id, told]) => {
      const row = rows.get(id);
      if (!row) return false;
      return told.some((r) => r.status === 'delivered') && !isPlace(row.status, 'delivered', 'failed');
    })
    .map(([id]) => `${id} delivered by receipt, ${rows.get(id).status} in the log`);
}

/** A webhook says what the log says. */
const webhooksWrong = (rows, webhooks) =>
  webhooks
    .filter(({ delivery, status }) => {
      const row = rows.get(delivery);
      return (
        !row ||
        (END_LINES.has(status) && !row.timeline.some((l) => l.type === status) && row.status !== status)
      );
    })
    .map(({ delivery, status }) => `${delivery} told as ${status}`);

/**
 * The longest that anything which was under way at a fault stood still after it, and the most attempts that one fault
 * left in doubt.
 */
function recoveryOf(log, faults) {
  let seconds = 0;
  let unknownPerKill = 0;
  faults.forEach(({ at }, n) => {
    const next = faults[n + 1]?.at ?? Infinity;
    let doubts = 0;
    for (const { timeline } of log) {
      const after = timeline.find((line) => line.at > at);
      if (!after || after.at > next) continue;
      const before = timeline.filter((line) => line.at <= at);
      if (before.length === 0 || before.some((line) => END_LINES.has(line.type))) continue;
      if (plannedAt(before.at(-1)) > at) continue;
      seconds = Math.max(seconds, (after.at - at) / 1000);
      if (after.lostAfterMark) doubts += 1;
    }
    unknownPerKill = Math.max(unknownPerKill, doubts);
  });
  return { seconds: Math.round(seconds * 10) / 10, unknownPerKill };
}
/** When the line says that something happens next; its own time when it says nothing. */
const plannedAt = (line) => line.plannedAt ?? line.at;

function groupBy(things, keyOf) {
  const groups = new Map();
  for (const thing of things) {
    const key = keyOf(thing);
    const group = groups.get(key);
    if (group) group.push(thing);
    else groups.set(key, [thing]);
  }
  return groups;
}
