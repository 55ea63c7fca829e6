/**
 * Double opt-in: an "in" that waits for its confirmation, and the message that asks for it. The message is planned in the
 * transaction of the word, as a row; the clock hands it over. Its link names the row, signed; a row is confirmed once.
 */
import { config } from '@carillon/config';
import type { Channel } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { NOBODY, recordConsents } from './consent.js';

/** A link that nobody followed for so long confirms nothing any more. */
const VALID_DAYS = 30;
const MAC_BYTES = 16;

export interface Asked {
  channel: Channel;
  topic: string;
  /** Of the message that asks. */
  template: string;
  /** Null: it is about the profile. */
  address: string | null;
}

/** Plans the messages that ask. A question that is still open is not asked again within the hour. */
export async function askForConfirmations(
  sql: Sql,
  workspaceId: string,
  profile: { id: string },
  asked: readonly Asked[],
): Promise<void> {
  for (const { channel, topic, template, address } of asked)
    await sql.execute(
      `INSERT INTO consent_confirmations (workspace_id, id, profile_id, channel, address, topic, template, due_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, now()
       WHERE NOT EXISTS (SELECT FROM consent_confirmations WHERE workspace_id = $1 AND profile_id = $3 AND channel = $4
                           AND address = $5 AND topic = $6 AND confirmed_at IS NULL AND created_at > now() - interval '1 hour')`,
      [workspaceId, newId(), profile.id, channel, address ?? '', topic, template],
    );
}

/** A message that is to ask. */
export interface DueConfirmation {
  id: string;
  workspaceId: string;
  channel: Channel;
  /** Null: wherever the profile is reached on the channel. */
  address: string | null;
  externalId: string;
  topic: string;
  template: string;
}

/** For the clock: takes what is due. Whoever hands it over under the id's key does so once. */
export async function dueConfirmations(sql: Sql, limit: number): Promise<DueConfirmation[]> {
  return sql.query<DueConfirmation>(
    `WITH mine AS (SELECT workspace_id, id FROM consent_confirmations WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     UPDATE consent_confirmations c SET due_at = now() + interval '1 minute'
     FROM mine m, profiles p
     WHERE c.workspace_id = m.workspace_id AND c.id = m.id AND p.workspace_id = c.workspace_id AND p.id = c.profile_id
     RETURNING c.id, c.workspace_id AS "workspaceId", c.channel, nullif(c.address, '') AS address, p.external_id AS "externalId", c.topic, c.template`,
    [limit],
  );
}

/** It was handed over, or cannot be: then why. */
export const settleConfirmation = (
  sql: Sql,
  workspaceId: string,
  id: string,
  problem: string | null,
): Promise<number> =>
  sql.execute(
    'UPDATE consent_confirmations SET due_at = NULL, problem = $3 WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id, problem],
  );

const macKeys = new WeakMap<Buffer, Buffer>();
function mac(signingKey: Buffer, ids: Buffer): Buffer {
  let key = macKeys.get(signingKey);
  if (!key)
    macKeys.set(
      signingKey,
      (key = Buffer.from(hkdfSync('sha256', signingKey, '', 'carillon confirmation', 32))),
    );
  return createHmac('sha256', key).update(ids).digest().subarray(0, MAC_BYTES);
}
const bytesOf = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

/** The address of the page that confirms. */
export function confirmUrl({ workspaceId, id }: { workspaceId: string; id: string }): string {
  const { api, secrets } = config();
  const ids = Buffer.concat([bytesOf(workspaceId), bytesOf(id)]);
  return `${api.publicUrl}/c/${Buffer.concat([ids, mac(secrets.signingKey, ids)]).toString('base64url')}`;
}

/** @returns null when the token was not made by us, or was changed */
export function openConfirmation(token: string): { workspaceId: string; id: string } | null {
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== 32 + MAC_BYTES || bytes.toString('base64url') !== token) return null;
  const ids = bytes.subarray(0, 32);
  const { signingKey, previousSigningKeys } = config().secrets;
  if (![signingKey, ...previousSigningKeys].some((key) => timingSafeEqual(mac(key, ids), bytes.subarray(32))))
    return null;
  const id = (at: number) =>
    ids.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { workspaceId: id(0), id: id(16) };
}

export interface Confirmation {
  topic: string;
  names: Record<string, string> | null;
  sender: string;
  locale: string | null;
  confirmed: boolean;
}

/**
 * Reads a question, and with `confirms` answers it. Once: a link that is followed again later changes nothing, whatever the
 * person has said meanwhile. @returns null when there is none, or it is too old
 */
export async function confirmConsent(
  sql: Sql,
  workspaceId: string,
  id: string,
  confirms: boolean,
): Promise<Confirmation | null> {
  const [row] = await sql.query<
    Confirmation & {
      channel: Channel;
      address: string;
      profileId: string;
      email: string | null;
      phone: string | null;
    }
  >(
    `SELECT c.topic, t.names, w.name AS sender, p.locale, c.confirmed_at IS NOT NULL AS confirmed, c.channel, c.address, c.profile_id AS "profileId",
            p.email, p.phone
     FROM consent_confirmations c JOIN workspaces w ON w.id = c.workspace_id
     JOIN profiles p ON p.workspace_id = c.workspace_id AND p.id = c.profile_id
     LEFT JOIN topics t ON t.workspace_id = c.workspace_id AND t.key = c.topic
     WHERE c.workspace_id = $1 AND c.id = $2 AND c.created_at > now() - interval '${VALID_DAYS} days'
     FOR UPDATE OF c`,
    [workspaceId, id],
  );
  if (!row) return null;
  const { channel, address, profileId, email: _, phone: __, ...shown } = row;
  if (!confirms || row.confirmed) return shown;
  await sql.execute(
    'UPDATE consent_confirmations SET confirmed_at = now() WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id],
  );
  // Who said "out" meanwhile is not brought back by an old link.
  const [waits] = await sql.query(
    `SELECT FROM consents WHERE workspace_id = $1 AND channel = $2 AND address = $3 AND profile_id = $4 AND topic = $5 AND word = 'pending'`,
    [workspaceId, channel, address, address === '' ? profileId : NOBODY, row.topic],
  );
  if (waits)
    await recordConsents(sql, workspaceId, [
      {
        channel,
        address: address === '' ? null : address,
        profileId: address === '' ? profileId : null,
        topic: row.topic,
        word: 'in',
        source: 'confirmation',
      },
    ]);
  return { ...shown, confirmed: true };
}
