/**
 * Bugs on purpose, one after the other, each under the play that its promise is about: proves that the checker would
 * notice. A bug that no figure shows is a miss.
 */
import { runScenario } from './run.mjs';
import { isStopped, openStage } from './stage.mjs';

const DISPATCHERS = ['dispatcher-email', 'dispatcher-sms', 'dispatcher-push', 'dispatcher-in-app'];
const dispatchers = (env) => Object.fromEntries(DISPATCHERS.map((name) => [name, env]));
const at = (failpoint, strikes = 1) => ({ how: { env: { CARILLON_FAILPOINTS: failpoint }, strikes } });
/** Claimed and judged, and then a moment in which people may change their minds. */
const late = {
  apart: true,
  whenClaimed: true,
  how: { only: dispatchers({ CARILLON_FAILPOINTS: 'before-mark:pause:1' }) },
};

/** Each bug, what must show it, and the play. */
export const plays = {
  'answer-before-commit': { shows: ['logMissing'], ...at('accept-before-commit:kill:25', 3) },
  'idempotency-unchecked': { shows: ['duplicatesKnown'] },
  'claim-takes-anyones': {
    shows: ['duplicatesKnown'],
    apart: true,
    seconds: 8,
    how: { only: dispatchers({ CARILLON_FAILPOINTS: 'after-record:kill:15' }) },
  },
  'suppression-unread-at-mark': { shows: ['forbidden'], ...late },
  'cancel-unread-at-mark': { shows: ['forbidden'], ...late },
  'expiry-ignored': { shows: ['forbidden'] },
  // What had left and was sent again, or was ended as if it had not.
  'mark-not-written': { shows: ['duplicatesKnown', 'denied', 'forbidden'], ...at('reply-read:kill:15', 3) },
  'accepted-retried': { shows: ['duplicatesKnown'] },
  'silence-called-sent': { shows: ['lost'], providers: { sms: { act: 'vanish', share: 0.3 } } },
  'record-unfenced': {
    shows: ['contradictions', 'duplicatesKnown'],
    apart: true,
    seconds: 20,
    // What is sent again while the first worker stands still; marketing is held.
    messageClass: 'transactional',
    how: { only: dispatchers({ CARILLON_FAILPOINTS: 'reply-read:stop:5' }), extra: DISPATCHERS },
    during: async (stage, { sleep }) => {
      // Until all stand still; then until the other process has sent again what they had sent.
      for (let n = 0; n < 200 && !DISPATCHERS.every((name) => isStopped(stage.pidOf(name))); n++)
        await sleep(100);
      for (let n = 0; n < 60 && (await stage.sentAgain()) < 2; n++) await sleep(1000);
      for (const name of DISPATCHERS) stage.signal(name, 'SIGCONT');
    },
  },
  'lease-never-swept': { shows: ['stuck'], patienceMs: 25_000, ...at('after-claim:kill:8', 3) },
  'unknown-retried-blindly': { shows: ['duplicatesKnown'], ...at('reply-read:kill:15', 3) },
  'clock-skips-rows': { shows: ['stuck'], patienceMs: 20_000 },
  'receipt-moves-back': { shows: ['contradictions'], providers: { receipts: { copies: 3, shuffled: true } } },
  'receipt-lost': { shows: ['contradictions'] },
  'journey-signal-lost': { shows: ['logMissing'], journey: true },
  'journey-counts-apart': { shows: ['contradictions'], journey: true },
};

/** @returns {Promise<number>} how many were missed */
export async function drill({ seed, rate, say, onStop, stopping }, only) {
  let stage;
  const close = async () => {
    await stage?.close();
    stage = undefined;
  };
  onStop(close);
  const missed = [];
  const entries = Object.entries(plays).filter(([bug]) => !only || only.includes(bug));
  // Each kind of installation once.
  entries.sort(([, a], [, b]) => Number(Boolean(a.apart)) - Number(Boolean(b.apart)));
  for (const [bug, { apart = false, how = {}, shows, ...play }] of entries) {
    if (stopping()) break;
    if (stage?.apart !== apart) {
      await close();
      stage = await openStage({ apart, queue: 'postgres', seed });
    }
    await stage.startServices({ ...how, env: { ...how.env, CARILLON_BUGS: bug } });
    const row = await runScenario(
      stage,
      { name: `bug ${bug}`, seconds: 6, runs: false, webhooks: false, ...play },
      { seed, rate, say: () => {} },
    );
    const shown = shows.filter((name) => row[name] > 0);
    if (shown.length === 0) missed.push(bug);
    say(
      `${shown.length > 0 ? 'caught' : 'MISSED'}  ${bug.padEnd(28)} ${shown.map((name) => `${name} ${row[name]}`).join(', ') || row.why?.join('; ') || `every figure was clean, ${row.faults} faults`}`,
    );
    // What a bug left behind must not disturb the next.
    await stage.stopServices('SIGKILL');
    await stage.endAll();
  }
  await close();
  say(
    `\n${entries.length - missed.length} of ${entries.length} bugs caught${missed.length > 0 ? `; missed: ${missed.join(', ')}` : ''}.`,
  );
  return missed.length;
}
