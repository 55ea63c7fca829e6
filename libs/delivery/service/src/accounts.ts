/**
 * Provider accounts as people see and change them. Secrets go in and never come out: they are sealed by secrets.ts, and
 * opened only for sending (sending-accounts.ts). What a setting means is the provider's business.
 */
import { config } from '@carillon/config';
import type {
  Channel,
  Prices,
  ProblemError,
  ProviderAccount,
  ProviderAccountCreate,
  ProviderAccountPatch,
  RateLimit,
  WarmUp,
} from '@carillon/contracts';
import { newId, type Database, type Sql } from '@carillon/database';
import { limitNow, type Provider } from '@carillon/delivery-rules';
import { ProblemException } from '@carillon/server';
import { healthOf, talliesOf, type Tally } from './account-health.js';
import { accountQuota, breakerOf, wakeWaiting, flowsOf, type Flow } from './account-limits.js';
import { divideSettings, judgeSettings, providerOf, type Settings } from './account-settings.js';
import { channelShapes } from './channels.js';
import { links } from './links.js';
import { open, reseal, seal, type Envelope } from './secrets.js';
import { masterKeys } from './sending-accounts.js';

export interface AccountRow {
  id: string;
  workspaceId: string;
  channel: Channel;
  provider: string;
  name: string;
  position: number;
  weight: number;
  rateLimit: RateLimit | null;
  warmUp: WarmUp | null;
  prices: Prices | null;
  settings: Settings;
  secrets: Record<string, Envelope>;
  revision: number;
  pausedAt: Date | null;
  pausedReason: string | null;
  createdAt: Date;
  updatedAt: Date;
}

const SELECT = `SELECT id, workspace_id AS "workspaceId", channel, provider, name, position, weight, rate_limit AS "rateLimit", warm_up AS "warmUp", prices, settings, secrets, revision, paused_at AS "pausedAt",
   paused_reason AS "pausedReason", created_at AS "createdAt", updated_at AS "updatedAt"
   FROM provider_accounts WHERE deleted_at IS NULL`;

export async function listAccounts(sql: Sql, workspaceId: string): Promise<ProviderAccount[]> {
  const rows = await sql.query<AccountRow>(`${SELECT} AND workspace_id = $1 ORDER BY channel, position, id`, [
    workspaceId,
  ]);
  const tallies = await talliesOf(sql, workspaceId, new Date());
  const flows = await flowsOf(sql, workspaceId);
  return rows.map((row) => toAccount(row, tallies.get(row.id) ?? [], flows.get(row.id)));
}

export async function readAccount(
  sql: Sql,
  workspaceId: string,
  id: string,
): Promise<ProviderAccount | null> {
  const row = await rowOf(sql, workspaceId, id);
  if (!row) return null;
  const tallies = await talliesOf(sql, workspaceId, new Date());
  return toAccount(row, tallies.get(id) ?? [], (await flowsOf(sql, workspaceId)).get(id));
}

export async function rowOf(sql: Sql, workspaceId: string, id: string): Promise<AccountRow | null> {
  const [row] = await sql.query<AccountRow>(`${SELECT} AND workspace_id = $1 AND id = $2`, [workspaceId, id]);
  return row ?? null;
}

/** @throws ProblemException `invalid_request` with pointers into the body */
export async function createAccount(
  sql: Sql,
  workspaceId: string,
  {
    channel,
    provider: providerName,
    name,
    settings,
    position,
    weight,
    rateLimit,
    warmUp,
    prices,
  }: ProviderAccountCreate,
): Promise<ProviderAccount> {
  const provider = providerOf(channel, providerName);
  if (!provider) {
    const known = channelShapes[channel].providers.map((p) => p.name).join(', ');
    throw invalid([
      {
        pointer: '/provider',
        code: 'unknown_provider',
        message: `there is no such provider for ${channel}: write ${known}`,
      },
    ]);
  }
  const given = withoutNulls(settings as Settings);
  refuse(judgeSettings(provider, given, Object.keys(given), mayActAsOperator()));
  const id = newId();
  const { open: readable, secrets } = divideSettings(provider, given);
  const [row] = await sql.query<AccountRow>(
    `WITH made AS (
       INSERT INTO provider_accounts (id, workspace_id, channel, provider, name, position, weight, rate_limit, warm_up, prices, settings, secrets)
       VALUES ($1, $2, $3, $4, $5, $6, $9, $10::jsonb, $11::jsonb, $12::jsonb, $7::jsonb, $8::jsonb) RETURNING *)
     ${SELECT.replace('provider_accounts', 'made')}`,
    [
      id,
      workspaceId,
      channel,
      provider.name,
      name,
      position,
      JSON.stringify(readable),
      JSON.stringify(sealAll(workspaceId, id, secrets)),
      weight,
      rateLimit && JSON.stringify(rateLimit),
      warmUp && JSON.stringify(warmUp),
      prices && JSON.stringify(prices),
    ],
  );
  if (!row) throw new Error('the account was not written');
  return toAccount(row, [], undefined);
}

/**
 * Changes what is named. In `settings`, null removes a field; what is left out stays, secrets included.
 * @throws ProblemException `invalid_request` with pointers into the body
 */
export async function updateAccount(
  sql: Sql,
  workspaceId: string,
  id: string,
  patch: ProviderAccountPatch,
): Promise<ProviderAccount | null> {
  const [row] = await sql.query<AccountRow>(`${SELECT} AND workspace_id = $1 AND id = $2 FOR UPDATE`, [
    workspaceId,
    id,
  ]);
  if (!row) return null;
  const change = patch.settings && changedSettings(row, patch.settings as Settings);
  await sql.execute(
    `UPDATE provider_accounts SET name = coalesce($3, name), position = coalesce($4, position), weight = coalesce($7, weight), updated_at = now(),
            rate_limit = CASE WHEN $8 THEN $9::jsonb ELSE rate_limit END, warm_up = CASE WHEN $10 THEN $11::jsonb ELSE warm_up END,
            prices = CASE WHEN $12 THEN $13::jsonb ELSE prices END,
            settings = coalesce($5::jsonb, settings), secrets = coalesce($6::jsonb, secrets), revision = revision + ($5::jsonb IS NOT NULL)::int
      WHERE workspace_id = $1 AND id = $2`,
    [
      workspaceId,
      id,
      patch.name ?? null,
      patch.position ?? null,
      change ? JSON.stringify(change.settings) : null,
      change ? JSON.stringify(change.secrets) : null,
      patch.weight ?? null,
      patch.rateLimit !== undefined,
      patch.rateLimit ? JSON.stringify(patch.rateLimit) : null,
      patch.warmUp !== undefined,
      patch.warmUp ? JSON.stringify(patch.warmUp) : null,
      patch.prices !== undefined,
      patch.prices ? JSON.stringify(patch.prices) : null,
    ],
  );
  if (patch.rateLimit !== undefined || patch.warmUp !== undefined) {
    await sql.execute(
      'UPDATE account_flow SET promised_until = NULL WHERE workspace_id = $1 AND account_id = $2',
      [workspaceId, id],
    );
    await wakeWaiting(sql, workspaceId, row.channel);
  }
  return readAccount(sql, workspaceId, id);
}

function changedSettings(row: AccountRow, patch: Settings): Pick<AccountRow, 'settings' | 'secrets'> {
  const provider = providerOf(row.channel, row.provider);
  if (!provider) throw gone(row);
  const before: Settings = { ...row.settings };
  for (const [field, envelope] of Object.entries(row.secrets))
    before[field] = open(masterKeys(), { workspaceId: row.workspaceId, accountId: row.id, field }, envelope);
  const after = withoutNulls({ ...before, ...patch });
  const changed = Object.keys(patch).filter((name) => patch[name] !== before[name]);
  refuse(judgeSettings(provider, after, changed, mayActAsOperator()));
  const { open: settings, secrets } = divideSettings(provider, after);
  // What did not change keeps its envelope.
  const kept = Object.entries(row.secrets).filter(([field]) => field in secrets && !changed.includes(field));
  const fresh = Object.fromEntries(Object.entries(secrets).filter(([field]) => changed.includes(field)));
  return {
    settings,
    secrets: { ...Object.fromEntries(kept), ...sealAll(row.workspaceId, row.id, fresh) },
  };
}

/** Forgets its secrets at once; the row stays, because deliveries name it. @returns whether there was one */
export async function deleteAccount(sql: Sql, workspaceId: string, id: string): Promise<boolean> {
  const deleted = await sql.execute(
    `UPDATE provider_accounts SET deleted_at = now(), updated_at = now(), secrets = '{}' WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL`,
    [workspaceId, id],
  );
  return deleted > 0;
}

/** What is due takes another account, or waits for this one. */
export async function pauseAccount(
  sql: Sql,
  workspaceId: string,
  id: string,
): Promise<ProviderAccount | null> {
  await sql.execute(
    `UPDATE provider_accounts SET paused_at = now(), paused_reason = 'Paused by hand.', updated_at = now()
      WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL AND paused_at IS NULL`,
    [workspaceId, id],
  );
  return readAccount(sql, workspaceId, id);
}

/** What waited comes back at once, in no crowd. Its breaker forgets: somebody has seen to it. */
export async function resumeAccount(
  sql: Sql,
  workspaceId: string,
  id: string,
): Promise<ProviderAccount | null> {
  const [resumed] = await sql.query<{ channel: Channel }>(
    `UPDATE provider_accounts SET paused_at = NULL, paused_reason = NULL, updated_at = now()
      WHERE workspace_id = $1 AND id = $2 AND deleted_at IS NULL RETURNING channel`,
    [workspaceId, id],
  );
  if (!resumed) return null;
  await sql.execute(
    `UPDATE account_flow SET failures_in_row = 0, open_until = NULL, opened_at = NULL, open_reason = NULL, trips = 0, probes = 0, held_until = NULL, hold_ms = 0
      WHERE workspace_id = $1 AND account_id = $2`,
    [workspaceId, id],
  );
  await wakeWaiting(sql, workspaceId, resumed.channel);
  return readAccount(sql, workspaceId, id);
}

/** Seals every secret of the installation with the current master key. Safe to repeat. @returns how many were sealed anew */
export async function resealAccounts(database: Database): Promise<number> {
  return database.acrossWorkspaces(async (sql) => {
    const rows = await sql.query<AccountRow>(`${SELECT} AND secrets <> '{}' ORDER BY id FOR UPDATE`);
    let count = 0;
    for (const { id, workspaceId, secrets } of rows) {
      const anew = Object.entries(secrets).flatMap(([field, envelope]) => {
        const sealed = reseal(masterKeys(), { workspaceId, accountId: id, field }, envelope);
        return sealed === null ? [] : [[field, sealed] as const];
      });
      if (anew.length === 0) continue;
      count += anew.length;
      await sql.execute(
        'UPDATE provider_accounts SET secrets = secrets || $3::jsonb WHERE workspace_id = $1 AND id = $2',
        [workspaceId, id, JSON.stringify(Object.fromEntries(anew))],
      );
    }
    return count;
  });
}

function toAccount(row: AccountRow, tallies: readonly Tally[], flow: Flow | undefined): ProviderAccount {
  const breaker = breakerOf(flow);
  const provider = providerOf(row.channel, row.provider);
  const webhooks = provider?.parseWebhook !== undefined;
  return {
    id: row.id,
    channel: row.channel,
    provider: row.provider,
    name: row.name,
    position: row.position,
    weight: row.weight,
    rateLimit: row.rateLimit,
    warmUp: row.warmUp,
    prices: row.prices,
    quota: accountQuota(limitNow(row.rateLimit, row.warmUp, Date.now()), flow, new Date()),
    breaker,
    paused: row.pausedAt !== null,
    pausedReason: row.pausedReason,
    settings: row.settings,
    secretsSet: Object.keys(row.secrets).sort(),
    webhookUrl: webhooks
      ? `${links().webhookUrl}/v1/webhooks/${row.channel}/${row.provider}/${row.id}`
      : null,
    health: healthOf(tallies, row.pausedAt && { reason: row.pausedReason }, breaker),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** Where private networks may be reached, those who hold the keys of a workspace run the installation too. */
const mayActAsOperator = (): boolean => config().out.allowPrivateNetworks;

const sealAll = (
  workspaceId: string,
  accountId: string,
  secrets: Record<string, string>,
): Record<string, Envelope> =>
  Object.fromEntries(
    Object.entries(secrets).map(([field, secret]) => [
      field,
      seal(masterKeys(), { workspaceId, accountId, field }, secret),
    ]),
  );

const withoutNulls = (settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));

const gone = (row: AccountRow) =>
  new ProblemException(
    'invalid_request',
    `This installation no longer has the provider ${row.provider}: delete the account.`,
  );

function refuse(errors: readonly ProblemError[]): void {
  if (errors.length > 0) throw invalid(errors);
}
function invalid(errors: readonly ProblemError[]): ProblemException {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new ProblemException(
    'invalid_request',
    `The body is not valid: ${first?.pointer}: ${first?.message}${more}`,
    { errors },
  );
}
