/** Profiles and devices over HTTP. */
import { Controller } from '@nestjs/common';
import { ProfileUpsert, type Profile, type ProfileBulkResult } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { errorsOf, notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { devicesOf, upsertDevice } from './devices.js';
import { upsertProfiles } from './upsert-profiles.js';

interface Row {
  id: string;
  external_id: string;
  email: string | null;
  phone: string | null;
  locale: string | null;
  timezone: string | null;
  attributes: Profile['attributes'];
  version: number;
  created_at: Date;
  updated_at: Date;
}
const columns =
  'id, external_id, email, phone, locale, timezone, attributes, version, created_at, updated_at';
const noSuchProfile = () =>
  new ProblemException('not_found', 'There is no profile with this external id in your workspace.');

@Controller()
export class ProfilesController {
  constructor(private readonly database: Database) {}

  @Operation('listProfiles')
  async list({ query, caller }: Call<'listProfiles'>): Promise<Result<'listProfiles'>> {
    const { limit, search } = query;
    const before = query.cursor === undefined ? null : readCursor(query.cursor);
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const rows = await sql.query<Row>(
        `SELECT ${columns} FROM profiles
         WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2)
           AND ($3::text IS NULL OR external_id LIKE $3 OR email LIKE $3 OR email LIKE lower($3) OR phone LIKE $3)
         ORDER BY id DESC LIMIT $4`,
        [caller.workspaceId, before, search ? `${search.replace(/[\\%_]/g, '\\$&')}%` : null, limit + 1],
      );
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        items: await withDevices(sql, caller.workspaceId, page),
        nextCursor: rows.length > limit && last ? Buffer.from(last.id).toString('base64url') : null,
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
    const deleted = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.execute(`DELETE FROM profiles WHERE workspace_id = $1 AND external_id = $2`, [
        caller.workspaceId,
        params.externalId,
      ]),
    );
    if (deleted === 0) throw noSuchProfile();
  }

  @Operation('addDevice')
  addDevice({ params, body, caller }: Call<'addDevice'>): Promise<Result<'addDevice'>> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      // Locked: two apps that register at the same moment must not pass the limit together.
      const [profile] = await sql.query<{ id: string }>(
        `SELECT id FROM profiles WHERE workspace_id = $1 AND external_id = $2 FOR NO KEY UPDATE`,
        [caller.workspaceId, params.externalId],
      );
      if (!profile) throw noSuchProfile();
      return upsertDevice(sql, caller.workspaceId, profile.id, body);
    });
  }

  @Operation('removeDevice')
  async removeDevice({ params, caller }: Call<'removeDevice'>): Promise<void> {
    const removed = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.execute(
        `DELETE FROM devices d USING profiles p
         WHERE d.workspace_id = $1 AND d.id = $2 AND p.workspace_id = $1 AND p.id = d.profile_id AND p.external_id = $3`,
        [caller.workspaceId, params.id, params.externalId],
      ),
    );
    if (removed === 0) throw notFound('device');
  }
}

/** @throws ProblemException conflict when the profile is not at the version the caller saw (If-Match, RFC 9110 §13.1.1) */
async function refuseOther(
  sql: Sql,
  workspaceId: string,
  externalId: string,
  expected: string,
): Promise<void> {
  const [row] = await sql.query<{ version: number }>(
    `SELECT version FROM profiles WHERE workspace_id = $1 AND external_id = $2 FOR NO KEY UPDATE`,
    [workspaceId, externalId],
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
  const [row] = await sql.query<Row>(
    `SELECT ${columns} FROM profiles WHERE workspace_id = $1 AND external_id = $2`,
    [workspaceId, externalId],
  );
  if (!row) throw noSuchProfile();
  const [profile] = await withDevices(sql, workspaceId, [row]);
  if (!profile) throw noSuchProfile();
  return { profile, version: row.version };
}

async function withDevices(sql: Sql, workspaceId: string, rows: readonly Row[]): Promise<Profile[]> {
  const devices = await devicesOf(
    sql,
    workspaceId,
    rows.map((row) => row.id),
  );
  return rows.map((row) => ({
    id: row.id,
    externalId: row.external_id,
    email: row.email,
    phone: row.phone,
    locale: row.locale,
    timezone: row.timezone,
    attributes: row.attributes,
    devices: devices.get(row.id) ?? [],
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  }));
}

function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id;
  throw new ProblemException(
    'invalid_request',
    'This cursor is not one of ours: send the nextCursor of the page before.',
    {
      errors: [
        {
          pointer: '?cursor',
          code: 'invalid_cursor',
          message: 'Send the nextCursor of the page before, as it is.',
        },
      ],
    },
  );
}
