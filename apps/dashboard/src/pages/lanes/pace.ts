/** From the API's lanes to what the page says about them: how a lane fares, and its sums over channels. Pure. */
import type { Lane, LaneState } from '@carillon/contracts';

/** `behind`: it moves, and the oldest waits for longer than such a message may. `stalled`: nothing has left for a minute. */
export type Pace = 'clear' | 'moving' | 'behind' | 'stalled';

/** How long the oldest may wait while the lane counts as keeping up. A journey's step is no login code. */
const patienceSeconds: Record<Lane, number> = { transactional: 30, journey: 300, bulk: Infinity };
/** For so long nothing may leave before that is worth a word: as long as the API counts back. */
const STALLED_SECONDS = 60;

export const paceOf = (lane: LaneState, now: Date): Pace => {
  if (lane.queued === 0) return lane.sending > 0 ? 'moving' : 'clear';
  const runs = lane.runs.filter((run) => run.state === 'running' && run.pending > 0);
  const oldest = Math.max(
    lane.oldestWaitSeconds ?? 0,
    ...runs.map((run) => (now.getTime() - Date.parse(run.plannedAt)) / 1000),
  );
  // A page of a run counts when it is done, which may take longer than a minute.
  const still = lane.perMinute === 0 && lane.sending === 0 && runs.every((run) => run.pagesInFlight === 0);
  if (still && oldest >= STALLED_SECONDS) return 'stalled';
  return oldest >= patienceSeconds[lane.lane] ? 'behind' : 'moving';
};

const graver: Record<Pace, number> = { clear: 0, moving: 1, behind: 2, stalled: 3 };
export interface LaneSum {
  queued: number;
  sending: number;
  scheduled: number;
  perMinute: number;
  oldestWaitSeconds: number | null;
  emptyAt: string | null;
  pace: Pace;
}
/** One lane over all channels: as slow as its slowest channel. */
export const sumOf = (channels: readonly LaneState[], now: Date): LaneSum => {
  const sum: LaneSum = {
    queued: 0,
    sending: 0,
    scheduled: 0,
    perMinute: 0,
    oldestWaitSeconds: null,
    emptyAt: null,
    pace: 'clear',
  };
  for (const one of channels) {
    for (const name of ['queued', 'sending', 'scheduled', 'perMinute'] as const) sum[name] += one[name];
    if (one.oldestWaitSeconds !== null)
      sum.oldestWaitSeconds = Math.max(sum.oldestWaitSeconds ?? 0, one.oldestWaitSeconds);
    const pace = paceOf(one, now);
    if (graver[pace] > graver[sum.pace]) sum.pace = pace;
  }
  // Empty when the last of its channels is, and unknown as long as one of them is.
  const waiting = channels.filter(({ queued }) => queued > 0).map(({ emptyAt }) => emptyAt);
  if (waiting.length > 0 && waiting.every((at) => at !== null)) sum.emptyAt = waiting.sort().at(-1) ?? null;
  return sum;
};
