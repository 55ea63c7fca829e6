/**
 * What still holds for an address that was erased. Of the address itself only a keyed hash is kept: it tells whether an
 * address that somebody gives is one of them, and nothing else.
 *
 * The rule: who was suppressed stays suppressed for the same reason; who was out of a topic, of marketing or of the
 * channel stays out of it; a later "in" about that very address lifts the latter. The key is the installation's signing
 * key, so the blocks hold as long as that one, or one of the previous ones, is configured.
 */
import { config } from '@carillon/config';
import type { Channel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { createHmac, hkdfSync } from 'node:crypto';

export interface ErasedBlock {
  channel: Channel;
  address: string;
  kind: 'suppression' | 'topic';
  says: string;
}

const keys = new WeakMap<Buffer, Buffer>();
function hash(signingKey: Buffer, workspaceId: string, channel: string, address: string): Buffer {
  let key = keys.get(signingKey);
  if (!key)
    keys.set(
      signingKey,
      (key = Buffer.from(hkdfSync('sha256', signingKey, '', 'carillon erased address', 32))),
    );
  // Case is not told apart: the block is the stronger for it.
  return createHmac('sha256', key).update([workspaceId, channel, address.toLowerCase()].join('\0')).digest();
}
const signingKeys = (): readonly Buffer[] => {
  const { signingKey, previousSigningKeys } = config().secrets;
  return [signingKey, ...previousSigningKeys];
};

/** What holds for these addresses. Asked only where the workspace has any such row. */
export async function erasedWords(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  kind: ErasedBlock['kind'],
  addresses: readonly string[],
): Promise<{ address: string; says: string }[]> {
  const byHash = new Map<string, string>();
  for (const address of addresses)
    for (const key of signingKeys())
      byHash.set(hash(key, workspaceId, channel, address).toString('hex'), address);
  const rows = await sql.query<{ hash: string; says: string }>(
    `SELECT encode(hash, 'hex') AS hash, says FROM erased_addresses
     WHERE workspace_id = $1 AND channel = $2 AND kind = $3 AND hash = ANY(SELECT decode(h, 'hex') FROM unnest($4::text[]) AS h)`,
    [workspaceId, channel, kind, [...byHash.keys()]],
  );
  return rows.map((row) => ({ address: byHash.get(row.hash) ?? '', says: row.says }));
}

/**
 * The names of somebody who is about to be erased, for files that are on their way: those that were announced before must
 * not bring them back. Keeps nothing where there is no such file.
 */
export async function keepFromImports(
  sql: Sql,
  workspaceId: string,
  externalIds: readonly string[],
): Promise<void> {
  const [signingKey] = signingKeys();
  if (!signingKey) return;
  await sql.execute(
    `INSERT INTO erased_addresses (workspace_id, channel, hash, kind, says, at)
     SELECT $1, '', decode(h, 'hex'), 'person', '', clock_timestamp() FROM unnest($2::text[]) AS h
     WHERE EXISTS (SELECT FROM imports WHERE workspace_id = $1 AND state IN ('uploading', 'queued', 'running'))
     ON CONFLICT (workspace_id, channel, hash, kind, says) DO UPDATE SET at = EXCLUDED.at`,
    [workspaceId, externalIds.map((id) => hash(signingKey, workspaceId, '', id).toString('hex'))],
  );
}

/**
 * Whether a name is of somebody who was erased since; null where nobody was. Call among writers: an erasure is alone, so
 * that it is either seen here or finds what is written after.
 */
export async function erasedSince(
  sql: Sql,
  workspaceId: string,
  since: Date,
): Promise<((name: string) => boolean) | null> {
  const rows = await sql.query<{ hash: string }>(
    `SELECT encode(hash, 'hex') AS hash FROM erased_addresses WHERE workspace_id = $1 AND kind = 'person' AND at >= $2`,
    [workspaceId, since],
  );
  if (rows.length === 0) return null;
  const gone = new Set(rows.map((row) => row.hash));
  return (name) =>
    signingKeys().some((key) => gone.has(hash(key, workspaceId, '', name.trim()).toString('hex')));
}

/** Names that no file on its way could bring back any more. */
export const forgetErasedNames = (sql: Sql, workspaceId: string): Promise<number> =>
  sql.execute(
    `DELETE FROM erased_addresses e WHERE e.workspace_id = $1 AND e.kind = 'person' AND NOT EXISTS (
       SELECT FROM imports i WHERE i.workspace_id = $1 AND i.state IN ('uploading', 'queued', 'running') AND i.created_at <= e.at)`,
    [workspaceId],
  );

/** Keeps what holds for addresses that are about to be erased. */
export async function keepBlocks(
  sql: Sql,
  workspaceId: string,
  blocks: readonly ErasedBlock[],
): Promise<void> {
  const [signingKey] = signingKeys();
  if (!signingKey || blocks.length === 0) return;
  await sql.execute(
    `INSERT INTO erased_addresses (workspace_id, channel, hash, kind, says)
     SELECT $1, channel, decode(hash, 'hex'), kind, says FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS u(channel, hash, kind, says)
     ON CONFLICT DO NOTHING`,
    [
      workspaceId,
      blocks.map((b) => b.channel),
      blocks.map((b) => hash(signingKey, workspaceId, b.channel, b.address).toString('hex')),
      blocks.map((b) => b.kind),
      blocks.map((b) => b.says),
    ],
  );
}

/** Somebody says "in" at an address that was erased: what they were out of holds no more. */
export async function forgetErased(
  sql: Sql,
  workspaceId: string,
  said: readonly { channel: Channel; address: string }[],
): Promise<void> {
  if (said.length === 0) return;
  const [any] = await sql.query(
    `SELECT FROM erased_addresses WHERE workspace_id = $1 AND kind = 'topic' LIMIT 1`,
    [workspaceId],
  );
  if (!any) return;
  const hashes = said.flatMap(({ channel, address }) =>
    signingKeys().map((key) => ({ channel, hash: hash(key, workspaceId, channel, address).toString('hex') })),
  );
  await sql.execute(
    `DELETE FROM erased_addresses e USING unnest($2::text[], $3::text[]) AS u(channel, hash)
     WHERE e.workspace_id = $1 AND e.kind = 'topic' AND e.channel = u.channel AND e.hash = decode(u.hash, 'hex')`,
    [workspaceId, hashes.map((h) => h.channel), hashes.map((h) => h.hash)],
  );
}
