/**
 * Who is next in the bulk lane of a channel: workspaces take turns, and inside a workspace its runs do, by weight. A page
 * is a turn. So a run of a few pages passes a run of a million people instead of standing behind it. Pure.
 */

export interface Contender {
  runId: string;
  workspaceId: string;
  weight: number;
  /** Pages released so far, divided by weight. */
  pass: number;
  /** Pages that could go now. */
  pages: number;
}
export interface Shares {
  /** A run for each page to release, in order. */
  turns: string[];
  /** What is to be remembered for the next time. */
  passes: Map<string, number>;
  lastTurns: Map<string, number>;
}

/**
 * @param contenders runs with pages that could go
 * @param lastTurns by workspace; one that is missing never had a turn and goes first
 * @param room how many pages may be released
 */
export function shareOut(
  contenders: readonly Contender[],
  lastTurns: ReadonlyMap<string, number>,
  room: number,
): Shares {
  const left = contenders.map((c) => ({ ...c }));
  const last = new Map(left.map((c) => [c.workspaceId, lastTurns.get(c.workspaceId) ?? 0]));
  let turn = Math.max(0, ...lastTurns.values());
  const shares: Shares = { turns: [], passes: new Map(), lastTurns: new Map() };
  while (shares.turns.length < room) {
    const waiting = left.filter((c) => c.pages > 0);
    const next = least(waiting, (c) => [last.get(c.workspaceId) ?? 0, c.pass, c.runId]);
    if (!next) break;
    next.pages -= 1;
    next.pass += 1 / next.weight;
    last.set(next.workspaceId, ++turn);
    shares.turns.push(next.runId);
    shares.passes.set(next.runId, next.pass);
    shares.lastTurns.set(next.workspaceId, turn);
  }
  return shares;
}

function least<T>(all: readonly T[], keyOf: (one: T) => [number, number, string]): T | undefined {
  let best: { one: T; key: [number, number, string] } | undefined;
  for (const one of all) {
    const key = keyOf(one);
    if (!best || before(key, best.key)) best = { one, key };
  }
  return best?.one;
}
const before = (a: [number, number, string], b: [number, number, string]): boolean =>
  a[0] !== b[0] ? a[0] < b[0] : a[1] !== b[1] ? a[1] < b[1] : a[2] < b[2];
