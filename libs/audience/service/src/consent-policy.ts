/** The workspace's rules about consent, soft bounces and keywords. They stand in its settings, where the gate reads them. */
import { ConsentPolicy } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

export async function readConsentPolicy(sql: Sql, workspaceId: string): Promise<ConsentPolicy> {
  const [row] = await sql.query<{ settings: Record<string, unknown> }>(
    'SELECT settings FROM workspaces WHERE id = $1',
    [workspaceId],
  );
  const { noConsentMeans, softBounce, transactionalIgnoresComplaints, sms } = row?.settings ?? {};
  // A setting that an older version wrote, or a person by hand, must not stop what reads it.
  const read = ConsentPolicy.safeParse({
    ...(noConsentMeans !== undefined && { noConsentMeans }),
    ...(softBounce !== undefined && { softBounce }),
    ...(transactionalIgnoresComplaints !== undefined && { transactionalIgnoresComplaints }),
    ...(sms !== undefined && { sms }),
  });
  return read.success ? read.data : ConsentPolicy.parse({});
}

export async function writeConsentPolicy(
  sql: Sql,
  workspaceId: string,
  policy: ConsentPolicy,
): Promise<ConsentPolicy> {
  await sql.execute('UPDATE workspaces SET settings = settings || $2::jsonb WHERE id = $1', [
    workspaceId,
    JSON.stringify(policy),
  ]);
  return readConsentPolicy(sql, workspaceId);
}
