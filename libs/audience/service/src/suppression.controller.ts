/** The suppression list over HTTP: read, add, release, CSV. */
import type { ProblemError, Suppression } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { csvLine, noSuchCursor, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { audit } from './audit.js';
import {
  blockedAddress,
  listSuppressions,
  releaseSuppressions,
  suppressAddresses,
  type SuppressionFilter,
} from './suppression.js';

/** Rows of an export that are read at once. */
const SLICE = 1_000;

@Controller()
export class SuppressionController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listSuppressions')
  async list({ query, caller }: Call<'listSuppressions'>): Promise<Result<'listSuppressions'>> {
    const { limit, cursor, ...filter } = query;
    const items = await this.page(caller.workspaceId, filter, limit + 1, cursor);
    const more = items.length > limit;
    const page = items.slice(0, limit);
    const last = page.at(-1);
    return { items: page, nextCursor: more && last ? cursorAt(last) : null };
  }

  @Operation('exportSuppressions')
  async *export({ query, caller }: Call<'exportSuppressions'>): AsyncGenerator<string> {
    await this.in(caller, (sql) => audit(sql, caller, 'suppression.exported', query.channel ?? 'all'));
    // Leaves with the first page: what fails before anything has left is said with a status.
    let head = csvLine(['channel', 'address', 'reason', 'source', 'createdAt']);
    for (let cursor: string | undefined, more = true; more;) {
      const items = await this.page(caller.workspaceId, query, SLICE, cursor);
      // One piece of text a page: a piece a line costs more than the line.
      yield (
        head + items.map((s) => csvLine([s.channel, s.address, s.reason, s.source, s.createdAt])).join('')
      );
      head = '';
      const last = items.at(-1);
      more = items.length === SLICE && last !== undefined;
      if (last) cursor = cursorAt(last);
    }
  }

  @Operation('addSuppressions')
  async add({ body, caller }: Call<'addSuppressions'>): Promise<Result<'addSuppressions'>> {
    return this.in(caller, async (sql) => {
      const [row] = await sql.query<{ country: string | null }>(
        `SELECT settings->>'defaultCountry' AS country FROM workspaces WHERE id = $1`,
        [caller.workspaceId],
      );
      const errors: ProblemError[] = [];
      const good = body.suppressions.flatMap(({ channel, address, reason }, i) => {
        const checked = blockedAddress(channel, address, row?.country ?? undefined);
        if (checked.ok) return [{ channel, address: checked.value, reason, source: 'api' }];
        errors.push({ pointer: `/suppressions/${i}/address`, code: checked.code, message: checked.sentence });
        return [];
      });
      if (errors.length > 0)
        throw new ProblemException(
          'invalid_request',
          `The body is not valid: ${errors[0]?.pointer ?? ''}: ${errors[0]?.message ?? ''}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`,
          { errors },
        );
      const added = await suppressAddresses(sql, caller.workspaceId, good);
      if (added > 0) await audit(sql, caller, 'suppression.added', caller.workspaceId, { added });
      return { added };
    });
  }

  @Operation('releaseSuppressions')
  release({ body, caller }: Call<'releaseSuppressions'>): Promise<Result<'releaseSuppressions'>> {
    return this.in(caller, async (sql) => {
      const result = await releaseSuppressions(sql, caller.workspaceId, body);
      if (!body.dryRun)
        await audit(sql, caller, 'suppression.released', body.channel, {
          released: result.released,
          ...(body.domain && { domain: body.domain }),
          ...(body.reason && { reason: body.reason }),
          ...(body.from && { from: body.from }),
          ...(body.to && { to: body.to }),
        });
      return { dryRun: body.dryRun, ...result };
    });
  }

  private page(
    workspaceId: string,
    filter: SuppressionFilter,
    limit: number,
    cursor: string | undefined,
  ): Promise<Suppression[]> {
    const after = cursor === undefined ? null : readCursor(cursor);
    return this.database.inWorkspace(workspaceId, (sql) =>
      listSuppressions(sql, workspaceId, filter, limit, after),
    );
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

const cursorAt = ({ createdAt, channel, address }: Suppression): string =>
  Buffer.from(JSON.stringify([createdAt, channel, address])).toString('base64url');

function readCursor(cursor: string): { at: string; channel: string; address: string } {
  try {
    const read: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (Array.isArray(read) && read.length === 3 && read.every((part) => typeof part === 'string')) {
      const [at, channel, address] = read as [string, string, string];
      if (!Number.isNaN(Date.parse(at))) return { at, channel, address };
    }
  } catch {
    // Not JSON: said below.
  }
  throw noSuchCursor();
}
