/** Who is meant: by external id, by that of a profile that became part of another one, or by another identity. */
import { OWN_NAMESPACE, type IdentityKey } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

/** @returns profile ids by external id; the others are not in the map */
export async function idsByExternalId(
  sql: Sql,
  workspaceId: string,
  externalIds: readonly string[],
): Promise<Map<string, string>> {
  const wanted = [...new Set(externalIds)];
  if (wanted.length === 0) return new Map();
  const rows = await sql.query<{ externalId: string; id: string }>(
    `SELECT external_id AS "externalId", id FROM profiles WHERE workspace_id = $1 AND external_id = ANY($2)`,
    [workspaceId, wanted],
  );
  const found = new Map(rows.map((row) => [row.externalId, row.id]));
  const missing = wanted.filter((externalId) => !found.has(externalId));
  const merged = await idsByIdentity(
    sql,
    workspaceId,
    missing.map((value) => ({ namespace: OWN_NAMESPACE, value })),
  );
  for (const externalId of missing) {
    const id = merged.get(identityText({ namespace: OWN_NAMESPACE, value: externalId }));
    if (id) found.set(externalId, id);
  }
  return found;
}

/** @returns profile ids by `identityText` */
export async function idsByIdentity(
  sql: Sql,
  workspaceId: string,
  identities: readonly IdentityKey[],
): Promise<Map<string, string>> {
  if (identities.length === 0) return new Map();
  const rows = await sql.query<IdentityKey & { id: string }>(
    `SELECT i.namespace, i.value, i.profile_id AS id
     FROM (SELECT DISTINCT * FROM unnest($2::text[], $3::text[]) AS u(namespace, value)) u
     JOIN identities i ON i.workspace_id = $1 AND i.namespace = u.namespace AND i.value = u.value`,
    [workspaceId, identities.map((i) => i.namespace), identities.map((i) => i.value)],
  );
  return new Map(rows.map((row) => [identityText(row), row.id]));
}

/** @returns external ids in which those of profiles that became part of another one are replaced by its own */
export async function presentNames(
  sql: Sql,
  workspaceId: string,
  externalIds: readonly string[],
): Promise<string[]> {
  if (externalIds.length === 0) return [];
  const rows = await sql.query<{ merged: string; kept: string }>(
    `SELECT i.value AS merged, p.external_id AS kept
     FROM identities i JOIN profiles p ON p.workspace_id = $1 AND p.id = i.profile_id
     WHERE i.workspace_id = $1 AND i.namespace = $2 AND i.value = ANY($3)`,
    [workspaceId, OWN_NAMESPACE, externalIds],
  );
  const kept = new Map(rows.map((row) => [row.merged, row.kept]));
  return [...new Set(externalIds.map((name) => kept.get(name) ?? name))];
}

/** @returns who these profiles are now, for those that have become part of another one */
export async function whoTheyBecame(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<Map<string, string>> {
  if (profileIds.length === 0) return new Map();
  const rows = await sql.query<{ asked: string; kept: string }>(
    `WITH RECURSIVE person AS (
       SELECT merged_id AS asked, kept_id AS kept FROM profile_merges WHERE workspace_id = $1 AND merged_id = ANY($2::uuid[])
       UNION
       SELECT p.asked, m.kept_id FROM profile_merges m JOIN person p ON m.workspace_id = $1 AND m.merged_id = p.kept)
     SELECT p.asked, p.kept FROM person p JOIN profiles k ON k.workspace_id = $1 AND k.id = p.kept`,
    [workspaceId, profileIds],
  );
  return new Map(rows.map(({ asked, kept }) => [asked, kept]));
}

/** @returns the id of a profile and those of all that have become part of it: rows of the log may name any of them */
export async function idsOfPerson(sql: Sql, workspaceId: string, profileId: string): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `WITH RECURSIVE person AS (
       SELECT $2::uuid AS id
       UNION
       SELECT m.merged_id FROM profile_merges m JOIN person p ON m.workspace_id = $1 AND m.kept_id = p.id)
     SELECT id FROM person`,
    [workspaceId, profileId],
  );
  return rows.map(({ id }) => id);
}

/** An identity as one text; also the external id of a profile that is made for one. */
export const identityText = ({ namespace, value }: IdentityKey): string => `${namespace}:${value}`;
