/** Provider accounts as the dispatcher needs them: with their secrets opened. Never leaves the process. */
import { config } from '@carillon/config';
import type { Channel, RateLimit, WarmUp } from '@carillon/contracts';
import { kept, type Sql } from '@carillon/database';
import { domainQuotasNow, limitNow, type DomainQuota, type GateFacts } from '@carillon/delivery-rules';
import { open, type Envelope, type MasterKeys } from './secrets.js';

export interface SendingAccount {
  id: string;
  workspaceId: string;
  channel: Channel;
  provider: string;
  name: string;
  revision: number;
  /** Lower is tried first. */
  position: number;
  /** Share among the accounts of the same position. */
  weight: number;
  /** What it may send now: while it warms up, the quota of the day. */
  rateLimit: RateLimit | null;
  /** What it may send to some domains today, while it warms up. */
  domainQuotas: DomainQuota[] | null;
  paused: boolean;
  /** How long its breaker, or the provider's word, keeps everybody from calling. */
  blockedMs: number;
  /** Failed lately: successes are worth telling the other processes too. */
  troubled: boolean;
  settings: Readonly<Record<string, unknown>>;
  /** Its address was set by an operator: private networks may be reached where the installation allows it. */
  operatorEndpoint: boolean;
}

/** The keys of this process, newest first. */
export const masterKeys = (): MasterKeys => [
  config().secrets.masterKey,
  ...config().secrets.previousMasterKeys,
];

const opened = new Map<string, Readonly<Record<string, unknown>>>();
const KEPT_ACCOUNTS = 1000;

const ACCOUNTS = kept(
  'accounts',
  `SELECT a.id, a.workspace_id AS "workspaceId", a.channel, a.provider, a.name, a.revision, a.position, a.weight, a.rate_limit AS "rateLimit", a.warm_up AS "warmUp",
            a.paused_at IS NOT NULL AS paused, a.settings, a.secrets,
            coalesce(greatest(0, extract(epoch FROM greatest(f.open_until, f.held_until) - clock_timestamp()) * 1000), 0)::float8 AS "blockedMs",
            coalesce(f.failures_in_row > 0 OR f.open_until IS NOT NULL OR f.held_until IS NOT NULL OR f.hold_ms > 0, false) AS troubled
       FROM provider_accounts a LEFT JOIN account_flow f ON f.account_id = a.id AND f.workspace_id = $1
      WHERE a.workspace_id = $1 AND a.channel = $2 AND a.deleted_at IS NULL ORDER BY a.position, a.id`,
);

/** All accounts of a channel, in the order they are to be tried. */
export async function usableAccounts(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
): Promise<SendingAccount[]> {
  const rows = await sql.query<
    Omit<SendingAccount, 'operatorEndpoint' | 'domainQuotas'> & {
      warmUp: WarmUp | null;
      secrets: Record<string, Envelope>;
    }
  >(ACCOUNTS, [workspaceId, channel]);
  return rows.map(({ secrets, warmUp, ...row }) => ({
    ...row,
    rateLimit: warmUp ? limitNow(row.rateLimit, warmUp, Date.now()) : row.rateLimit,
    domainQuotas: warmUp && domainQuotasNow(warmUp, Date.now()),
    settings: openSettings(row, secrets),
    operatorEndpoint: typeof row.settings['endpoint'] === 'string',
  }));
}

/** Settings with their secrets. Kept by revision: opening is cheap, but not for every batch. */
export function openSettings(
  account: { id: string; workspaceId: string; revision: number; settings: Readonly<Record<string, unknown>> },
  secrets: Record<string, Envelope>,
): Readonly<Record<string, unknown>> {
  const key = `${account.id} ${account.revision}`;
  const kept = opened.get(key);
  if (kept) return kept;
  const settings = { ...account.settings };
  for (const [field, envelope] of Object.entries(secrets))
    settings[field] = open(
      masterKeys(),
      { workspaceId: account.workspaceId, accountId: account.id, field },
      envelope,
    );
  if (opened.size >= KEPT_ACCOUNTS) opened.clear();
  opened.set(key, settings);
  return settings;
}

/** Looked at again after this, or soon after somebody resumes an account. */
const PAUSED_RECHECK_MS = 600_000;

export const mayBeUsed = (a: SendingAccount): boolean => !a.paused && a.blockedMs === 0;

/** Whether any account may be used now; if not, when to look again. */
export function stateOf(accounts: readonly SendingAccount[]): GateFacts['accounts'] {
  if (accounts.length === 0) return 'none';
  if (accounts.some(mayBeUsed)) return 'ready';
  const running = accounts.filter((a) => !a.paused);
  return running.length === 0
    ? { wait: 'account_paused', afterMs: PAUSED_RECHECK_MS }
    : { wait: 'account_unavailable', afterMs: Math.min(...running.map((a) => a.blockedMs)) };
}
