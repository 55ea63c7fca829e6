/** Warming up an account: a quota for each of its first days. Pure. */
import type { RateLimit, WarmUp } from '@carillon/contracts';

const DAY = 86_400_000;

/** Which day of the plan it is, from 1; null before the first and after the last. */
export function warmUpDay({ from, quotas }: WarmUp, now: number): number | null {
  const day = Math.floor((now - Date.parse(`${from}T00:00:00Z`)) / DAY) + 1;
  return day >= 1 && day <= quotas.length ? day : null;
}

/**
 * What an account may send now. While it warms up the quota of the day, an hour's share of it at once; else its rate limit. Before
 * the first day it sends as it did.
 */
export function limitNow(limit: RateLimit | null, plan: WarmUp | null, now: number): RateLimit | null {
  const day = plan && warmUpDay(plan, now);
  if (!plan || day === null) return limit;
  const count = plan.quotas[day - 1]!;
  return { count, per: 'day', burst: Math.max(1, Math.ceil(count / 24)) };
}

/** What may go to some receiving domains today. */
export interface DomainQuota {
  name: string;
  domains: ReadonlySet<string>;
  quota: number;
}

/** Null where no domain has a quota of its own today. */
export function domainQuotasNow(plan: WarmUp | null, now: number): DomainQuota[] | null {
  const groups = (plan?.domains ?? []).flatMap(({ domains, quotas }): DomainQuota[] => {
    const day = warmUpDay({ from: plan!.from, quotas }, now);
    return day === null ? [] : [{ name: domains[0]!, domains: new Set(domains), quota: quotas[day - 1]! }];
  });
  return groups.length > 0 ? groups : null;
}

/** The quota that an address needs a place of. */
export const quotaFor = (quotas: readonly DomainQuota[], address: string): DomainQuota | undefined => {
  const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
  return quotas.find((quota) => quota.domains.has(domain));
};

export const msToTomorrow = (now: number): number => DAY - (now % DAY);

/** How fast an account lets messages out. */
export interface Pace {
  limit: RateLimit | null;
  warmUp: WarmUp | null;
}
const LENGTHS = { second: 1000, minute: 60_000, hour: 3_600_000, day: DAY } as const;
/** Ten years: nobody plans further. */
const MOST_DAYS = 3650;

/**
 * How long it takes until the last of so many has left, day by day: as limits, the quotas of warming up and those for receiving
 * domains tell. A domain waits only where each account has a quota for it.
 * @param byDomain how many of them go to domains that have quotas
 * @param perSecond of the mailing itself
 */
export function paceMs(
  accounts: readonly Pace[],
  people: number,
  byDomain: ReadonlyMap<string, number>,
  { from, perSecond = Infinity }: { from: number; perSecond?: number },
): number {
  const groups = grouped(accounts, byDomain);
  let others = people - groups.reduce((sum, { left }) => sum + left, 0);
  for (let n = 0, start = from; n < MOST_DAYS; n++) {
    const end = start + msToTomorrow(start);
    const share = (end - start) / DAY;
    const lets = accounts.reduce((sum, { limit, warmUp }) => sum + aDay(limitNow(limit, warmUp, start)), 0);
    const most = Math.min(lets, perSecond * 86_400) * share;
    const takes = groups.map(({ domain, left }) => Math.min(left, placesFor(accounts, domain, start)));
    const wanted = takes.reduce((sum, one) => sum + one, others);
    const part = wanted > most ? most / wanted : 1;
    if (part === 1 && takes.every((one, g) => one === groups[g]!.left))
      return start - from + (most === Infinity ? 0 : (wanted / most) * (end - start));
    others -= others * part;
    groups.forEach((group, g) => (group.left -= takes[g]! * part));
    start = end;
  }
  return MOST_DAYS * DAY;
}

const aDay = (limit: RateLimit | null): number =>
  limit ? (limit.count * DAY) / LENGTHS[limit.per] : Infinity;

/** Domains that share a quota count together. */
function grouped(
  accounts: readonly Pace[],
  byDomain: ReadonlyMap<string, number>,
): { domain: string; left: number }[] {
  const named = new Map<string, { domain: string; left: number }>();
  const groups = accounts.flatMap(({ warmUp }) => warmUp?.domains ?? []);
  for (const [domain, people] of byDomain) {
    const name = groups.find(({ domains }) => domains.includes(domain))?.domains[0] ?? domain;
    const known = named.get(name);
    if (known) known.left += people;
    else named.set(name, { domain, left: people });
  }
  return [...named.values()];
}

/** Of all accounts together, on one day. */
const placesFor = (accounts: readonly Pace[], domain: string, now: number): number =>
  accounts.reduce(
    (sum, { warmUp }) =>
      sum + (quotaFor(domainQuotasNow(warmUp, now) ?? [], `@${domain}`)?.quota ?? Infinity),
    0,
  );
