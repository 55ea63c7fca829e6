/** Other names of a person: a namespace and a value lead to one profile. */
import type { IdentityKey } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

/** More than systems that know a person; a fault in a loop must not grow a profile without end. */
export const MOST_IDENTITIES = 100;

/** Call among writers, with the id of a profile that is there. Adding again changes nothing. */
export async function addIdentity(
  sql: Sql,
  workspaceId: string,
  profileId: string,
  { namespace, value }: IdentityKey,
): Promise<'added' | 'taken' | 'too_many'> {
  await sql.execute(
    `INSERT INTO identities (workspace_id, namespace, value, profile_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
    [workspaceId, namespace, value, profileId],
  );
  const [row] = await sql.query<{ profileId: string; names: number }>(
    `SELECT profile_id AS "profileId",
       (SELECT count(*)::int FROM identities o WHERE o.workspace_id = $1 AND o.profile_id = $4) AS names
     FROM identities WHERE workspace_id = $1 AND namespace = $2 AND value = $3`,
    [workspaceId, namespace, value, profileId],
  );
  if (row?.profileId !== profileId) return 'taken';
  return row.names > MOST_IDENTITIES ? 'too_many' : 'added';
}

/** @returns whether the profile had it */
export const removeIdentity = async (
  sql: Sql,
  workspaceId: string,
  profileId: string,
  { namespace, value }: IdentityKey,
): Promise<boolean> =>
  (await sql.execute(
    'DELETE FROM identities WHERE workspace_id = $1 AND namespace = $2 AND value = $3 AND profile_id = $4',
    [workspaceId, namespace, value, profileId],
  )) > 0;
