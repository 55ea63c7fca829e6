/**
 * Judges a run by its ledgers alone. Shares no code with the system and knows nothing of how it works; only what was
 * promised (A), what arrived (B), what the log says (C), which webhooks came (D), which receipts were acknowledged (E),
 * and when faults struck (F).
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
  'denied',
  'forbidden',
  'stuck',
  'untold',
  'contradictions',
  'unknownBeyond',
];

/**
 * @param {object} ledgers
 * @param {object[]} ledgers.promised A: `accepted { at, key, message, deliveries: [{ id, channel }], expiresAt? }`,
 *   `cancelled { at, message, alreadyLeft }`, `suppressed { at, channel, address }`, `run { at, message, messages?, profiles }`
 *   (`messages`: each profile gets one of them),
 *   `runCancelled { at, message }`
 * @param {object[]} ledgers.arrived B: `{ at, channel, delivery, key }`
 * @param {object[]} ledgers.log C: one per delivery, see dump.mjs
 * @param {object[]} [ledgers.runs] C: one per run, `{ message, state }`
 * @param {object[]} [ledgers.enrollments] C: one per person's way through a journey, `{ id, key, state, no, outcome, lines: [{ no, step, kind, way, next }] }`;
 *   of A `began { key, goes }` belongs to it: an event that must have begun one, and whether what it listens for was ever told;
 *   rows of the log that a journey sent have `journey: { enrollment, step }`
 * @param {object[]} [ledgers.counts] C: what the journey has counted, `{ step, way, count }`
 * @param {object[]} [ledgers.receipts] E: `{ delivery, status }`, those answered with success
 * @param {object[]} [ledgers.faults] F: `{ at, what, channel? }`, in order; recovery counts from `at`; `channel`: the only one whose rows it disturbs
 * @param {object[]} [ledgers.webhooks] D: `{ id, type, forged }`, `id` being `<delivery>:<line of its timeline>`
 * @param {string[]} [ledgers.told] the types of lines that endpoints are told of
 * @param {number} [ledgers.unknownAtMost] what one fault may leave in doubt per channel and lane: sub-batch × what runs side by side
 * @returns {{ figures: Record<string, number>, examples: Record<string, string[]> }} the row, and ids to look at
 */
export function check({
  promised,
  arrived,
  log,
  runs = [],
  enrollments = [],
  counts = [],
  receipts = [],
  faults = [],
  webhooks = [],
  told = [],
  unknownAtMost = Infinity,
}) {
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

  const planned = promised.filter((p) => p.kind === 'run');
  const began = promised.filter((p) => p.kind === 'began');
  const travelled = judgeJourney({ began, enrollments, counts, log });
  const logMissing = [
    ...[...acceptedIds].filter((id) => !rows.has(id)),
    ...membersMissing({ planned, promised, log, runs }),
    ...travelled.missing,
  ];
  const lost = log
    .filter((row) => isPlace(row.status, 'sent', 'delivered') && !arrivals.has(row.delivery))
    .map((row) => row.delivery);
  const phantom = [
    ...[...arrivals.keys()].filter((id) => !(rows.get(id)?.tries > 0)),
    ...arrived.filter((b) => b.delivery === null).map((b) => `${b.channel} ${b.key}`),
    ...travelled.unasked,
  ];
  const duplicates = judgeDuplicates({ arrivals, rows, accepted, log });
  duplicates.known.push(...travelled.doubled);
  const denied = leftAndDenied(arrivals, rows);
  const forbidden = [
    ...cancelledYetSent({ promised, accepted, arrivals, rows }),
    ...runCancelledYetSent({ promised, arrivals, log }),
    ...suppressedYetSent({ promised, arrivals, log }),
    ...expiredYetSent({ accepted, arrivals, rows }),
  ];
  const stuck = [
    ...log.filter((row) => !ENDS.includes(row.status)).map((row) => `${row.delivery} ${row.status}`),
    ...runs
      .filter((run) => !isPlace(run.state, 'completed', 'cancelled'))
      .map((run) => `run of ${run.message} ${run.state}`),
    ...travelled.stuck,
  ];
  const untold = linesUntold(log, webhooks, told);
  const contradictions = [
    ...sentTwice(log),
    ...receiptsIgnored(rows, receipts),
    ...webhooksWrong(rows, webhooks),
    ...travelled.wrong,
  ];
  const unknown = log.filter((row) => row.status === 'unknown' || row.possibleDuplicate);
  const recovery = recoveryOf(log, faults, unknownAtMost);

  return {
    figures: {
      accepted: acceptedIds.size + planned.reduce((sum, run) => sum + run.profiles.length, 0) + began.length,
      lost: count('lost', lost),
      logMissing: count('logMissing', logMissing),
      phantom: count('phantom', phantom),
      duplicatesKnown: count('duplicatesKnown', duplicates.known),
      duplicatesUnknown: duplicates.unknown,
      denied: count('denied', denied),
      unknown: unknown.length,
      unknownPerKill: recovery.unknownPerKill,
      unknownBeyond: count('unknownBeyond', recovery.beyond),
      forbidden: count('forbidden', forbidden),
      stuck: count('stuck', stuck),
      untold: count('untold', untold),
      contradictions: count('contradictions', contradictions),
      recoverySeconds: recovery.seconds,
      faults: faults.length,
    },
    examples: { ...examples, ...(recovery.slowest ? { slowest: [recovery.slowest] } : {}) },
  };
}

/** What a process held is worked by its next life at the latest: so long after that is ready. Seconds. */
const AFTER_DOWN = 5;

/**
 * What a row has against it.
 * @param {Record<string, number>} figures of `check`
 * @param {object} bounds
 * @param {number} bounds.recoverySeconds the longest that anything may stand still
 * @param {number} [bounds.downSeconds] how long a process was away that nobody stands in for: its rows wait for it
 * @param {number} [bounds.slack] how often the bound is granted
 * @param {number} [bounds.unknownAtMost] in the whole row
 * @param {number} [bounds.unknownPerKillAtLeast] what a play must have put in doubt to have proved something
 * @param {number} [bounds.faultsAtLeast] as many as must have struck
 * @returns {{ why: string[], slow: string[] }} `slow`: what a busy machine excuses
 */
export function verdict(figures, bounds) {
  const { recoverySeconds, downSeconds = -Infinity, slack = 1 } = bounds;
  const within = slack * Math.max(recoverySeconds, downSeconds + AFTER_DOWN);
  const { unknownAtMost = Infinity, unknownPerKillAtLeast = 0, faultsAtLeast = 0 } = bounds;
  return {
    why: [
      ...ZEROS.filter((name) => !(figures[name] === 0)).map((name) => `${name} ${figures[name]}`),
      ...(figures.accepted > 0 ? [] : ['nothing was accepted']),
      ...(figures.unknown > unknownAtMost ? [`unknown ${figures.unknown}, more than ${unknownAtMost}`] : []),
      ...(figures.unknownPerKill < unknownPerKillAtLeast
        ? [`a kill left ${figures.unknownPerKill} in doubt, ${unknownPerKillAtLeast} were meant to be`]
        : []),
      ...(figures.faults < faultsAtLeast
        ? [`only ${figures.faults} faults struck, ${faultsAtLeast} were meant to`]
        : []),
    ],
    // A bound that is not stated is none that holds.
    slow:
      figures.recoverySeconds <= within
        ? []
        : [`recovery took ${figures.recoverySeconds} s, more than ${within} s`],
  };
}

/**
 * Each event that was taken began one way through the journey, which has ended once; its lines are one chain from the first
 * step to the end; each step that sends has one message, and each message such a step; the counts are the sums of the rows.
 */
function judgeJourney({ began, enrollments, counts, log }) {
  const found = { missing: [], unasked: [], doubled: [], stuck: [], wrong: [] };
  const ways = groupBy(enrollments, (e) => e.key);
  for (const { key } of began) {
    const mine = ways.get(key) ?? [];
    if (mine.length === 0) found.missing.push(`nobody entered for event ${key}`);
    if (mine.length > 1) found.doubled.push(`event ${key} began ${mine.length} ways`);
  }
  const goes = new Map(began.map((b) => [b.key, b.goes]));
  const sent = groupBy(
    log.filter((row) => row.journey),
    (row) => `${row.journey.enrollment} ${row.journey.step}`,
  );
  const owed = new Set();
  for (const { id, key, state, no, outcome, reason, lines } of enrollments) {
    const chain = lines ?? [];
    if (state !== 'ended') found.stuck.push(`${id} is ${state} (${reason ?? ''})`);
    else if (outcome !== 'done') found.wrong.push(`${id} ended as ${outcome} (${reason ?? ''})`);
    const whole =
      chain.length === no &&
      chain.every((line, n) => line.no === n && (n === 0 || chain[n - 1].next === line.step)) &&
      (state !== 'ended' || chain.at(-1)?.next === null);
    if (!whole) found.wrong.push(`${id} has a history that is no chain`);
    if (goes.get(key) === false && chain.some((line) => line.step === 'went'))
      found.wrong.push(`${id} heard what nobody told`);
    for (const line of chain)
      if (line.kind === 'send' && line.way === 'next') {
        owed.add(`${id} ${line.step}`);
        if (!sent.has(`${id} ${line.step}`)) found.missing.push(`${id} sent nothing at ${line.step}`);
      }
  }
  // Two for one step are two of one key, as any others.
  for (const [place, rows] of sent)
    if (!owed.has(place)) found.unasked.push(`${rows[0].message} of ${place}, which no line says`);
  const steps = new Map();
  const counted = (step, way) => steps.set(`${step} ${way}`, (steps.get(`${step} ${way}`) ?? 0) + 1);
  for (const { state, outcome, step, lines } of enrollments) {
    counted('', 'entered');
    if (state === 'ended') counted('', `ended:${outcome}`);
    for (const line of lines ?? []) {
      counted(line.step, 'entered');
      counted(line.step, line.way);
    }
    if (state !== 'ended') counted(step, 'entered');
  }
  const said = new Map(
    counts
      .filter(({ way }) => !way.startsWith('refused:'))
      .map(({ step, way, count }) => [`${step} ${way}`, count]),
  );
  for (const place of new Set([...steps.keys(), ...said.keys()]))
    if ((steps.get(place) ?? 0) !== (said.get(place) ?? 0))
      found.wrong.push(`${place}: counted ${said.get(place) ?? 0}, there are ${steps.get(place) ?? 0}`);
  return found;
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
    const doubts = doubtsOf(row);
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
const doubtsOf = (row) =>
  row.possibleDuplicate || row.status === 'unknown' ? row.timeline.filter(isDoubt).length : 0;

/** What had left when its process died is in doubt, or known as sent: never called an end in which nothing has left. */
const leftAndDenied = (arrivals, rows) =>
  [...arrivals]
    .filter(([id, came]) => {
      const row = rows.get(id);
      if (!(row?.tries > 0)) return false; // A phantom.
      const said =
        isPlace(row.status, 'sent', 'delivered') ||
        row.timeline.some((line) => isPlace(line.type, 'sent', 'delivered'));
      // Where even more came it is a duplicate.
      return !said && doubtsOf(row) === came.length - 1;
    })
    .map(([id, came]) => `${id} arrived ${came.length} times and is ${rows.get(id).status}`);

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

/** Members of a run that have no row; of a cancelled one those that were still to come need none. */
function membersMissing({ planned, promised, log, runs }) {
  const cancelled = new Set(
    [
      ...promised.filter((p) => p.kind === 'runCancelled'),
      ...runs.filter((r) => r.state === 'cancelled'),
    ].map((r) => r.message),
  );
  const logged = new Set(log.map((row) => `${row.message} ${row.profile}`));
  return planned
    .filter((run) => !cancelled.has(run.message))
    .flatMap(({ message, messages = [message], profiles }) =>
      profiles
        .filter((profile) => !messages.some((one) => logged.has(`${one} ${profile}`)))
        .map((profile) => `${message} ${profile}`),
    );
}

function runCancelledYetSent({ promised, arrivals, log }) {
  const since = new Map(promised.flatMap((p) => (p.kind === 'runCancelled' ? [[p.message, p.at]] : [])));
  return log
    .filter((row) => since.has(row.message) && leftAfter(row, since.get(row.message), arrivals))
    .map((row) => `${row.delivery} of a cancelled run`);
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

/** A webhook is signed, and about a line of a timeline, whose word it says. More than once is allowed. */
const webhooksWrong = (rows, webhooks) =>
  webhooks
    .filter(({ id, type, forged }) => {
      const [delivery, line] = id.split(':');
      return (
        forged ||
        !rows.get(delivery)?.timeline.some((l) => String(l.id) === line && `delivery.${l.type}` === type)
      );
    })
    .map(({ id, type }) => `${id} told as ${type}`);

/** Lines that endpoints are told of, and no webhook came. */
function linesUntold(log, webhooks, told) {
  const came = new Set(webhooks.map((w) => w.id));
  return log.flatMap(({ delivery, timeline }) =>
    timeline
      .filter((line) => told.includes(line.type) && !came.has(`${delivery}:${line.id}`))
      .map((line) => `${delivery}:${line.id} ${line.type}`),
  );
}

/**
 * The longest that anything which was under way at a fault stood still after it, unless another fault struck it meanwhile; the
 * most attempts that one fault left in doubt; and where those of a channel and lane were more than may be.
 */
function recoveryOf(log, faults, unknownAtMost) {
  let seconds = 0;
  let slowest;
  const doubts = new Map(faults.map((fault) => [fault, new Map()]));
  for (const [channel, rows] of groupBy(log, (row) => row.channel)) {
    const disturbs = (fault) => fault.channel === undefined || fault.channel === channel;
    const runs = groupBy(
      rows.filter((row) => row.inRun && row.handedOverAt !== null),
      (row) => row.message,
    );
    for (const [n, fault] of faults.entries()) {
      const { at, what } = fault;
      const next = faults.slice(n + 1).find(disturbs)?.at ?? Infinity;
      const stood = (until, who) => {
        if ((until - at) / 1000 <= seconds) return;
        seconds = (until - at) / 1000;
        slowest = `${who} after ${what}`;
      };
      for (const { delivery, timeline, inRun, lane } of rows) {
        const after = timeline.find((line) => line.at > at);
        if (!after || after.at > next) continue;
        // What a provider says later is its own work, and moves nothing of ours.
        const before = timeline.filter((line) => line.at <= at && line.type !== 'receipt');
        // Members of a run have no line before they have left.
        if (before.length === 0 && !(inRun && after.lostAfterMark)) continue;
        if (before.some((line) => END_LINES.has(line.type))) continue;
        if (before.length > 0 && plannedAt(before.at(-1)) > at) continue;
        if (before.length > 0) stood(after.at, delivery);
        if (after.lostAfterMark && disturbs(fault)) {
          const own = doubts.get(fault);
          own.set(`${channel} ${lane}`, (own.get(`${channel} ${lane}`) ?? 0) + 1);
        }
      }
      for (const [message, members] of runs) {
        const times = members.map((row) => row.handedOverAt);
        const after = times.filter((time) => time > at);
        if (after.length === 0 || after.length === times.length) continue;
        const first = Math.min(...after);
        if (first <= next) stood(first, `run of ${message}`);
      }
    }
  }
  const beyond = [...doubts].flatMap(([{ what }, own]) =>
    [...own]
      .filter(([, many]) => many > unknownAtMost)
      .map(([where, many]) => `${many} of ${where} in doubt after ${what}`),
  );
  const unknownPerKill = [...doubts.values()].map((own) => [...own.values()].reduce((sum, n) => sum + n, 0));
  return {
    seconds: Math.round(seconds * 10) / 10,
    slowest,
    unknownPerKill: Math.max(0, ...unknownPerKill),
    beyond,
  };
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
