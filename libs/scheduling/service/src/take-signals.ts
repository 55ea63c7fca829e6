/**
 * What happened to people, taken in the order in which it was written: it wakes those inside who wait for it, has others
 * leave, and lets newcomers in, in the transaction that deletes it. One at a time per workspace: entries are counted, and
 * what happens to a person is seen in order.
 */
import { amongWriters } from '@carillon/audience-service';
import { bug } from '@carillon/config';
import { kept, newId, type Sql } from '@carillon/database';
import {
  durationMs,
  entryOf,
  journeySignal,
  mayEnter,
  type Before,
  type Signal,
} from '@carillon/scheduling-rules';
import { advance, entering, type Means } from './advance-journey.js';
import { holding, Work, type Enrolled, type LiveJourney, type Versions } from './journey-work.js';

/** Signals per transaction. */
export const SIGNALS = 1000;
/** First key of the advisory lock of one workspace's signals. */
export const SIGNALS_LOCK = 72707374;

interface SignalRow {
  id: number;
  profileId: string;
  journeyId: string | null;
  kind: Signal['kind'];
  name: string;
  ref: string;
  payload: Record<string, unknown>;
  at: Date;
}

/**
 * @param begun is told of what is done, before anything is
 * @param only one signal, where one of many spoils it for the others
 * @returns null where somebody else is at it
 */
export async function takeSignals(
  sql: Sql,
  workspaceId: string,
  versions: Versions,
  means: Means,
  begun: (work: Work) => Work,
  only?: number,
): Promise<{ taken: number } | null> {
  // Before any row is locked: see stale.ts.
  const [, [lock]] = await Promise.all([
    amongWriters(sql, workspaceId),
    sql.query<{ mine: boolean; now: Date }>(LOCK, [SIGNALS_LOCK, workspaceId]),
  ]);
  if (!lock?.mine) return null;
  const [told, journeys] = await Promise.all([
    sql.query<SignalRow>(SIGNALS_IN_ORDER, [workspaceId, only ?? null]),
    // Those that may let people in, or have some inside; held to the end, as in `journeysOf`.
    sql.query<LiveJourney>(LISTENING, [workspaceId]),
  ]);
  const rows = bug('journey-signal-lost') ? told.filter(({ id }) => Number(id) % 4 > 0) : told;
  const work = begun(new Work(workspaceId, lock.now, versions));
  if (told.length === 0) return { taken: 0 };

  await versions.load(
    sql,
    workspaceId,
    journeys.flatMap(({ id, version }) => (version === null ? [] : [{ journeyId: id, version }])),
  );
  // What this installation cannot read lets nobody in: what happens meanwhile is kept for it.
  const unread = journeys.filter((j) => j.version !== null && !versions.reads(j.id, j.version));
  const held = new Set<SignalRow>();
  const people = [...new Set(rows.map((row) => row.profileId))];
  const memory = new Memory(work, versions);
  // In one breath.
  const [, , { zone, zonesOf }] = await Promise.all([
    work.hold(sql, INSIDE, [people], journeys),
    memory.load(sql, people, journeys),
    zonesOfPeople(sql, work, means, people, journeys, versions),
  ]);
  const inside = new Map<string, Enrolled[]>();
  for (const row of work.rows.values()) listOf(inside, row.profileId).push(row);
  for (const row of rows) {
    const signal = signalOf(row);
    const whose = (journey: LiveJourney, own: string) =>
      own === 'person' ? (zonesOf.get(row.profileId) ?? zone) : own;
    for (const enrolled of inside.get(row.profileId) ?? []) {
      if (enrolled.state !== 'inside' && enrolled.state !== 'held') continue;
      if (row.journeyId !== null && row.journeyId !== enrolled.journeyId) continue;
      // What became of a message is its own enrollment's affair.
      if (row.kind === 'message' && row.ref !== enrolled.id) continue;
      if (row.kind === 'enter') continue;
      const { state, whilePaused } = enrolled.journey;
      if (state === 'stopped') continue;
      const own = whose(enrolled.journey, enrolled.definition.zone);
      const move = journeySignal(enrolled.definition, enrolled, signal, own, work.now);
      if (!move) continue;
      if (state === 'paused') {
        if (whilePaused === 'hold') held.add({ ...row, journeyId: enrolled.journeyId });
        continue;
      }
      if (move.kind === 'note') work.note(enrolled, move.data);
      else if (move.kind !== 'do') work.move(enrolled, move);
    }
    for (const journey of unread)
      if (journey.state !== 'stopped' && mayConcern(journey, row))
        held.add({ ...row, journeyId: journey.id });
    for (const journey of journeys) {
      if (unread.includes(journey)) continue;
      if (journey.version === null || (journey.state !== 'live' && journey.state !== 'paused')) continue;
      if (row.journeyId !== null && row.journeyId !== journey.id) continue;
      if (row.kind === 'message') continue;
      const definition = versions.of(journey.id, journey.version);
      const entry = entryOf(definition, signal, whose(journey, definition.zone), work.now);
      if (!entry) continue;
      if (journey.state === 'paused') {
        if (journey.whilePaused === 'hold') held.add({ ...row, journeyId: journey.id });
        else work.refuse(journey, row.profileId, 'paused', row.ref);
        continue;
      }
      // A digest that is gathering has taken it already: it stays one visit.
      const gathering = (inside.get(row.profileId) ?? []).some(
        (e) => e.journeyId === journey.id && e.key === entry.key && e.state === 'inside' && isDigest(e),
      );
      if (gathering) continue;
      const why = mayEnter(
        definition,
        memory.before(journey, entry.key, inside.get(row.profileId) ?? [], row.profileId),
        memory.entered(journey),
        work.now,
      );
      if (why) {
        work.refuse(journey, row.profileId, why, row.ref);
        continue;
      }
      const always = definition.reentry.kind === 'always';
      const enrolled = entering(journey, definition, row.profileId, {
        key: entry.key,
        instance: always ? `${entry.key} ${row.id}` : entry.key,
        data: { event: eventOf(signal), vars: {} },
        now: work.now,
      });
      work.enter(enrolled);
      memory.enters(enrolled);
      listOf(inside, row.profileId).push(enrolled);
    }
  }
  // By itself it is taken alone, and what follows from it is the clock's: whose fault it is shows there.
  if (only === undefined) await advance(sql, work, means);
  const again = [...new Map([...held].map((row) => [`${row.id} ${row.journeyId}`, row])).values()];
  await Promise.all([
    again.length === 0
      ? null
      : sql.execute(
          `INSERT INTO journey_signals (workspace_id, profile_id, journey_id, kind, name, ref, payload, held, at)
           SELECT $1, u.profile_id, u.journey_id, s.kind, s.name, s.ref, s.payload, true, s.at
             FROM unnest($2::bigint[], $3::uuid[], $4::uuid[]) WITH ORDINALITY AS u(id, profile_id, journey_id, place)
             JOIN journey_signals s ON s.workspace_id = $1 AND s.id = u.id ORDER BY u.place`,
          [
            workspaceId,
            again.map((row) => row.id),
            again.map((row) => row.profileId),
            again.map((row) => row.journeyId),
          ],
        ),
    sql.execute(TAKEN, [workspaceId, told.map((row) => row.id)]),
    work.write(sql),
  ]);
  return { taken: told.length };
}

const LOCK = kept(
  'journey-signals-lock',
  'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS mine, clock_timestamp() AS now',
);
const SIGNALS_IN_ORDER = kept(
  'journey-signals',
  `SELECT id, profile_id AS "profileId", journey_id AS "journeyId", kind, name, ref, payload, at FROM journey_signals
    WHERE workspace_id = $1 AND NOT held AND ($2::bigint IS NULL OR id = $2) ORDER BY id LIMIT ${SIGNALS} FOR UPDATE`,
);
const TAKEN = kept(
  'journey-signals-taken',
  'DELETE FROM journey_signals WHERE workspace_id = $1 AND id = ANY($2::bigint[])',
);
const LISTENING = kept(
  'journeys-listening',
  `SELECT id, key, state, version, while_paused AS "whilePaused", listens FROM journeys
    WHERE workspace_id = $1 AND state IN ('live', 'paused') ORDER BY id FOR SHARE`,
);
const INSIDE = holding(
  'inside',
  `AND e.profile_id = ANY($2::uuid[]) AND e.state IN ('inside', 'held') ORDER BY e.id FOR UPDATE`,
);
const BEFORE = kept(
  'enrollments-before',
  `SELECT e.profile_id AS "profileId", e.journey_id AS "journeyId", e.key, max(e.entered_at) AS "enteredAt",
          CASE WHEN bool_or(e.state <> 'ended') THEN NULL ELSE max(e.ended_at) END AS "endedAt"
     FROM enrollments e WHERE e.workspace_id = $1 AND e.profile_id = ANY($2::uuid[]) AND e.journey_id = ANY($3::uuid[])
    GROUP BY 1, 2, 3`,
);
const ZONES = kept(
  'zones-of-people',
  `SELECT id, coalesce(timezone, phone_zone) AS zone FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[])`,
);

/** Who was in which journey last, and how many entered: what rules of entry ask. */
class Memory {
  private readonly last = new Map<string, Before>();
  private readonly counts = new Map<string, number>();

  constructor(
    private readonly work: Work,
    private readonly versions: Versions,
  ) {}

  async load(sql: Sql, people: readonly string[], journeys: readonly LiveJourney[]): Promise<void> {
    const { workspaceId, now } = this.work;
    const mayLet = journeys.filter(
      (j) => j.state === 'live' && j.version !== null && this.versions.reads(j.id, j.version),
    );
    if (mayLet.length === 0) return;
    const before = await sql.query<Before & { profileId: string; journeyId: string; key: string }>(BEFORE, [
      workspaceId,
      people,
      mayLet.map((j) => j.id),
    ]);
    for (const { profileId, journeyId, key, ...rest } of before)
      this.last.set(`${journeyId} ${profileId} ${key}`, rest);
    for (const journey of mayLet) {
      const { cap } = this.versions.of(journey.id, journey.version!);
      if (!cap) continue;
      // In all: as it was counted. Within a time: ids rise with it, so that only those are looked at.
      const since = cap.per === undefined ? null : new Date(now.getTime() - durationMs(cap.per));
      const [row] = await sql.query<{ count: number }>(
        since
          ? `SELECT count(*)::float8 AS count FROM enrollments WHERE workspace_id = $1 AND journey_id = $2 AND id >= $3 AND entered_at > $4`
          : `SELECT coalesce(sum(count), 0)::float8 AS count FROM journey_counts WHERE workspace_id = $1 AND journey_id = $2 AND step = '' AND way = 'entered'`,
        [
          workspaceId,
          journey.id,
          ...(since ? [`${newId(since).slice(0, 13)}-0000-0000-000000000000`, since] : []),
        ],
      );
      this.counts.set(journey.id, row?.count ?? 0);
    }
  }

  /** Whether they are inside is read from the row, which may have moved in this transaction. */
  before(journey: LiveJourney, key: string, inside: readonly Enrolled[], profileId: string): Before | null {
    const known = this.last.get(`${journey.id} ${profileId} ${key}`) ?? null;
    if (!known) return null;
    const mine = inside.filter((row) => row.journeyId === journey.id && row.key === key);
    if (mine.length === 0) return known;
    return {
      enteredAt: known.enteredAt,
      endedAt: mine.some((row) => row.state !== 'ended') ? null : this.work.now,
    };
  }
  entered(journey: LiveJourney): number {
    return this.counts.get(journey.id) ?? 0;
  }
  enters({ journeyId, profileId, key, enteredAt }: Enrolled): void {
    this.last.set(`${journeyId} ${profileId} ${key}`, { enteredAt, endedAt: null });
    this.counts.set(journeyId, (this.counts.get(journeyId) ?? 0) + 1);
  }
}

/** Whose clock is read where an event is judged: asked only where a journey reads the person's. */
async function zonesOfPeople(
  sql: Sql,
  { workspaceId }: Work,
  means: Means,
  people: readonly string[],
  journeys: readonly LiveJourney[],
  versions: Versions,
): Promise<{ zone: string; zonesOf: Map<string, string> }> {
  const { zone, known } = await means.clocks(sql, workspaceId);
  const asked = journeys.some(
    (j) =>
      j.version !== null &&
      versions.reads(j.id, j.version) &&
      JSON.stringify(versions.of(j.id, j.version).entry).includes('"where"'),
  );
  if (!asked) return { zone, zonesOf: new Map() };
  const found = await sql.query<{ id: string; zone: string | null }>(ZONES, [workspaceId, people]);
  return {
    zone,
    zonesOf: new Map(found.flatMap((p) => (p.zone !== null && known.has(p.zone) ? [[p.id, p.zone]] : []))),
  };
}

/** As far as what it listens for tells. */
const mayConcern = ({ id, listens }: LiveJourney, { journeyId, kind, name }: SignalRow): boolean =>
  journeyId === null ? listens.includes(`${kind}:${name}`) : journeyId === id && kind === 'enter';

const isDigest = (e: Enrolled): boolean => e.definition.steps[e.step]?.kind === 'digest';

function signalOf({ kind, name, ref, payload, at }: SignalRow): Signal {
  switch (kind) {
    case 'event':
      return { kind, at, ref, name, properties: payload };
    case 'audience':
      return { kind, at, ref, name, change: payload['change'] === 'leave' ? 'leave' : 'enter' };
    case 'message':
      return {
        kind,
        at,
        ref,
        outcome: name,
        step: String(payload['step']),
        channel: String(payload['channel']),
        messageId: String(payload['messageId']),
      };
    case 'enter':
      return { kind, at, ref, data: payload };
  }
}
const eventOf = (signal: Signal): Record<string, unknown> =>
  signal.kind === 'event' ? signal.properties : signal.kind === 'enter' ? signal.data : {};

function listOf<V>(map: Map<string, V[]>, key: string): V[] {
  let list = map.get(key);
  if (!list) map.set(key, (list = []));
  return list;
}
