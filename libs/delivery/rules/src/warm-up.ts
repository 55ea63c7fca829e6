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
