/** The policies of a workspace that the gate and the clock read from its settings. */
import type { Policies } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { defaultOnUnknown } from '@carillon/delivery-rules';

export async function readPolicies(sql: Sql, workspaceId: string): Promise<Policies> {
  const [row] = await sql.query<{
    unknown: Partial<Policies['unknown']> | null;
    approvals: Policies['approvals'] | null;
    tracking: Policies['tracking'] | null;
  }>(
    `SELECT settings -> 'unknown' AS unknown, settings -> 'approvals' AS approvals, settings -> 'tracking' AS tracking FROM workspaces WHERE id = $1`,
    [workspaceId],
  );
  return {
    unknown: { ...defaultOnUnknown, ...row?.unknown },
    ...(row?.approvals ? { approvals: row.approvals } : {}),
    ...(row?.tracking ? { tracking: row.tracking } : {}),
  };
}

export async function writePolicies(sql: Sql, workspaceId: string, policies: Policies): Promise<Policies> {
  await sql.execute('UPDATE workspaces SET settings = settings || $2::jsonb WHERE id = $1', [
    workspaceId,
    JSON.stringify(policies),
  ]);
  return readPolicies(sql, workspaceId);
}
