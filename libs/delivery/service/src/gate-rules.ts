/**
 * The workspace's own rules of the gate, by version. The newest stands in the workspace's settings too: every claim reads
 * those anyway, so that a change holds for the next claim and nobody keeps a copy that is out of date.
 */
import { validTimeZone } from '@carillon/audience-rules';
import { presentNames } from '@carillon/audience-service';
import type { Gate, GateChange, GateRules } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { noRules } from '@carillon/delivery-rules';
import { ProblemException } from '@carillon/server';

interface Row {
  version: number;
  rules: GateRules;
  note: string;
  by: string;
  at: Date;
}
const toGate = (row: Row): Gate => ({
  version: row.version,
  rules: { ...noRules, ...row.rules },
  note: row.note,
  by: row.by,
  at: row.at.toISOString(),
});

export async function readGate(sql: Sql, workspaceId: string): Promise<Gate> {
  const [[row], [workspace]] = await Promise.all([
    sql.query<Row>(
      'SELECT version, rules, note, by, at FROM gate_versions WHERE workspace_id = $1 ORDER BY version DESC LIMIT 1',
      [workspaceId],
    ),
    sql.query<{ allowList: string[] | null }>(
      `SELECT settings -> 'allowList' AS "allowList" FROM workspaces WHERE id = $1`,
      [workspaceId],
    ),
  ]);
  if (row) return toGate(row);
  const rules = { ...noRules, allowList: workspace?.allowList ?? null };
  return { version: 0, rules, note: '', by: null, at: null };
}

/** The newest first. */
export async function gateVersions(sql: Sql, workspaceId: string, most = 100): Promise<Gate[]> {
  const rows = await sql.query<Row>(
    'SELECT version, rules, note, by, at FROM gate_versions WHERE workspace_id = $1 ORDER BY version DESC LIMIT $2',
    [workspaceId, most],
  );
  return rows.map(toGate);
}

/**
 * @param by who changed it
 * @throws ProblemException `conflict` when somebody else changed it since `ifVersion`, `invalid_request` for an unknown zone
 */
export async function writeGate(
  sql: Sql,
  workspaceId: string,
  { ifVersion, note, ...rules }: GateChange,
  by: string,
): Promise<Gate> {
  const checked = withZones(rules);
  // The workspace's row is the lock: versions are dense, and of two writers one sees the other.
  await sql.query('SELECT 1 FROM workspaces WHERE id = $1 FOR UPDATE', [workspaceId]);
  const { version } = await readGate(sql, workspaceId);
  if (ifVersion !== undefined && ifVersion !== version)
    throw new ProblemException(
      'conflict',
      `The rules have been changed: they stand at version ${version}, not ${ifVersion}. Read them again and make your change there.`,
    );
  const next = version + 1;
  const { allowList, ...rest } = checked;
  // The version stands as it was written; a merge, before or later, changes by which id a person is recognised.
  const testProfiles = await presentNames(sql, workspaceId, rest.testProfiles);
  await sql.execute(
    'INSERT INTO gate_versions (workspace_id, version, rules, note, by) VALUES ($1, $2, $3, $4, $5)',
    [workspaceId, next, JSON.stringify(checked), note, by],
  );
  await sql.execute('UPDATE workspaces SET settings = settings || $2::jsonb WHERE id = $1', [
    workspaceId,
    JSON.stringify({ gate: { version: next, ...rest, testProfiles }, allowList }),
  ]);
  return readGate(sql, workspaceId);
}

/** @throws ProblemException `invalid_request` */
export function withZones(rules: GateRules): GateRules {
  const errors: { pointer: string; code: string; message: string }[] = [];
  const quietHours = rules.quietHours.map((rule, i) => {
    if (rule.zone === 'person') return rule;
    const zone = validTimeZone(rule.zone);
    if (zone.ok) return { ...rule, zone: zone.value };
    const message = 'is no zone: write `person`, or a zone of the IANA database such as Europe/Paris';
    errors.push({ pointer: `/quietHours/${i}/zone`, code: 'unknown_zone', message });
    return rule;
  });
  if (errors[0])
    throw new ProblemException(
      'invalid_request',
      `The body is not valid: ${errors[0].pointer}: ${errors[0].message}`,
      { errors },
    );
  return { ...rules, quietHours };
}

/** Nothing that this person was sent counts any more. @returns how many messages that was */
export async function resetCaps(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
): Promise<number> {
  const rows = await sql.query<{ n: number }>(
    `DELETE FROM counted_sends WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) RETURNING jsonb_array_length(sends) AS n`,
    [workspaceId, profileIds],
  );
  return rows.reduce((sum, row) => sum + row.n, 0);
}
