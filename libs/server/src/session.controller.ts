/** Signing in and out, who is calling, changing the password. */
import { Controller } from '@nestjs/common';
import type { Me, Role } from '@carillon/contracts';
import { Database } from '@carillon/database';
import type { FastifyRequest } from 'fastify';
import type { KeyCaller, UserCaller } from './caller.js';
import { checkSameSite } from './csrf.js';
import { Operation, type Call } from './operation.js';
import { FailureBrake, hashPassword, isPassword } from './passwords.js';
import { ProblemException } from './problem.js';
import { sessionCookieOf, Sessions, setSessionCookie } from './sessions.js';

/** Failed attempts within a quarter of an hour: for one person from one place, one place, one person. */
const TRIES = { pair: 5, place: 30, person: 50 };

@Controller()
export class SessionController {
  private readonly brake = new FailureBrake();

  constructor(
    private readonly database: Database,
    private readonly sessions: Sessions,
  ) {}

  @Operation('signIn')
  async signIn({ body, request, reply }: Call<'signIn'>): Promise<Me> {
    checkSameSite(request);
    const email = body.email.trim().toLowerCase();
    await this.judge(email, request, async () => {
      const user = await this.userByEmail(email);
      return isPassword(user?.password_hash ?? null, body.password);
    });
    const user = await this.userByEmail(email);
    if (!user) throw wrong();
    // Whatever session the browser brought along ends: the id rotates with every sign-in.
    const brought = sessionCookieOf(request);
    if (brought !== undefined) await this.sessions.closeCookie(brought);
    const { cookie } = await this.sessions.open({ id: user.id, workspaceId: user.workspace_id });
    setSessionCookie(reply, cookie);
    const caller = await this.sessions.identify(cookie);
    if (!caller) throw wrong();
    return this.describe(caller);
  }

  @Operation('signOut')
  async signOut({ caller, reply }: Call<'signOut'>): Promise<void> {
    await this.sessions.close(caller);
    setSessionCookie(reply, null);
  }

  @Operation('me')
  me({ caller }: Call<'me'>): Promise<Me> {
    return this.describe(caller);
  }

  @Operation('changePassword')
  async changePassword({ body, caller, request }: Call<'changePassword'>): Promise<void> {
    await this.judge(caller.userId, request, async () => {
      const [user] = await this.database.inWorkspace(caller.workspaceId, (sql) =>
        sql.query<{ password_hash: string }>(
          `SELECT password_hash FROM users WHERE workspace_id = $1 AND id = $2`,
          [caller.workspaceId, caller.userId],
        ),
      );
      return isPassword(user?.password_hash ?? null, body.current);
    });
    const next = await hashPassword(body.next);
    await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      await sql.execute(`UPDATE users SET password_hash = $3 WHERE workspace_id = $1 AND id = $2`, [
        caller.workspaceId,
        caller.userId,
        next,
      ]);
      await sql.execute(`DELETE FROM sessions WHERE workspace_id = $1 AND user_id = $2 AND hash <> $3`, [
        caller.workspaceId,
        caller.userId,
        Buffer.from(caller.session, 'hex'),
      ]);
    });
    this.sessions.forget();
  }

  /** @throws ProblemException unauthenticated or rate_limited; the same sentence for a wrong name and a wrong password */
  private async judge(name: string, request: FastifyRequest, isRight: () => Promise<boolean>): Promise<void> {
    const names = { pair: `${request.ip} ${name}`, place: request.ip, person: name };
    this.brake.check({ [names.pair]: TRIES.pair, [names.place]: TRIES.place, [names.person]: TRIES.person });
    if (await isRight()) return this.brake.succeeded(names.pair);
    this.brake.failed(Object.values(names));
    throw wrong();
  }

  private async userByEmail(email: string) {
    const [user] = await this.database.acrossWorkspaces((sql) =>
      sql.query<{ id: string; workspace_id: string; password_hash: string }>(
        `SELECT id, workspace_id, password_hash FROM users WHERE email = $1 AND disabled_at IS NULL`,
        [email],
      ),
    );
    return user;
  }

  private async describe(caller: KeyCaller | UserCaller): Promise<Me> {
    const userId = caller.kind === 'user' ? caller.userId : null;
    const [row] = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.query<{
        id: string;
        name: string;
        slug: string;
        email: string | null;
        user_name: string;
        role: Role;
      }>(
        `SELECT w.id, w.name, w.slug, u.email, u.name AS user_name, u.role
         FROM workspaces w LEFT JOIN users u ON u.workspace_id = w.id AND u.id = $2
         WHERE w.id = $1`,
        [caller.workspaceId, userId],
      ),
    );
    if (!row) throw wrong();
    return {
      user:
        userId && row.email !== null
          ? { id: userId, email: row.email, name: row.user_name, role: row.role }
          : null,
      workspace: { id: row.id, name: row.name, slug: row.slug },
      scopes: [...caller.scopes],
      csrfToken: caller.kind === 'user' ? caller.csrfToken : null,
    };
  }
}

const wrong = () => new ProblemException('unauthenticated', 'Email or password is wrong.');
