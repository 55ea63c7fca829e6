/**
 * Which provider account takes the next attempt: the lowest position that has one, shared by weight; the account that
 * failed last time only when there is no other. Pure; called by the dispatcher for every delivery.
 */

/** An account that may be used now: neither paused nor behind an open breaker. */
export interface AccountChoice {
  id: string;
  /** Lower is tried first. */
  position: number;
  /** Share among the accounts of the same position; 0 takes part only when all others are away. */
  weight: number;
}

/**
 * @param accounts those that may be used now, in any order
 * @param facts what became of it so far
 * @param random in [0, 1)
 */
export function chooseAccount<A extends AccountChoice>(
  accounts: readonly A[],
  facts: { tries: number; lastAccountId: string | null },
  random: number,
): A | undefined {
  const others = facts.tries > 0 ? accounts.filter((a) => a.id !== facts.lastAccountId) : accounts;
  const open = others.length > 0 ? others : accounts;
  const first = Math.min(...open.map((a) => a.position));
  const tier = open.filter((a) => a.position === first);
  const all = tier.reduce((sum, a) => sum + a.weight, 0);
  if (all === 0) return tier[Math.floor(random * tier.length)];
  let at = random * all;
  return tier.find((a) => (at -= a.weight) < 0) ?? tier.at(-1);
}
