/**
 * One-use tickets that open an inbox's stream, because an EventSource cannot send a header and a token must not stand
 * in an address. Signed, good for 60 seconds and for one connection: whoever writes its id into `used_tickets` has it.
 */
import { config } from '@carillon/config';
import { newId, type Sql } from '@carillon/database';
import type { InboxCaller } from '@carillon/server';
import { jwtVerify, SignJWT } from 'jose';
import { JOSEError } from 'jose/errors';
import { hkdfSync } from 'node:crypto';
import type { Inbox } from './inbox-items.js';

const SECONDS = 60;
const AUDIENCE = 'inbox-stream';
const ALGORITHM = 'HS256';

/** A key for this one purpose: a token that reads items is no ticket, and a ticket no token. */
const purposeKey = (signingKey: Buffer): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', signingKey, '', 'carillon inbox ticket', 32));

/** A ticket for the inbox behind a token. The stream ends when that token does. */
export async function mintTicket(caller: InboxCaller): Promise<{ ticket: string; expiresAt: Date }> {
  const until = Math.floor(caller.expiresAt.getTime() / 1000);
  const expires = Math.min(Math.floor(Date.now() / 1000) + SECONDS, until);
  const ticket = await new SignJWT({ ws: caller.workspaceId, until })
    .setProtectedHeader({ alg: ALGORITHM })
    .setAudience(AUDIENCE)
    .setSubject(caller.profileId)
    .setJti(newId())
    .setExpirationTime(expires)
    .sign(purposeKey(config().secrets.signingKey));
  return { ticket, expiresAt: new Date(expires * 1000) };
}

export interface Ticket extends Inbox {
  id: string;
  expiresAt: Date;
  /** When the token behind it ends, and the stream with it. */
  until: Date;
}

/** What a ticket says, or null when it is forged or too old. It may have been used: see `claimTicket`. */
export async function readTicket(ticket: string): Promise<Ticket | null> {
  const { signingKey, previousSigningKeys } = config().secrets;
  for (const key of [signingKey, ...previousSigningKeys])
    try {
      const options = { algorithms: [ALGORITHM], audience: AUDIENCE };
      const { payload } = await jwtVerify<{ ws: string; until: number }>(ticket, purposeKey(key), options);
      const { ws, sub = '', jti = '', exp = 0, until } = payload;
      const seconds = (s: number) => new Date(s * 1000);
      return { id: jti, workspaceId: ws, profileId: sub, expiresAt: seconds(exp), until: seconds(until) };
    } catch (error) {
      if (!(error instanceof JOSEError)) throw error;
    }
  return null;
}

/** @returns false when somebody has used it */
export async function claimTicket(sql: Sql, ticket: Ticket): Promise<boolean> {
  const claimed = await sql.execute(
    'INSERT INTO used_tickets (id, workspace_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING',
    [ticket.id, ticket.workspaceId, ticket.expiresAt],
  );
  return claimed === 1;
}
