/** Who is inside a journey, or was: reading, and what a person in the dashboard may do to one of them. */
import type {
  Enrollment,
  EnrollmentHistory,
  EnrollmentLine,
  EnrollmentState,
  JourneyNumbers,
} from '@carillon/contracts';
import { idsByExternalId } from '@carillon/audience-service';
import type { Sql } from '@carillon/database';

interface ShownRow {
  id: string;
  profileId: string;
  externalId: string;
  version: number;
  key: string;
  state: EnrollmentState;
  step: string | null;
  since: Date;
  dueAt: Date | null;
  outcome: string | null;
  reason: string | null;
  data: Record<string, unknown>;
  enteredAt: Date;
  endedAt: Date | null;
}
const SHOWN = `e.id, e.profile_id AS "profileId", p.external_id AS "externalId", e.version, e.key, e.state, e.step, e.since, e.due_at AS "dueAt",
  e.outcome, e.reason, e.data, e.entered_at AS "enteredAt", e.ended_at AS "endedAt"`;
const FROM = `enrollments e JOIN profiles p ON p.workspace_id = $1 AND p.id = e.profile_id`;

/** The newest first: ids are made in the order of time. */
export async function enrollmentsBefore(
  sql: Sql,
  workspaceId: string,
  journeyId: string,
  asked: {
    step?: string | undefined;
    state?: string | undefined;
    profile?: string | undefined;
    version?: number | undefined;
    cursor?: string | undefined;
    limit: number;
  },
): Promise<Enrollment[]> {
  const { profile } = asked;
  const person =
    profile === undefined ? undefined : (await idsByExternalId(sql, workspaceId, [profile])).get(profile);
  if (profile !== undefined && person === undefined) return [];
  // Of a step: who is there now. Written out, so that the planner sees the conditions of the partial indexes.
  const inside = asked.step === undefined ? '' : `AND e.step = $7 AND e.state <> 'ended'`;
  const parked = asked.state === 'parked' ? `AND e.state = 'parked'` : '';
  const rows = await sql.query<ShownRow>(
    `SELECT ${SHOWN} FROM ${FROM} WHERE e.workspace_id = $1 AND e.journey_id = $2 AND ($3::text IS NULL OR e.state = $3)
        AND ($4::uuid IS NULL OR e.profile_id = $4) AND ($5::int IS NULL OR e.version = $5) AND ($6::uuid IS NULL OR e.id < $6) ${inside} ${parked}
      ORDER BY e.id DESC LIMIT ${asked.limit}`,
    [
      workspaceId,
      journeyId,
      asked.state ?? null,
      person ?? null,
      asked.version ?? null,
      asked.cursor ?? null,
      ...(asked.step === undefined ? [] : [asked.step]),
    ],
  );
  return rows.map(toEnrollment);
}

export async function enrollmentHistory(
  sql: Sql,
  workspaceId: string,
  journeyId: string,
  id: string,
): Promise<EnrollmentHistory | null> {
  const [row] = await sql.query<ShownRow>(
    `SELECT ${SHOWN} FROM ${FROM} WHERE e.workspace_id = $1 AND e.journey_id = $2 AND e.id = $3`,
    [workspaceId, journeyId, id],
  );
  if (!row) return null;
  const lines = await sql.query<Omit<EnrollmentLine, 'at'> & { at: Date }>(
    `SELECT no, step, kind, way, next, detail, at FROM enrollment_steps WHERE workspace_id = $1 AND enrollment_id = $2 ORDER BY no LIMIT 1000`,
    [workspaceId, id],
  );
  return {
    enrollment: toEnrollment(row),
    lines: lines.map((line) => ({ ...line, at: line.at.toISOString() })),
  };
}

const toEnrollment = ({ profileId, externalId, ...row }: ShownRow): Enrollment => ({
  ...row,
  profile: { id: profileId, externalId },
  since: row.since.toISOString(),
  dueAt: row.dueAt?.toISOString() ?? null,
  enteredAt: row.enteredAt.toISOString(),
  endedAt: row.endedAt?.toISOString() ?? null,
});

/** Counts written with what they count, so that the sums hold at every instant. */
export async function journeyNumbers(
  sql: Sql,
  workspaceId: string,
  journeyId: string,
  version: number | undefined,
): Promise<JourneyNumbers> {
  const rows = await sql.query<{ step: string; way: string; count: number }>(
    `SELECT step, way, sum(count)::float8 AS count FROM journey_counts
      WHERE workspace_id = $1 AND journey_id = $2 AND ($3::int IS NULL OR version = $3) GROUP BY step, way ORDER BY step, way`,
    [workspaceId, journeyId, version ?? null],
  );
  const whole = rows.filter(({ step }) => step === '');
  const entered = whole.find(({ way }) => way === 'entered')?.count ?? 0;
  const refused = whole
    .filter(({ way }) => way.startsWith('refused:'))
    .map(({ way, count }) => ({ reason: way.slice('refused:'.length), count }));
  const outcomes = whole
    .filter(({ way }) => way.startsWith('ended:'))
    .map(({ way, count }) => ({ outcome: way.slice('ended:'.length), count }));
  const steps = [...new Set(rows.map(({ step }) => step))].filter(Boolean).map((step) => {
    const mine = rows.filter((row) => row.step === step);
    const ways = mine.filter(({ way }) => way !== 'entered').map(({ way, count }) => ({ way, count }));
    const came = mine.find(({ way }) => way === 'entered')?.count ?? 0;
    return {
      step,
      entered: came,
      waiting: came - ways.reduce((sum, { count }) => sum + count, 0),
      errors: ways.find(({ way }) => way === 'error')?.count ?? 0,
      ways,
    };
  });
  const gone = outcomes.reduce((sum, { count }) => sum + count, 0);
  return { version: version ?? null, entered, inside: entered - gone, outcomes, refused, steps };
}
