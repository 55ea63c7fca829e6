/** Who asked, as a timeline or a list may say it: a person's name, or the name of a key. */
import type { Sql } from '@carillon/database';
import type { KeyCaller, UserCaller } from '@carillon/server';

export async function whoIs(sql: Sql, caller: KeyCaller | UserCaller): Promise<string> {
  const [row] = await sql.query<{ name: string }>(
    caller.kind === 'user'
      ? 'SELECT name FROM users WHERE workspace_id = $1 AND id = $2'
      : 'SELECT name FROM api_keys WHERE workspace_id = $1 AND id = $2',
    [caller.workspaceId, caller.kind === 'user' ? caller.userId : caller.keyId],
  );
  const name = row?.name ?? 'somebody';
  return caller.kind === 'user' ? name : `API key ${name}`;
}
