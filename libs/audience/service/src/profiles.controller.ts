/** Profiles, their other names and their devices over HTTP; their state and their timeline. */
import { Controller, Inject } from '@nestjs/common';
import {
  OWN_NAMESPACE,
  ProfileUpsert,
  timelineKinds,
  type Profile,
  type ProfileBulkResult,
} from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import {
  errorsOf,
  notFound,
  noSuchCursor,
  Operation,
  ProblemException,
  type Call,
  type Caller,
  type Result,
  WrittenJson,
} from '@carillon/server';
import { audit } from './audit.js';
import { removeDevice, upsertDevice } from './devices.js';
import { idsByExternalId } from './find-profiles.js';
import { addIdentity, MOST_IDENTITIES, removeIdentity } from './identities.js';
import { mergeProfiles } from './merge-profiles.js';
import { profileColumns, readProfile, showProfiles, type ProfileRow } from './show-profiles.js';
import { amongWriters, markStale, withoutWriters } from './stale.js';
import { stateReader } from './state.js';
import { readTimeline, readTimelineCursor } from './timeline.js';
import { upsertProfiles } from './upsert-profiles.js';

const noSuchProfile = () =>
  new ProblemException('not_found', 'There is no profile with this external id in your workspace.');

@Controller()
export class ProfilesController {
  private readonly readState: ReturnType<typeof stateReader>;

  constructor(@Inject(Database) private readonly database: Database) {
    this.readState = stateReader(database);
  }

  @Operation('listProfiles')
  async list({ query, caller }: Call<'listProfiles'>): Promise<Result<'listProfiles'>> {
    const { limit, search } = query;
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const rows = await sql.query<ProfileRow>(
        `SELECT ${profileColumns} FROM profiles
         WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2)
           AND ($3::text IS NULL OR external_id LIKE $3 OR email LIKE $3 OR email LIKE lower($3) OR phone LIKE $3 OR id = $5)
         ORDER BY id DESC LIMIT $4`,
        [
          caller.workspaceId,
          query.cursor ?? null,
          search ? `${search.replace(/[\\%_]/g, '\\$&')}%` : null,
          limit + 1,
          // Whoever became part of somebody is found by their whole id.
          search ? ((await idsByExternalId(sql, caller.workspaceId, [search])).get(search) ?? null) : null,
        ],
      );
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        items: await showProfiles(sql, caller.workspaceId, page),
        nextCursor: rows.length > limit && last ? last.id : null,
      };
    });
  }

  @Operation('upsertProfile')
  upsert({ params, body, caller, request, reply }: Call<'upsertProfile'>): Promise<Profile> {
    const expected = request.headers['if-match'];
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      if (expected !== undefined) await refuseOther(sql, caller.workspaceId, params.externalId, expected);
      const [result] = await upsertProfiles(sql, caller.workspaceId, [
        { ...body, externalId: params.externalId },
      ]);
      if (result?.outcome === 'failed')
        throw new ProblemException(
          'invalid_request',
          `The profile is not valid: ${result.errors[0]?.message ?? ''}`,
          {
            errors: result.errors,
          },
        );
      const { profile, version } = await read(sql, caller.workspaceId, params.externalId);
      reply.header('etag', `"${version}"`);
      return profile;
    });
  }

  @Operation('bulkUpsertProfiles')
  async bulk({ body, caller }: Call<'bulkUpsertProfiles'>): Promise<ProfileBulkResult> {
    const judged = body.profiles.map((row, index) => {
      const result = ProfileUpsert.safeParse(row);
      return {
        index,
        profile: result.data,
        errors: result.success ? [] : errorsOf(ProfileUpsert, row, result.error),
      };
    });
    const good = judged.flatMap(({ index, profile }) => (profile ? [{ index, profile }] : []));
    const upserted = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      upsertProfiles(
        sql,
        caller.workspaceId,
        good.map(({ profile }) => profile),
      ),
    );
    const byIndex = new Map(good.map(({ index }, i) => [index, upserted[i]]));
    const results = judged.map(({ index, errors }) => {
      const result = byIndex.get(index);
      return result && result.outcome !== 'failed'
        ? { index, id: result.id, outcome: result.outcome }
        : { index, outcome: 'failed' as const, errors: result?.errors ?? errors };
    });
    const count = (outcome: string) => results.filter((result) => result.outcome === outcome).length;
    return { created: count('created'), updated: count('updated'), failed: count('failed'), results };
  }

  @Operation('getProfile')
  get({ params, caller, reply }: Call<'getProfile'>): Promise<Profile> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const { profile, version } = await read(sql, caller.workspaceId, params.externalId);
      reply.header('etag', `"${version}"`);
      return profile;
    });
  }

  @Operation('deleteProfile')
  async delete({ params, caller }: Call<'deleteProfile'>): Promise<void> {
    await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      // Alone, so that no event or device is on its way to somebody who is gone.
      await withoutWriters(sql, caller.workspaceId);
      const id = await idOf(sql, caller.workspaceId, params.externalId);
      await sql.execute('DELETE FROM profiles WHERE workspace_id = $1 AND id = $2', [caller.workspaceId, id]);
      await markStale(sql, caller.workspaceId, [{ profileId: id, mentions: ['profile'] }]);
      await audit(sql, caller, 'profile.deleted', id);
    });
  }

  @Operation('getProfileState')
  async state({ params, caller }: Call<'getProfileState'>): Promise<WrittenJson<Result<'getProfileState'>>> {
    const state = await this.readState(caller.workspaceId, params.externalId);
    if (!state) throw noSuchProfile();
    return state;
  }

  @Operation('getTimeline')
  timeline({ params, query, caller }: Call<'getTimeline'>): Promise<Result<'getTimeline'>> {
    const cursor = query.cursor === undefined ? null : readTimelineCursor(query.cursor);
    if (query.cursor !== undefined && cursor === null) throw noSuchCursor();
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const id = await idOf(sql, caller.workspaceId, params.externalId);
      return readTimeline(sql, caller.workspaceId, id, query.kind ?? timelineKinds, {
        limit: query.limit,
        cursor,
      });
    });
  }

  @Operation('mergeProfiles')
  merge({ params, body, caller }: Call<'mergeProfiles'>): Promise<Result<'mergeProfiles'>> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const merged = await mergeProfiles(
        sql,
        caller.workspaceId,
        params.externalId,
        body.from,
        nameOf(caller),
      );
      if (!merged.ok && merged.unknown === 'kept') throw noSuchProfile();
      if (!merged.ok)
        throw fault(
          '/from',
          merged.unknown === 'none' ? 'same_profile' : 'unknown_profile',
          merged.unknown === 'none'
            ? 'This is the same profile: name the one that becomes part of it.'
            : 'There is no profile with this external id: write the one that becomes part of this one.',
        );
      const { profile } = await read(sql, caller.workspaceId, params.externalId);
      if (merged.result.outcome === 'merged')
        await audit(sql, caller, 'profile.merged', merged.keptId, { rule: merged.result.rule });
      return { profile, ...merged.result };
    });
  }

  @Operation('addIdentity')
  addIdentity({ params, caller }: Call<'addIdentity'>): Promise<Profile> {
    const { externalId, ...identity } = params;
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      if (identity.namespace === OWN_NAMESPACE)
        throw fault(
          ':namespace',
          'reserved',
          'external_id is for profiles that were merged: choose another name.',
        );
      await amongWriters(sql, caller.workspaceId);
      const id = await idOf(sql, caller.workspaceId, externalId);
      const added = await addIdentity(sql, caller.workspaceId, id, identity);
      if (added === 'taken')
        throw new ProblemException(
          'conflict',
          'This name belongs to another profile: merge the two, or take it back there first.',
        );
      if (added === 'too_many')
        throw new ProblemException('conflict', `A profile has at most ${MOST_IDENTITIES} other names.`);
      return (await read(sql, caller.workspaceId, externalId)).profile;
    });
  }

  @Operation('removeIdentity')
  async removeIdentity({ params, caller }: Call<'removeIdentity'>): Promise<void> {
    const { externalId, ...identity } = params;
    const removed = await this.database.inWorkspace(caller.workspaceId, async (sql) =>
      removeIdentity(sql, caller.workspaceId, await idOf(sql, caller.workspaceId, externalId), identity),
    );
    if (!removed) throw notFound('identity');
  }

  @Operation('addDevice')
  addDevice({ params, body, caller }: Call<'addDevice'>): Promise<Result<'addDevice'>> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      await amongWriters(sql, caller.workspaceId);
      const id = await idOf(sql, caller.workspaceId, params.externalId);
      // Locked: two apps that register at the same moment must not pass the limit together.
      await sql.query('SELECT FROM profiles WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE', [
        caller.workspaceId,
        id,
      ]);
      return upsertDevice(sql, caller.workspaceId, id, body);
    });
  }

  @Operation('removeDevice')
  async removeDevice({ params, caller }: Call<'removeDevice'>): Promise<void> {
    const removed = await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const id = (await idsByExternalId(sql, caller.workspaceId, [params.externalId])).get(params.externalId);
      return id !== undefined && removeDevice(sql, caller.workspaceId, id, params.id);
    });
    if (!removed) throw notFound('device');
  }
}

const nameOf = (caller: Exclude<Caller, { kind: 'inbox' }>): string =>
  caller.kind === 'user' ? `user ${caller.userId}` : `key ${caller.keyId}`;

const fault = (pointer: string, code: string, message: string) =>
  new ProblemException('invalid_request', message, { errors: [{ pointer, code, message }] });

/** @throws ProblemException not_found */
async function idOf(sql: Sql, workspaceId: string, externalId: string): Promise<string> {
  const id = (await idsByExternalId(sql, workspaceId, [externalId])).get(externalId);
  if (id === undefined) throw noSuchProfile();
  return id;
}

/** @throws ProblemException conflict when the profile is not at the version the caller saw (If-Match, RFC 9110 §13.1.1) */
async function refuseOther(
  sql: Sql,
  workspaceId: string,
  externalId: string,
  expected: string,
): Promise<void> {
  await amongWriters(sql, workspaceId);
  const id = (await idsByExternalId(sql, workspaceId, [externalId])).get(externalId);
  const [row] = await sql.query<{ version: number }>(
    `SELECT version FROM profiles WHERE workspace_id = $1 AND id = $2 FOR NO KEY UPDATE`,
    [workspaceId, id ?? null],
  );
  if (row ? expected === '*' || expected === `"${row.version}"` : false) return;
  throw new ProblemException(
    'conflict',
    'The profile has changed since you read it: read it again, then write.',
  );
}

async function read(
  sql: Sql,
  workspaceId: string,
  externalId: string,
): Promise<{ profile: Profile; version: number }> {
  const found = await readProfile(sql, workspaceId, externalId);
  if (!found) throw noSuchProfile();
  return found;
}
