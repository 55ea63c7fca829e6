/** Audiences over HTTP: saving, previews, explanations, members and their changes, files. */
import { EXPORT_COLUMNS, explainClause, type Explained, type World } from '@carillon/audience-rules';
import type { AudienceExplanation, MembersChanged } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { csvLine, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller } from '@nestjs/common';
import {
  AUDIENCE_COLUMNS,
  audienceByKey,
  audiencesOf,
  keepsMembers,
  scopeOf,
  shown,
  type AudienceRow,
} from './audience-rows.js';
import { audit } from './audit.js';
import { asAWhole, capped, EVALUATION_MS, membersQuery, PREVIEW_MS, previewAudience } from './evaluate.js';
import { personByExternalId } from './explain-person.js';
import { idsByExternalId } from './find-profiles.js';
import {
  aloneWith,
  changesAfter,
  forgottenUpTo,
  membersAfter,
  membersAmong,
  writeChanges,
} from './members.js';
import { archiveAudience, saveAudience } from './save-audience.js';
import { amongWriters } from './stale.js';
import { vocabularyOf } from './vocabulary.js';

/** Of whom a key is audited for changing a list at once: whoever feeds one person after another would fill the log. */
const MANY = 10;
/** An id and its comma. */
const ID_WIDTH = 37;
/** Lines of a file that are read at a time. */
const FILE_PAGE = 1000;

@Controller()
export class AudiencesController {
  constructor(private readonly database: Database) {}

  @Operation('listAudiences')
  list({ query, caller }: Call<'listAudiences'>): Promise<Result<'listAudiences'>> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const rows = await sql.query<AudienceRow>(
        `SELECT ${AUDIENCE_COLUMNS} FROM audiences
         WHERE workspace_id = $1 AND key > $2 AND (archived_at IS NOT NULL) = $3 AND ($4 = '' OR strpos(lower(key || ' ' || name), lower($4)) > 0)
         ORDER BY key LIMIT $5`,
        [
          caller.workspaceId,
          query.cursor ?? '',
          query.archived === 'true',
          query.search ?? '',
          query.limit + 1,
        ],
      );
      const audiences = await audiencesOf(sql, caller.workspaceId);
      const items = rows.slice(0, query.limit);
      return {
        items: items.map((row) => shown(row, audiences)),
        nextCursor: rows.length > query.limit ? (items.at(-1)?.key ?? null) : null,
      };
    });
  }

  @Operation('getAudienceVocabulary')
  vocabulary({ caller }: Call<'getAudienceVocabulary'>): Promise<Result<'getAudienceVocabulary'>> {
    return this.database.inWorkspace(caller.workspaceId, (sql) => vocabularyOf(sql, caller.workspaceId));
  }

  @Operation('previewAudience')
  preview({ body, caller }: Call<'previewAudience'>): Promise<Result<'previewAudience'>> {
    return capped(PREVIEW_MS, () =>
      this.database.inWorkspace(caller.workspaceId, (sql) =>
        previewAudience(sql, caller.workspaceId, body.definition),
      ),
    );
  }

  @Operation('saveAudience')
  async save({ params, body, caller }: Call<'saveAudience'>): Promise<Result<'saveAudience'>> {
    await unlessBusy(() =>
      this.database.inWorkspace(caller.workspaceId, async (sql) => {
        const { id, version } = await saveAudience(sql, caller.workspaceId, params.key, body);
        await audit(sql, caller, 'audience.saved', id, { key: params.key, version });
      }),
    );
    return this.read(caller.workspaceId, params.key);
  }

  @Operation('getAudience')
  get({ params, caller }: Call<'getAudience'>): Promise<Result<'getAudience'>> {
    return this.read(caller.workspaceId, params.key);
  }

  @Operation('archiveAudience')
  async archive({ params, caller }: Call<'archiveAudience'>): Promise<void> {
    await unlessBusy(() =>
      this.database.inWorkspace(caller.workspaceId, async (sql) => {
        const id = await archiveAudience(sql, caller.workspaceId, params.key);
        if (id === null) throw noSuchAudience();
        await audit(sql, caller, 'audience.archived', id, { key: params.key });
      }),
    );
  }

  @Operation('explainAudience')
  explain({ params, query, caller }: Call<'explainAudience'>): Promise<AudienceExplanation> {
    const { workspaceId } = caller;
    return capped(PREVIEW_MS, () =>
      this.database.inWorkspace(workspaceId, async (sql) => {
        const audience = await existing(sql, workspaceId, params.key);
        const person = await personByExternalId(sql, workspaceId, query.profile);
        if (!person)
          throw new ProblemException(
            'not_found',
            'There is no profile with this external id in your workspace.',
          );
        const audiences = await audiencesOf(sql, workspaceId);
        const scope = await scopeOf(sql, workspaceId, audiences);
        const world: World = { ...scope, zones: new Set(scope.zones), audiences: new Map(scope.audiences) };
        const rule = audience.definition && explainClause(audience.definition.where, person, world);
        const { text, params: values } = await membersQuery(sql, workspaceId, audience);
        await asAWhole(sql, PREVIEW_MS);
        const [found] = await sql.query<{ since: Date | null }>(
          `SELECT (SELECT m.since FROM audience_members m WHERE m.workspace_id = $${values.length + 2}::uuid AND m.audience_id = $${values.length + 3}::uuid AND m.profile_id = x.profile_id) AS since
           FROM (${text}) AS x WHERE x.profile_id = $${values.length + 1}::uuid`,
          [...values, person.id, workspaceId, audience.id],
        );
        const { id, externalId, email, phone } = person;
        const member = found !== undefined;
        return {
          profile: { id, externalId, email, phone },
          holds: rule?.holds ?? member,
          member,
          since: found?.since?.toISOString() ?? null,
          sentence: sentenceAbout(audience, rule ?? null, member),
          rule: rule ?? null,
        };
      }),
    );
  }

  @Operation('listMembers')
  members({ params, query, caller }: Call<'listMembers'>): Promise<Result<'listMembers'>> {
    const { workspaceId } = caller;
    return capped(EVALUATION_MS, () =>
      this.database.inWorkspace(workspaceId, async (sql) => {
        const audience = await existing(sql, workspaceId, params.key);
        if (!keepsMembers(audience)) return evaluatedPage(sql, workspaceId, audience, query);
        const from = Math.max(query.after ?? 0, Number(placeIn(query.cursor, /^\d+$/) ?? 0));
        const rows = await membersAfter(sql, workspaceId, audience.id, from, query.limit + 1);
        const items = rows.slice(0, query.limit);
        return {
          items: items.map(({ since, ...member }) => ({ ...member, since: since.toISOString() })),
          nextCursor: rows.length > query.limit ? String(items.at(-1)?.seq) : null,
        };
      }),
    );
  }

  @Operation('changeMembers')
  change({ params, body, caller }: Call<'changeMembers'>): Promise<MembersChanged> {
    return this.writeList(caller, params.key, async (sql, audience) => {
      const ids = await idsByExternalId(sql, caller.workspaceId, [...body.add, ...body.remove]);
      const of = (names: readonly string[]): Set<string> =>
        new Set(names.flatMap((name) => ids.get(name) ?? []));
      const [add, remove] = [of(body.add), of(body.remove)];
      const members = await membersAmong(sql, caller.workspaceId, audience.id, [...add, ...remove]);
      return {
        entering: [...add].filter((id) => !members.has(id) && !remove.has(id)),
        leaving: [...remove].filter((id) => members.has(id)),
        unknown: [...new Set([...body.add, ...body.remove])].filter((name) => !ids.has(name)),
      };
    });
  }

  @Operation('replaceMembers')
  replace({ params, body, caller }: Call<'replaceMembers'>): Promise<MembersChanged> {
    return this.writeList(caller, params.key, async (sql, audience) => {
      const ids = await idsByExternalId(sql, caller.workspaceId, body.profiles);
      const wanted = new Set(ids.values());
      const members = await membersAmong(sql, caller.workspaceId, audience.id);
      return {
        entering: [...wanted].filter((id) => !members.has(id)),
        leaving: [...members].filter((id) => !wanted.has(id)),
        unknown: [...new Set(body.profiles)].filter((name) => !ids.has(name)),
      };
    });
  }

  @Operation('listAudienceChanges')
  changes({ params, query, caller }: Call<'listAudienceChanges'>): Promise<Result<'listAudienceChanges'>> {
    const { workspaceId } = caller;
    return this.database.inWorkspace(workspaceId, async (sql) => {
      const audience = await existing(sql, workspaceId, params.key);
      if (!keepsMembers(audience))
        throw new ProblemException(
          'conflict',
          'This rule keeps no members and so knows no changes: save it with live: true.',
        );
      const rows = await changesAfter(sql, workspaceId, audience.id, query.after, query.limit + 1);
      const forgotten = await forgottenUpTo(sql, workspaceId, audience.id);
      if (query.after < forgotten)
        throw new ProblemException(
          'conflict',
          `Changes up to ${forgotten} are older than this installation keeps them, so some would be missing: read all members, then ask for changes after ${audience.lastSeq}.`,
        );
      const items = rows.slice(0, query.limit);
      return { items, lastSeq: items.at(-1)?.seq ?? query.after, more: rows.length > query.limit };
    });
  }

  @Operation('exportMembers')
  async *csv({ params, caller, reply, signal }: Call<'exportMembers'>): AsyncGenerator<string> {
    let begun = false;
    for await (const page of this.everybody(caller, params.key, 'csv', signal)) {
      if (!begun) {
        void reply.header('Content-Disposition', `attachment; filename="${params.key}.csv"`);
        yield csvLine(EXPORT_COLUMNS);
        begun = true;
      }
      let lines = '';
      for (const person of page)
        lines += csvLine(
          EXPORT_COLUMNS.map((column) => {
            const value = person[column];
            return value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
          }),
        );
      yield lines;
    }
  }

  @Operation('exportMembersJson')
  async *jsonl({ params, caller, reply, signal }: Call<'exportMembersJson'>): AsyncGenerator<string> {
    void reply.header('Content-Disposition', `attachment; filename="${params.key}.jsonl"`);
    for await (const page of this.everybody(caller, params.key, 'jsonl', signal))
      yield page.map((person) => `${JSON.stringify(withoutNulls(person))}\n`).join('');
  }

  /** In pages, each read in a transaction of its own: a slow reader must not hold one open. The first comes even when it is empty. */
  private async *everybody(
    caller: Actor,
    key: string,
    format: 'csv' | 'jsonl',
    signal: AbortSignal,
  ): AsyncGenerator<Record<(typeof EXPORT_COLUMNS)[number], unknown>[]> {
    const { workspaceId } = caller;
    // One text of all ids: 37 bytes a person.
    const ids = await capped(EVALUATION_MS, () =>
      this.database.inWorkspace(workspaceId, async (sql) => {
        const audience = await existing(sql, workspaceId, key);
        await asAWhole(sql, EVALUATION_MS);
        const { text, params } = await membersQuery(sql, workspaceId, audience);
        const [row] = await sql.query<{ ids: string | null }>(
          `SELECT string_agg(profile_id::text, ',' ORDER BY profile_id) AS ids FROM (${text}) AS chosen`,
          params,
        );
        const all = row?.ids ?? '';
        // Before anything leaves.
        await audit(sql, caller, 'audience.exported', audience.id, {
          key,
          format,
          people: Math.ceil(all.length / ID_WIDTH),
        });
        return all;
      }),
    );
    const width = ID_WIDTH * FILE_PAGE;
    for (let at = 0; (at === 0 || at < ids.length) && !signal.aborted; at += width) {
      const part = ids.slice(at, at + width - 1);
      yield await this.database.inWorkspace(workspaceId, (sql) =>
        sql.query(
          `SELECT external_id AS "externalId", email, phone, locale, timezone, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt", attributes
           FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id`,
          [workspaceId, part === '' ? [] : part.split(',')],
        ),
      );
    }
  }

  private writeList(
    caller: Actor,
    key: string,
    plan: (
      sql: Sql,
      audience: AudienceRow,
    ) => Promise<{ entering: string[]; leaving: string[]; unknown: string[] }>,
  ): Promise<MembersChanged> {
    const { workspaceId } = caller;
    return this.database.inWorkspace(workspaceId, async (sql) => {
      await amongWriters(sql, workspaceId);
      const audience = await existing(sql, workspaceId, key);
      if (audience.kind !== 'list')
        throw new ProblemException('conflict', 'Its rule says who is in it: only a list is filled by hand.');
      if (audience.archivedAt !== null)
        throw new ProblemException('conflict', 'It is archived: save it again to bring it back.');
      await aloneWith(sql, audience.id);
      const { entering, leaving, unknown } = await plan(sql, audience);
      await writeChanges(
        sql,
        workspaceId,
        [
          ...entering.map((profileId) => ({ audienceId: audience.id, profileId, change: 'enter' as const })),
          ...leaving.map((profileId) => ({ audienceId: audience.id, profileId, change: 'leave' as const })),
        ],
        'list',
      );
      const { size, lastSeq } = await existing(sql, workspaceId, key);
      const changes = entering.length + leaving.length;
      if (changes > 0 && (caller.kind === 'user' || changes >= MANY))
        await audit(sql, caller, 'audience.filled', audience.id, {
          key,
          entered: entering.length,
          left: leaving.length,
        });
      return { entered: entering.length, left: leaving.length, unknown, size, lastSeq };
    });
  }

  private read(workspaceId: string, key: string): Promise<Result<'getAudience'>> {
    return this.database.inWorkspace(workspaceId, async (sql) =>
      shown(await existing(sql, workspaceId, key), await audiencesOf(sql, workspaceId)),
    );
  }
}

type Actor = Call<'changeMembers'>['caller'];

/** Left out rather than null: a line that is imported again takes nothing away. */
const withoutNulls = (person: object): object =>
  Object.fromEntries(Object.entries(person).filter(([, value]) => value !== null));

const noSuchAudience = (): ProblemException =>
  new ProblemException('not_found', 'There is no audience with this key in your workspace.');

async function existing(sql: Sql, workspaceId: string, key: string): Promise<AudienceRow> {
  const row = await audienceByKey(sql, workspaceId, key);
  if (!row) throw noSuchAudience();
  return row;
}

/** Members that are kept are listed by number, others by id. @throws where a rule became the other kind between two pages */
function placeIn(cursor: string | undefined, kind: RegExp): string | null {
  if (cursor === undefined) return null;
  if (kind.test(cursor)) return cursor;
  const message = 'is of before this rule began or ceased to keep its members: begin again without it';
  throw new ProblemException('invalid_request', `The query is not valid: ?cursor: ${message}`, {
    errors: [{ pointer: '?cursor', code: 'invalid', message }],
  });
}

/** A page of a rule whose members are not kept, by profile id. */
async function evaluatedPage(
  sql: Sql,
  workspaceId: string,
  audience: AudienceRow,
  query: { limit: number; cursor?: string; after?: number },
): Promise<Result<'listMembers'>> {
  if (query.after !== undefined)
    throw new ProblemException(
      'conflict',
      'This rule keeps no members and so knows no order of entering: save it with live: true, or leave out after.',
    );
  const after = placeIn(query.cursor, /-/);
  await asAWhole(sql, EVALUATION_MS);
  const { text, params } = await membersQuery(sql, workspaceId, audience);
  const rows = await sql.query<{
    id: string;
    externalId: string;
    email: string | null;
    phone: string | null;
  }>(
    `SELECT p.id, p.external_id AS "externalId", p.email, p.phone
     FROM (SELECT profile_id FROM (${text}) AS x WHERE profile_id > coalesce($${params.length + 2}::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY profile_id LIMIT $${params.length + 3}) AS chosen
     JOIN profiles p ON p.workspace_id = $${params.length + 1}::uuid AND p.id = chosen.profile_id ORDER BY p.id`,
    [...params, workspaceId, after, query.limit + 1],
  );
  const items = rows.slice(0, query.limit).map((row) => ({ ...row, seq: null, since: null }));
  return { items, nextCursor: rows.length > query.limit ? (items.at(-1)?.id ?? null) : null };
}

function sentenceAbout(audience: AudienceRow, rule: Explained | null, member: boolean): string {
  if (rule === null) return member ? 'They are on the list.' : 'They are not on the list.';
  if (rule.holds && member) return 'They are in: the rule holds for them.';
  if (rule.holds)
    return audience.live
      ? 'The rule holds for them now; they enter with the next evaluation.'
      : 'The rule holds for them, but what comes after it (one per value, a sample, a limit) chose others.';
  return member
    ? 'The rule does not hold for them any more; they leave with the next evaluation.'
    : 'They are not in: the rule does not hold for them.';
}

/** Waits in vain for writers: said as something that passes. */
async function unlessBusy<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: unknown }).code !== '55P03') throw error;
      if (tries === 3)
        throw new ProblemException(
          'unavailable',
          'Too much is being written just now: try again in some seconds.',
          {
            cause: error,
            headers: { 'retry-after': '5' },
          },
        );
    }
}
