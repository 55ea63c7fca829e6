/**
 * Sessions of people in the dashboard: 256 random bits in a cookie, their SHA-256 in a row. Looked up on each request
 * (kept for a few seconds), so that signing out and changing the password end others quickly.
 */
import { Injectable } from '@nestjs/common';
import { config } from '@carillon/config';
import { roleScopes, type Role } from '@carillon/contracts';
import { Database } from '@carillon/database';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { createHash, randomBytes } from 'node:crypto';
import type { UserCaller } from './caller.js';
import { ShortMemory } from './short-memory.js';

/**
 * The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis §4.1.3.2), so that no other host or
 * port can plant it. Chromium and Firefox count http://localhost as secure; Safari does not (docs/configuration.md).
 */
const COOKIE = '__Host-carillon';

export const sessionCookieOf = (request: FastifyRequest): string | undefined => {
  const cookies = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return cookies.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
};

export function setSessionCookie(reply: FastifyReply, cookie: string | null): void {
  const age = cookie === null ? 0 : config().limits.sessionHours * 3600;
  reply.header(
    'set-cookie',
    `${COOKIE}=${cookie ?? ''}; Path=/; Max-Age=${age}; Secure; HttpOnly; SameSite=Lax`,
  );
}

const hashOf = (cookie: string): Buffer => createHash('sha256').update(cookie).digest();

@Injectable()
export class Sessions {
  private readonly known = new ShortMemory<{ caller: UserCaller; expiresAt: Date }>();

  constructor(private readonly database: Database) {}

  /** The person behind a cookie, or null when the session is unknown or over. */
  async identify(cookie: string): Promise<UserCaller | null> {
    if (!/^[A-Za-z0-9_-]{43}$/.test(cookie)) return null;
    const hash = hashOf(cookie);
    const found = await this.known.recall(hash.toString('hex'), () => this.lookUp(hash));
    return found && found.expiresAt.getTime() > Date.now() ? found.caller : null;
  }

  /** Opens a session. Always a new id: one that was planted before signing in is worth nothing. */
  async open(user: { id: string; workspaceId: string }): Promise<{ cookie: string; csrfToken: string }> {
    const cookie = randomBytes(32).toString('base64url');
    const csrfToken = randomBytes(32).toString('base64url');
    await this.database.inWorkspace(user.workspaceId, async (sql) => {
      await sql.execute(`DELETE FROM sessions WHERE workspace_id = $1 AND expires_at < now()`, [
        user.workspaceId,
      ]);
      await sql.execute(
        `INSERT INTO sessions (hash, workspace_id, user_id, csrf_token, expires_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(hours => $5))`,
        [hashOf(cookie), user.workspaceId, user.id, csrfToken, config().limits.sessionHours],
      );
    });
    return { cookie, csrfToken };
  }

  async close(caller: UserCaller): Promise<void> {
    await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.execute(`DELETE FROM sessions WHERE workspace_id = $1 AND hash = $2`, [
        caller.workspaceId,
        Buffer.from(caller.session, 'hex'),
      ]),
    );
    this.known.clear();
  }

  /** Ends a session by its cookie, whoever's it is: what a browser brought along when it signs in anew. */
  async closeCookie(cookie: string): Promise<void> {
    const caller = await this.identify(cookie);
    if (caller) await this.close(caller);
  }

  /** For those who write sessions themselves (a change of password). */
  forget(): void {
    this.known.clear();
  }

  private async lookUp(hash: Buffer): Promise<{ caller: UserCaller; expiresAt: Date } | null> {
    const [row] = await this.database.acrossWorkspaces((sql) =>
      sql.query<{ workspace_id: string; user_id: string; csrf_token: string; expires_at: Date; role: Role }>(
        `WITH live AS (
           SELECT s.hash, s.workspace_id, s.user_id, s.csrf_token, s.expires_at, u.role
           FROM sessions s JOIN users u ON u.workspace_id = s.workspace_id AND u.id = s.user_id
           WHERE s.hash = $1 AND s.expires_at > now() AND u.disabled_at IS NULL
         ), seen AS (
           UPDATE sessions s SET last_seen_at = now() FROM live
           WHERE s.hash = live.hash AND s.last_seen_at < now() - interval '1 minute'
         )
         SELECT * FROM live`,
        [hash],
      ),
    );
    if (!row) return null;
    const caller: UserCaller = {
      kind: 'user',
      workspaceId: row.workspace_id,
      userId: row.user_id,
      role: row.role,
      scopes: roleScopes[row.role],
      session: hash.toString('hex'),
      csrfToken: row.csrf_token,
    };
    return { caller, expiresAt: row.expires_at };
  }
}
