/**
 * What this service keeps of a person beside the profile: words about their addresses, suppressions, counts of bounces,
 * rows of imports. What was refused at an address is kept as a keyed hash (erased.ts). The profile's own rows go with it.
 */
import { OWN_NAMESPACE } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { NOBODY } from './consent.js';
import { keepBlocks, keepFromImports, type ErasedBlock } from './erased.js';

export interface ErasedPerson {
  id: string;
  externalId: string;
  email: string | null;
  emailOriginal: string | null;
  phone: string | null;
  phoneOriginal: string | null;
}

/** Before the profile is deleted, in its transaction. */
export async function eraseAddresses(sql: Sql, workspaceId: string, person: ErasedPerson): Promise<void> {
  const addresses = [person.email, person.phone].filter((a) => a !== null);
  const words = await sql.query<{ channel: 'email' | 'sms'; topic: string }>(
    `SELECT DISTINCT channel, topic FROM consents
     WHERE workspace_id = $1 AND word = 'out' AND channel IN ('email', 'sms') AND (profile_id = $2 OR (profile_id = $3 AND address = ANY($4)))`,
    [workspaceId, person.id, NOBODY, addresses],
  );
  const listed = await sql.query<{ channel: 'email' | 'sms'; address: string; reason: string }>(
    `SELECT channel, address, reason FROM suppressions WHERE workspace_id = $1 AND address = ANY($2)`,
    [workspaceId, addresses],
  );
  const addressOf = { email: person.email, sms: person.phone };
  const blocks: ErasedBlock[] = [
    ...words.flatMap(({ channel, topic }) => {
      const address = addressOf[channel];
      return address === null ? [] : [{ channel, address, kind: 'topic' as const, says: topic }];
    }),
    ...listed.map(({ channel, address, reason }) => ({
      channel,
      address,
      kind: 'suppression' as const,
      says: reason,
    })),
  ];
  await keepBlocks(sql, workspaceId, blocks);
  const merged = await sql.query<{ value: string }>(
    'SELECT value FROM identities WHERE workspace_id = $1 AND profile_id = $2 AND namespace = $3',
    [workspaceId, person.id, OWN_NAMESPACE],
  );
  await keepFromImports(sql, workspaceId, [person.externalId, ...merged.map(({ value }) => value)]);
  await sql.execute(
    'DELETE FROM consents WHERE workspace_id = $1 AND (profile_id = $2 OR (profile_id = $3 AND address = ANY($4)))',
    [workspaceId, person.id, NOBODY, addresses],
  );
  await sql.query('SELECT erase_merges($1, $2)', [workspaceId, person.id]);
  await sql.query('SELECT erase_consent_history($1, $2, $3)', [workspaceId, person.id, addresses]);
  for (const table of ['suppressions', 'soft_bounces'])
    await sql.execute(`DELETE FROM ${table} WHERE workspace_id = $1 AND address = ANY($2)`, [
      workspaceId,
      addresses,
    ]);
  await sql.execute('DELETE FROM consent_confirmations WHERE workspace_id = $1 AND profile_id = $2', [
    workspaceId,
    person.id,
  ]);
  // Rows that could not be taken: whoever they name is named in a cell.
  const names = [person.externalId, person.email, person.emailOriginal, person.phone, person.phoneOriginal]
    .filter((name) => name !== null)
    .map((name) => name.toLowerCase());
  await sql.execute(
    `DELETE FROM import_errors WHERE workspace_id = $1 AND EXISTS (
       SELECT FROM unnest(cells) AS cell, unnest($2::text[]) AS name
       WHERE lower(trim(cell)) = name OR (length(name) >= 6 AND position(name IN lower(cell)) > 0))`,
    [workspaceId, names],
  );
}
