/** Erasing what a message said, and erasing, exporting and auditing people. */
import { audit } from '@carillon/audience-service';
import { Database } from '@carillon/database';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { eraseMessage } from './erase.js';
import { erasePerson, exportPerson } from './erase-person.js';
import { DeliveryHints } from './hints.js';

@Controller()
export class ErasureController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
  ) {}

  @Operation('erasePerson')
  async erasePerson({ body, caller }: Call<'erasePerson'>): Promise<Result<'erasePerson'>> {
    const erasure = await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const result = await erasePerson(sql, caller.workspaceId, body.externalId);
      // Thrown inside the transaction, so that nothing is half done.
      if (result && !result.ok)
        throw new ProblemException(
          'conflict',
          `${result.busy === 1 ? 'A message to this person is' : `${result.busy} messages to this person are`} being sent or held at this moment: ask again when it has ended, or decide about it.`,
        );
      if (result?.ok) {
        const { profileId, ...counts } = result.erased;
        await audit(sql, caller, 'profile.erased', profileId, counts);
      }
      return result;
    });
    if (!erasure?.ok) throw notFound('profile');
    return erasure.erased;
  }

  @Operation('exportPerson')
  exportPerson({ params, caller, reply }: Call<'exportPerson'>): Promise<Result<'exportPerson'>> {
    reply.header('content-disposition', 'attachment; filename="person.json"');
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const found = await exportPerson(sql, caller.workspaceId, params.externalId);
      if (!found) throw notFound('profile');
      await audit(
        sql,
        caller,
        'profile.exported',
        String((found['profile'] as { id?: string } | undefined)?.id),
      );
      return found;
    });
  }

  @Operation('listAudit')
  async audit({ query, caller }: Call<'listAudit'>): Promise<Result<'listAudit'>> {
    const rows = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.query<{
        id: string;
        at: Date;
        by: string;
        action: string;
        subject: string;
        detail: Record<string, unknown>;
      }>(
        `SELECT id, at, by, action, subject, detail FROM audit_log WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
        [caller.workspaceId, query.cursor ?? null, query.limit + 1],
      ),
    );
    const page = rows.slice(0, query.limit);
    const last = page.at(-1);
    return {
      items: page.map((row) => ({ ...row, at: row.at.toISOString() })),
      nextCursor: rows.length > query.limit && last ? last.id : null,
    };
  }

  @Operation('eraseMessage')
  async erase({ params, caller }: Call<'eraseMessage'>): Promise<Result<'eraseMessage'>> {
    const erased = await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const result = await eraseMessage(sql, caller.workspaceId, params.id);
      // Thrown inside the transaction, so that nothing is half done.
      if (result && !result.ok)
        throw new ProblemException(
          'conflict',
          `${result.busy === 1 ? 'A delivery of this message is' : `${result.busy} deliveries of this message are`} being sent or held at this moment: ask again when it has ended, or decide about it.`,
        );
      return result;
    });
    if (!erased?.ok) throw notFound('message');
    this.hints.changed(caller.workspaceId, erased.cancelled);
    return { id: params.id, deliveries: erased.deliveries, cancelled: erased.cancelled.length };
  }

  @Operation('verifyAudit')
  verify({ caller }: Call<'verifyAudit'>): Promise<Result<'verifyAudit'>> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const [row] = await sql.query<{
        lines: number;
        brokenAt: number | null;
        seq: number | null;
        hash: string | null;
      }>(
        `WITH chain AS (
           SELECT a.seq, a.hash, coalesce(lag(a.seq) OVER w, 0) + 1 AS follows, audit_hash(lag(a.hash) OVER w, a) AS computed
           FROM audit_log a WHERE a.workspace_id = $1 WINDOW w AS (ORDER BY a.seq))
         SELECT count(*) AS lines, min(seq) FILTER (WHERE hash <> computed OR seq <> follows) AS "brokenAt", max(seq) AS seq,
           (SELECT encode(hash, 'hex') FROM chain ORDER BY seq DESC LIMIT 1) AS hash
         FROM chain`,
        [caller.workspaceId],
      );
      return {
        intact: row?.brokenAt == null,
        lines: row?.lines ?? 0,
        brokenAt: row?.brokenAt ?? null,
        head: row?.seq && row.hash ? { seq: row.seq, hash: row.hash } : null,
      };
    });
  }
}
