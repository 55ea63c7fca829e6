/**
 * What one transaction does to people in journeys: the rows it holds, what it will say about them, and the writing of all of
 * it at the end, in one breath. Whoever holds a row moves it; the fence (`no`) makes sure of it a second time.
 */
import { bug } from '@carillon/config';
import { JourneyDefinition, type JourneyState } from '@carillon/contracts';
import { kept, type Kept, type Sql } from '@carillon/database';
import {
  follow,
  type EntryRefusal,
  type JourneyData,
  type Move,
  type Visit,
} from '@carillon/scheduling-rules';

/** A journey as its people need it. */
export interface LiveJourney {
  id: string;
  key: string;
  state: JourneyState;
  version: number | null;
  whilePaused: 'hold' | 'discard' | null;
  listens: readonly string[];
}

/** Somebody inside, held by this transaction. */
export interface Enrolled extends Visit {
  id: string;
  journey: LiveJourney;
  version: number;
  definition: JourneyDefinition;
  instance: string;
  enteredAt: Date;
  /** What the fence stood at when the row was read; null: not written yet. */
  readNo: number | null;
  changed: boolean;
}

/** A call that is to be made after the commit. */
export interface Call {
  enrollmentId: string;
  no: number;
  tries: number;
}

const COLUMNS = `e.id, e.journey_id AS "journeyId", e.version, e.profile_id AS "profileId", e.key, e.instance, e.state, e.step, e.phase, e.no, e.tries,
  e.since, e.step_due_at AS "dueAt", e.leave_by AS "leaveBy", e.data, e.outcome, e.reason, e.entered_at AS "enteredAt"`;
/**
 * Enrollments by a condition, to be held. Kept by connections: a few people are moved many times a second.
 * @param text stands after FROM enrollments e WHERE e.workspace_id = $1
 */
export const holding = (name: string, text: string): Kept =>
  kept(`enrollments-${name}`, `SELECT ${COLUMNS} FROM enrollments e WHERE e.workspace_id = $1 ${text}`);
type Row = Omit<Enrolled, 'journey' | 'definition' | 'readNo' | 'changed' | 'removed'>;

export class Work {
  readonly rows = new Map<string, Enrolled>();
  readonly calls: Call[] = [];
  /** Done after the commit. */
  readonly committed: (() => void)[] = [];
  readonly givenUp: (() => void)[] = [];
  private readonly lines: {
    enrollmentId: string;
    no: number;
    step: string;
    kind: string;
    way: string;
    next: string | null;
    detail: string;
  }[] = [];
  private readonly counts = new Map<string, number>();
  private readonly messages: { messageId: string; enrollmentId: string; step: string }[] = [];
  private readonly refusals: { journeyId: string; profileId: string; reason: string; ref: string }[] = [];

  constructor(
    readonly workspaceId: string,
    readonly now: Date,
    private readonly versions: Versions,
  ) {}

  /** @param known journeys that are held already */
  async hold(
    sql: Sql,
    which: Kept,
    params: readonly unknown[],
    known: readonly LiveJourney[] = [],
  ): Promise<Enrolled[]> {
    const rows = await sql.query<Row>(which, [this.workspaceId, ...params]);
    if (rows.length === 0) return [];
    const journeys = new Map(known.map((journey) => [journey.id, journey]));
    const others = [...new Set(rows.map((r) => r.journeyId))].filter((id) => !journeys.has(id));
    if (others.length > 0)
      for (const [id, journey] of await journeysOf(sql, this.workspaceId, others)) journeys.set(id, journey);
    await this.versions.load(sql, this.workspaceId, rows);
    return rows.map((row) => {
      const read = this.versions.reads(row.journeyId, row.version);
      const enrolled: Enrolled = {
        ...row,
        journey: journeys.get(row.journeyId)!,
        definition: read ? this.versions.of(row.journeyId, row.version) : UNREAD,
        removed: row.state !== 'parked' && row.reason !== null,
        readNo: row.no,
        changed: false,
      };
      // Whoever has to leave can: nothing of the version is asked.
      if (!read && row.state === 'inside' && enrolled.journey.state !== 'stopped')
        Object.assign(enrolled, { state: 'parked', reason: UNREADABLE, changed: true });
      this.rows.set(row.id, enrolled);
      return enrolled;
    });
  }

  enter(enrolled: Enrolled): void {
    this.rows.set(enrolled.id, enrolled);
    this.count(enrolled, '', 'entered');
    this.count(enrolled, enrolled.step, 'entered');
  }

  refuse(journey: LiveJourney, profileId: string, reason: EntryRefusal, ref: string): void {
    this.refusals.push({ journeyId: journey.id, profileId, reason, ref });
    this.count({ journeyId: journey.id, version: journey.version ?? 0 }, '', `refused:${reason}`);
  }

  sent(enrolled: Enrolled, messageId: string): void {
    this.messages.push({ messageId, enrollmentId: enrolled.id, step: enrolled.step });
  }

  /** Keeps what a signal taught. */
  note(enrolled: Enrolled, data: JourneyData): void {
    enrolled.data = data;
    enrolled.changed = true;
  }

  move(enrolled: Enrolled, move: Exclude<Move, { kind: 'do' }>): void {
    enrolled.changed = true;
    const { id: enrollmentId, step, no } = enrolled;
    follow(enrolled, move, this.now);
    if (move.kind === 'stay') return;
    this.lines.push({
      enrollmentId,
      no,
      step,
      kind: enrolled.definition.steps[step]?.kind ?? 'gone',
      way: move.way,
      next: move.kind === 'go' ? move.next : null,
      detail: JSON.stringify(move.detail ?? {}),
    });
    this.count(enrolled, step, move.way);
    if (enrolled.outcome !== null) this.count(enrolled, '', `ended:${enrolled.outcome}`);
    else this.count(enrolled, enrolled.step, 'entered');
  }

  /** To another version, at the step that stands for its own: it is looked at there, and counted there from now on. */
  moveOver(enrolled: Enrolled, version: number, definition: JourneyDefinition, next: string): void {
    const { id: enrollmentId, step, no } = enrolled;
    const kind = enrolled.definition.steps[step]?.kind;
    const detail = JSON.stringify({ from: enrolled.version, to: version });
    this.lines.push({ enrollmentId, no, step, kind: kind ?? 'gone', way: 'migrated', next, detail });
    this.count(enrolled, step, 'migrated');
    this.count(enrolled, '', 'entered', -1);
    enrolled.version = version;
    enrolled.definition = definition;
    enrolled.no += 1;
    this.count(enrolled, '', 'entered');
    this.count(enrolled, next, 'entered');
    // At the same step the time that was waited counts.
    if (next !== step || kind !== definition.steps[next]?.kind || enrolled.state === 'parked') {
      enrolled.phase = 'arrived';
      enrolled.since = this.now;
    }
    enrolled.step = next;
    enrolled.dueAt = this.now;
    enrolled.tries = 0;
    if (enrolled.state === 'parked') Object.assign(enrolled, { state: 'inside', reason: null });
    enrolled.changed = true;
  }

  /** Stays where it is until the journey goes on. */
  held(enrolled: Enrolled): void {
    enrolled.state = 'held';
    enrolled.changed = true;
  }

  /** Comes again to where it is. */
  later(enrolled: Enrolled, at: Date): void {
    enrolled.dueAt = at < enrolled.leaveBy ? at : enrolled.leaveBy;
    enrolled.changed = true;
  }

  calling(enrolled: Enrolled, leaseMs: number): void {
    enrolled.phase = 'calling';
    enrolled.tries += 1;
    enrolled.dueAt = new Date(this.now.getTime() + leaseMs);
    enrolled.changed = true;
    this.calls.push({ enrollmentId: enrolled.id, no: enrolled.no, tries: enrolled.tries });
  }

  /** All of it. @throws Error when somebody else moved one of the rows, which takes everything back */
  async write(sql: Sql): Promise<void> {
    const w = this.workspaceId;
    const fresh = [...this.rows.values()].filter((row) => row.readNo === null);
    const changed = [...this.rows.values()].filter((row) => row.readNo !== null && row.changed);
    const all: Promise<unknown>[] = [];
    // Who has left makes room before they come in again.
    let moved: Promise<number> | undefined;
    if (changed.length > 0) {
      moved = sql.execute(MOVE, [
        w,
        changed.map((r) => r.id),
        changed.map((r) => r.readNo),
        ...STATE.map((c) => changed.map((r) => c.of(r, this.now))),
      ]);
      all.push(moved);
    }
    if (fresh.length > 0)
      all.push(
        sql.execute(ENTER, [
          w,
          fresh.map((r) => r.id),
          fresh.map((r) => r.journeyId),
          fresh.map((r) => r.version),
          fresh.map((r) => r.profileId),
          fresh.map((r) => r.key),
          fresh.map((r) => r.instance),
          fresh.map((r) => r.enteredAt),
          fresh.map((r) => r.leaveBy),
          ...STATE.map((c) => fresh.map((r) => c.of(r, this.now))),
        ]),
      );
    if (this.lines.length > 0)
      all.push(
        sql.execute(LINES, [
          w,
          this.lines.map((l) => l.enrollmentId),
          this.lines.map((l) => l.no),
          this.lines.map((l) => l.step),
          this.lines.map((l) => l.kind),
          this.lines.map((l) => l.way),
          this.lines.map((l) => l.next),
          this.lines.map((l) => l.detail),
          this.now,
        ]),
      );
    if (this.messages.length > 0)
      all.push(
        sql.execute(MESSAGES, [
          w,
          this.messages.map((m) => m.messageId),
          this.messages.map((m) => m.enrollmentId),
          this.messages.map((m) => m.step),
        ]),
      );
    if (this.refusals.length > 0)
      all.push(
        sql.execute(REFUSALS, [
          w,
          this.refusals.map((r) => r.journeyId),
          this.refusals.map((r) => r.profileId),
          this.refusals.map((r) => r.reason),
          this.refusals.map((r) => r.ref),
        ]),
      );
    if (this.counts.size > 0 && !(bug('journey-counts-apart') && fresh.length === 0)) {
      // Last: these rows are everybody's, and held to the end.
      const parts = [...this.counts].map(
        ([key, count]) => [...(JSON.parse(key) as [string, number, string, string]), count] as const,
      );
      all.push(
        sql.execute(COUNTS, [
          w,
          parts.map(([journeyId]) => journeyId),
          parts.map(([, version]) => version),
          parts.map(([, , step]) => step),
          parts.map(([, , , way]) => way),
          parts.map(([, , , , count]) => count),
        ]),
      );
    }
    await Promise.all(all);
    if (moved && (await moved) !== changed.length)
      throw new Error('somebody else moved one of these enrollments');
  }

  private count(
    { journeyId, version }: { journeyId: string; version: number },
    step: string,
    way: string,
    more = 1,
  ): void {
    const key = JSON.stringify([journeyId, version, step, way]);
    this.counts.set(key, (this.counts.get(key) ?? 0) + more);
  }
}

/** What moves: one list for writing a new row and a changed one. */
const STATE: { name: string; type: string; as?: string; of: (row: Enrolled, now: Date) => unknown }[] = [
  { name: 'state', type: 'text', of: (r) => r.state },
  { name: 'step', type: 'text', of: (r) => r.step },
  { name: 'phase', type: 'text', of: (r) => r.phase },
  { name: 'no', type: 'int', of: (r) => r.no },
  { name: 'tries', type: 'int', of: (r) => r.tries },
  { name: 'since', type: 'timestamptz', of: (r) => r.since },
  { name: 'step_due_at', type: 'timestamptz', of: (r) => r.dueAt },
  { name: 'due_at', type: 'timestamptz', of: (r) => (r.state === 'inside' ? r.dueAt : null) },
  { name: 'data', type: 'text', as: '::jsonb', of: (r) => JSON.stringify(r.data) },
  { name: 'outcome', type: 'text', of: (r) => r.outcome },
  { name: 'reason', type: 'text', of: (r) => r.reason },
  { name: 'ended_at', type: 'timestamptz', of: (r, now) => (r.state === 'ended' ? now : null) },
];
const types = (from: number): string => STATE.map(({ type }, i) => `$${from + i}::${type}[]`).join(', ');

const ENTER = kept(
  'enrollments-enter',
  `INSERT INTO enrollments (workspace_id, id, journey_id, version, profile_id, key, instance, entered_at, leave_by, ${STATE.map((c) => c.name).join(', ')})
           SELECT $1, u.id, u.journey_id, u.version, u.profile_id, u.key, u.instance, u.entered_at, u.leave_by, ${STATE.map((c) => `u.${c.name}${c.as ?? ''}`).join(', ')}
             FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[], $9::timestamptz[], ${types(10)})
               AS u(id, journey_id, version, profile_id, key, instance, entered_at, leave_by, ${STATE.map((c) => c.name).join(', ')})`,
);
const MOVE = kept(
  'enrollments-move',
  `UPDATE enrollments e SET ${STATE.map((c) => `${c.name} = u.${c.name}${c.as ?? ''}`).join(', ')}
           FROM unnest($2::uuid[], $3::int[], ${types(4)}) AS u(id, read_no, ${STATE.map((c) => c.name).join(', ')})
          WHERE e.workspace_id = $1 AND e.id = u.id AND e.no = u.read_no`,
);
const LINES = kept(
  'enrollment-lines',
  `INSERT INTO enrollment_steps (workspace_id, enrollment_id, no, step, kind, way, next, detail, at)
           SELECT $1, enrollment_id, no, step, kind, way, next, detail::jsonb, $9
             FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) AS u(enrollment_id, no, step, kind, way, next, detail)`,
);
const MESSAGES = kept(
  'enrollment-messages',
  `INSERT INTO enrollment_messages (workspace_id, message_id, enrollment_id, step)
           SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[]) ON CONFLICT DO NOTHING`,
);
const REFUSALS = kept(
  'journey-refusals',
  `INSERT INTO journey_refusals (workspace_id, journey_id, profile_id, reason, ref)
           SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[])`,
);
const COUNTS = kept(
  'journey-counts',
  'SELECT count_ways($1, $2::uuid[], $3::int[], $4::text[], $5::text[], $6::bigint[])',
);
const JOURNEYS = kept(
  'journeys-held',
  `SELECT id, key, state, version, while_paused AS "whilePaused", listens FROM journeys
      WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR SHARE`,
);

/** Held to the end: pausing waits for whoever is moving its people, and who comes later sees that it is paused. */
export async function journeysOf(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
): Promise<Map<string, LiveJourney>> {
  const rows = await sql.query<LiveJourney>(JOURNEYS, [workspaceId, ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Comes before everybody's id. */
export const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Why people stand still whose version is written in words that this installation does not know. */
export const UNREADABLE =
  'Its version was written by a newer Carillon: update this one and try again, or move people to another version.';
const UNREAD = JourneyDefinition.parse({
  entry: { kind: 'api' },
  start: 'gone',
  steps: { gone: { kind: 'end' } },
});

/** Definitions of versions. They never change, so that a process reads each once. */
export class Versions {
  /** Null: it cannot be read. */
  private readonly known = new Map<string, JourneyDefinition | null>();

  async load(
    sql: Sql,
    workspaceId: string,
    wanted: readonly { journeyId: string; version: number }[],
  ): Promise<void> {
    const missing = new Map(
      wanted
        .filter(({ journeyId, version }) => !this.known.has(`${journeyId} ${version}`))
        .map((one) => [`${one.journeyId} ${one.version}`, one]),
    );
    if (missing.size === 0) return;
    const rows = await sql.query<{ journeyId: string; version: number; definition: unknown }>(
      `SELECT v.journey_id AS "journeyId", v.version, v.definition FROM journey_versions v
         JOIN unnest($2::uuid[], $3::int[]) AS u(journey_id, version) ON u.journey_id = v.journey_id AND u.version = v.version
        WHERE v.workspace_id = $1`,
      [
        workspaceId,
        [...missing.values()].map((m) => m.journeyId),
        [...missing.values()].map((m) => m.version),
      ],
    );
    if (this.known.size > 5000) this.known.clear();
    for (const row of rows)
      this.known.set(
        `${row.journeyId} ${row.version}`,
        JourneyDefinition.safeParse(row.definition).data ?? null,
      );
  }

  reads(journeyId: string, version: number): boolean {
    return this.known.get(`${journeyId} ${version}`) !== null;
  }

  of(journeyId: string, version: number): JourneyDefinition {
    const definition = this.known.get(`${journeyId} ${version}`);
    if (!definition) throw new Error('a version of a journey is gone while people are inside');
    return definition;
  }
}
