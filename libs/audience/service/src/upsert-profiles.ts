/**
 * Creates and changes profiles, a list at a time, each judged by itself. A profile that already says the same is not
 * written: inline profiles of sends mostly repeat what is known. Called by the API and by accept.
 */
import type { ProblemError, ProfileUpsert } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { isDeepStrictEqual } from 'node:util';
import { judgeProfile, type JudgedProfile } from './judge-profile.js';

export type UpsertResult =
  | { outcome: 'created' | 'updated'; id: string; errors?: undefined }
  | { outcome: 'failed'; errors: ProblemError[]; id?: undefined };

/** Between our reading and our writing somebody else may create or delete: looked at again this often. */
const ROUNDS = 3;

/**
 * @param rows of the contract's shape; the same external id may come several times and is applied in order
 * @returns one result per row, in the order given
 */
export async function upsertProfiles(
  sql: Sql,
  workspaceId: string,
  rows: readonly ProfileUpsert[],
): Promise<UpsertResult[]> {
  const defaultCountry = rows.some((row) => row.phone) ? await defaultCountryOf(sql, workspaceId) : undefined;
  const judged = rows.map((row) => judgeProfile(row, defaultCountry));
  const wishes = new Map<string, JudgedProfile>();
  for (const verdict of judged)
    if (verdict.ok) {
      const { externalId } = verdict.profile;
      wishes.set(externalId, over(wishes.get(externalId), verdict.profile));
    }
  const written = await write(sql, workspaceId, [...wishes.values()]);

  const told = new Set<string>();
  return judged.map((verdict): UpsertResult => {
    if (!verdict.ok) return { outcome: 'failed', errors: verdict.errors };
    const { externalId } = verdict.profile;
    const found = written.get(externalId);
    if (!found) return { outcome: 'failed', errors: [contended] };
    const first = !told.has(externalId);
    told.add(externalId);
    return { outcome: found.created && first ? 'created' : 'updated', id: found.id };
  });
}

const contended: ProblemError = {
  pointer: '',
  code: 'conflict',
  message: 'Somebody deletes and creates this profile at the same moment: send it again.',
};

/** A later wish for the same profile over an earlier one. */
function over(before: JudgedProfile | undefined, after: JudgedProfile): JudgedProfile {
  if (!before) return after;
  const attributes = { ...before.attributes, ...after.attributes };
  for (const key of after.removed) delete attributes[key];
  const removed = [...before.removed.filter((key) => !(key in after.attributes)), ...after.removed];
  return { ...before, ...after, attributes, removed: [...new Set(removed)] };
}

interface Stored {
  id: string;
  externalId: string;
  email: string | null;
  emailOriginal: string | null;
  phone: string | null;
  phoneOriginal: string | null;
  locale: string | null;
  timezone: string | null;
  attributes: Record<string, unknown>;
}
const fields = ['email', 'emailOriginal', 'phone', 'phoneOriginal', 'locale', 'timezone'] as const;

const saysTheSame = (wish: JudgedProfile, stored: Stored): boolean =>
  fields.every((field) => wish[field] === undefined || wish[field] === stored[field]) &&
  wish.removed.every((key) => !(key in stored.attributes)) &&
  Object.entries(wish.attributes).every(([key, value]) => isDeepStrictEqual(stored.attributes[key], value));

async function write(
  sql: Sql,
  workspaceId: string,
  wishes: readonly JudgedProfile[],
): Promise<Map<string, { id: string; created: boolean }>> {
  const done = new Map<string, { id: string; created: boolean }>();
  let open = wishes;
  for (let round = 0; open.length > 0 && round < ROUNDS; round++) {
    const stored = await storedProfiles(sql, workspaceId, open);
    for (const wish of open) {
      const found = stored.get(wish.externalId);
      if (found && saysTheSame(wish, found)) done.set(wish.externalId, { id: found.id, created: false });
    }
    const missing = open.filter((wish) => !stored.has(wish.externalId));
    for (const { id, externalId } of await insert(sql, workspaceId, missing))
      done.set(externalId, { id, created: true });
    const different = open.filter((wish) => stored.has(wish.externalId) && !done.has(wish.externalId));
    for (const { id, externalId } of await update(sql, workspaceId, different))
      done.set(externalId, { id, created: false });
    open = open.filter((wish) => !done.has(wish.externalId));
  }
  return done;
}

async function storedProfiles(
  sql: Sql,
  workspaceId: string,
  wishes: readonly JudgedProfile[],
): Promise<Map<string, Stored>> {
  const rows = await sql.query<Stored>(
    `SELECT id, external_id AS "externalId", email, email_original AS "emailOriginal", phone, phone_original AS "phoneOriginal",
       locale, timezone, attributes
     FROM profiles WHERE workspace_id = $1 AND external_id = ANY($2)`,
    [workspaceId, wishes.map((wish) => wish.externalId)],
  );
  return new Map(rows.map((row) => [row.externalId, row]));
}

interface Written {
  id: string;
  externalId: string;
}

function insert(sql: Sql, workspaceId: string, wishes: readonly JudgedProfile[]): Promise<Written[]> {
  if (wishes.length === 0) return Promise.resolve([]);
  return sql.query<Written>(
    `INSERT INTO profiles (id, workspace_id, external_id, email, email_original, phone, phone_original, locale, timezone, attributes)
     SELECT id, $1, external_id, email, email_original, phone, phone_original, locale, timezone, attributes::jsonb
     FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
       AS u(id, external_id, email, email_original, phone, phone_original, locale, timezone, attributes)
     ORDER BY external_id
     ON CONFLICT (workspace_id, external_id) DO NOTHING
     RETURNING id, external_id AS "externalId"`,
    [
      workspaceId,
      wishes.map(() => newId()),
      wishes.map((wish) => wish.externalId),
      ...fields.map((field) => wishes.map((wish) => wish[field] ?? null)),
      wishes.map((wish) => JSON.stringify(wish.attributes)),
    ],
  );
}

async function update(sql: Sql, workspaceId: string, wishes: readonly JudgedProfile[]): Promise<Written[]> {
  if (wishes.length === 0) return [];
  // Locked in one order, so that two lists with the same people cannot wait for each other.
  await sql.query(
    `SELECT FROM profiles WHERE workspace_id = $1 AND external_id = ANY($2) ORDER BY external_id FOR NO KEY UPDATE`,
    [workspaceId, wishes.map((wish) => wish.externalId)],
  );
  const column = (name: string) => `${name} = CASE WHEN u.sets_${name} THEN u.${name} ELSE p.${name} END`;
  const names = ['email', 'email_original', 'phone', 'phone_original', 'locale', 'timezone'];
  return sql.query<Written>(
    `UPDATE profiles p SET ${names.map(column).join(', ')},
       attributes = (p.attributes || u.attributes::jsonb) - ARRAY(SELECT jsonb_array_elements_text(u.removed::jsonb)),
       version = p.version + 1, updated_at = now()
     FROM unnest($2::text[], ${names.map((_, i) => `$${i + 3}::text[]`).join(', ')},
                 ${names.map((_, i) => `$${i + 9}::boolean[]`).join(', ')}, $15::text[], $16::text[])
       AS u(external_id, ${names.join(', ')}, ${names.map((name) => `sets_${name}`).join(', ')}, attributes, removed)
     WHERE p.workspace_id = $1 AND p.external_id = u.external_id
     RETURNING p.id, p.external_id AS "externalId"`,
    [
      workspaceId,
      wishes.map((wish) => wish.externalId),
      ...fields.map((field) => wishes.map((wish) => wish[field] ?? null)),
      ...fields.map((field) => wishes.map((wish) => wish[field] !== undefined)),
      wishes.map((wish) => JSON.stringify(wish.attributes)),
      wishes.map((wish) => JSON.stringify(wish.removed)),
    ],
  );
}

async function defaultCountryOf(sql: Sql, workspaceId: string): Promise<string | undefined> {
  const [row] = await sql.query<{ country: string | null }>(
    `SELECT settings->>'defaultCountry' AS country FROM workspaces WHERE id = $1`,
    [workspaceId],
  );
  return row?.country ?? undefined;
}
