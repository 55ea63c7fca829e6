/** Provider accounts as the dispatcher needs them: with their secrets opened. Never leaves the process. */
import { config } from '@carillon/config';
import type { Channel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
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
  paused: boolean;
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

/** All accounts of a channel, in the order they are to be tried. */
export async function usableAccounts(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
): Promise<SendingAccount[]> {
  const rows = await sql.query<
    Omit<SendingAccount, 'operatorEndpoint'> & { secrets: Record<string, Envelope> }
  >(
    `SELECT id, workspace_id AS "workspaceId", channel, provider, name, revision, position, weight, paused_at IS NOT NULL AS paused, settings, secrets
       FROM provider_accounts WHERE workspace_id = $1 AND channel = $2 AND deleted_at IS NULL ORDER BY position, id`,
    [workspaceId, channel],
  );
  return rows.map(({ secrets, ...row }) => ({
    ...row,
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
