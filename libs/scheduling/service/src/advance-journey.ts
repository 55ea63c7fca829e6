/**
 * Moves people in journeys as far as they go now: step by step until each of them waits, ends, or is held. All of them
 * together: what a round needs to know is read in one statement, what it has to do is done as a list. Everything within the
 * transaction that holds their rows, so that a crash repeats all of it or nothing.
 */
import { compileRules } from '@carillon/audience-rules';
import {
  audienceByKey,
  audiencesOf,
  changeList,
  recordEvents,
  scopeOf,
  upsertProfiles,
} from '@carillon/audience-service';
import { SendMessage, type Leaf, type ProfileUpsert, type QuietHours } from '@carillon/contracts';
import { kept, newId, type Sql } from '@carillon/database';
import { quietEnds, whereIs } from '@carillon/delivery-rules';
import type { Acceptance } from '@carillon/delivery-service';
import {
  afterEffect,
  durationMs,
  factsWanted,
  journeyMessage,
  journeyStep,
  newVisit,
  type Done,
  type Effect,
  type Facts,
} from '@carillon/scheduling-rules';
import { createHash } from 'node:crypto';
import type { CallRoom } from './call-room.js';
import type { Enrolled, Work } from './journey-work.js';

/** Of one person in one go. Rings have a wait in them, so this is a matter of long chains. */
const MOST_ROUNDS = 60;
/** Beyond its time limit, before a call counts as lost. */
const CALL_SLACK_MS = 20_000;

/** What is read of a person. */
interface Known {
  externalId: string;
  zone: string | null;
  timezone: string | null;
  phone: string | null;
  attributes: Record<string, unknown>;
}

export interface Means {
  acceptance: Pick<Acceptance, 'acceptWithin'>;
  calls: CallRoom;
  clocks(sql: Sql, workspaceId: string): Promise<WorkspaceClocks & { known: ReadonlySet<string> }>;
}
/** What a workspace says about clocks. With `known`, the names that are zones. */
export interface WorkspaceClocks {
  zone: string;
  /** Null: it has set none, and `zone` is UTC. */
  workspaceZone: string | null;
  quietHours: readonly QuietHours[];
}

/** @param most steps that each of them may take: whoever failed goes one by one, so that it is known at which */
export async function advance(sql: Sql, work: Work, means: Means, most = MOST_ROUNDS): Promise<void> {
  const { workspaceId, now } = work;
  const people = new Map<string, Known>();
  const { zone: ownZone, known: zoneNames, workspaceZone, quietHours } = await means.clocks(sql, workspaceId);
  for (let round = 0; round < most; round++) {
    const due = [...work.rows.values()].filter(
      (row) => row.state === 'inside' && row.dueAt !== null && row.dueAt <= now,
    );
    const open = due.filter((row) => !stands(row, work));
    if (open.length === 0) return;
    await learn(sql, workspaceId, open, people);
    const holds = await whatHolds(sql, work, open);
    const effects: { row: Enrolled; effect: Effect }[] = [];
    for (const row of open) {
      const person = people.get(row.profileId);
      if (!person) {
        // The profile was deleted between our reading of rows and this one: its rows go with it.
        row.dueAt = null;
        continue;
      }
      const own = person.zone !== null && zoneNames.has(person.zone) ? person.zone : ownZone;
      const facts: Facts = {
        zone: row.definition.zone === 'person' ? own : row.definition.zone,
        attributes: person.attributes,
        holds: (leaf) => holds(row.profileId, leaf),
        quietEnds: (channel, at) => {
          const where = whereIs({ timezone: person.timezone, phone: person.phone }, workspaceZone);
          const ends = quietEnds(quietHours, channel, where.candidates, at.getTime());
          return ends === null ? null : new Date(ends);
        },
      };
      const move = journeyStep(row.definition, row, facts, now);
      if (move.kind === 'do') effects.push({ row, effect: move.effect });
      else work.move(row, move);
    }
    await perform(sql, work, means, effects, people);
  }
}

/** Whether its journey keeps it from moving: paused, or stopped, which is the end. */
function stands(row: Enrolled, work: Work): boolean {
  const { state, whilePaused, key } = row.journey;
  if (row.removed) return false;
  if (state === 'stopped' || (state === 'paused' && whilePaused === 'discard')) {
    const outcome = state === 'stopped' ? 'stopped' : 'discarded';
    work.move(row, { kind: 'end', way: outcome, outcome, reason: `journey ${key} was ${state}` });
    return true;
  }
  if (state !== 'paused') return false;
  work.held(row);
  return true;
}

const PEOPLE = kept(
  'people-in-journeys',
  `SELECT id, external_id AS "externalId", coalesce(timezone, phone_zone) AS zone, timezone, phone, attributes FROM profiles
    WHERE workspace_id = $1 AND id = ANY($2::uuid[])`,
);
async function learn(
  sql: Sql,
  workspaceId: string,
  rows: readonly Enrolled[],
  people: Map<string, Known>,
): Promise<void> {
  const missing = [...new Set(rows.map((row) => row.profileId))].filter((id) => !people.has(id));
  if (missing.length === 0) return;
  const found = await sql.query<Known & { id: string }>(PEOPLE, [workspaceId, missing]);
  for (const { id, ...known } of found) people.set(id, known);
}

/** Every clause about people that somebody stands before, over all of them, in one statement. */
async function whatHolds(
  sql: Sql,
  { workspaceId }: Work,
  rows: readonly Enrolled[],
): Promise<(profileId: string, leaf: Leaf) => boolean> {
  const asked = new Map<string, Leaf>();
  const about = new Set<string>();
  for (const row of rows)
    for (const leaf of factsWanted(row.definition, row)) {
      asked.set(JSON.stringify(leaf), leaf);
      about.add(row.profileId);
    }
  if (asked.size === 0) return () => false;
  const scope = await scopeOf(sql, workspaceId, await audiencesOf(sql, workspaceId));
  const { text, params } = compileRules([...asked.values()], { ...scope, profileIds: [...about] });
  const found = await sql.query<{ profile_id: string; holds: number[] }>(text, params);
  const names = [...asked.keys()];
  const holding = new Map(
    found.map((row) => [row.profile_id, new Set(row.holds.map((place) => names[place]))]),
  );
  return (profileId, leaf) => holding.get(profileId)?.has(JSON.stringify(leaf)) ?? false;
}

/** Does what steps ask for, kind by kind, and moves their people on by what came of it. */
async function perform(
  sql: Sql,
  work: Work,
  means: Means,
  effects: readonly { row: Enrolled; effect: Effect }[],
  people: Map<string, Known>,
): Promise<void> {
  if (effects.length === 0) return;
  const { workspaceId, now } = work;
  const of = <K extends Effect['kind']>(kind: K) =>
    effects.filter(
      (e): e is { row: Enrolled; effect: Extract<Effect, { kind: K }> } => e.effect.kind === kind,
    );
  const done = (row: Enrolled, what: Done): void => {
    const move = afterEffect(row.definition, row, what);
    if (move.kind !== 'do') work.move(row, move);
  };
  /** The same word for the same step of the same enrollment, whoever does it again. */
  const once = (row: Enrolled): string => `journey ${row.id} ${row.no}`;
  const nameOf = (row: Enrolled): string => people.get(row.profileId)!.externalId;

  const sends = of('send');
  if (sends.length > 0) {
    const { results, committed, givenUp } = await means.acceptance.acceptWithin(
      sql,
      workspaceId,
      sends.map(({ row, effect }) => ({
        message: SendMessage.parse(
          journeyMessage(row, effect.step, nameOf(row), row.definition.priority, {
            journey: row.journey.key,
            enrollment: row.id,
          }),
        ),
        idempotencyKey: once(row),
        source: { kind: 'journey' as const, id: row.journey.key },
      })),
    );
    work.committed.push(committed);
    work.givenUp.push(givenUp);
    results.forEach((result, n) => {
      const { row } = sends[n]!;
      if (!result.ok) {
        const [first] = result.errors;
        const reason = first ? `${first.pointer}: ${first.message}` : result.detail;
        return done(row, { ok: false, reason: reason.slice(0, 500) });
      }
      work.sent(row, result.message.id);
      done(row, { ok: true, detail: { messageId: result.message.id } });
    });
  }

  const updates = of('update');
  if (updates.length > 0) {
    const results = await upsertProfiles(
      sql,
      workspaceId,
      updates.map(({ row, effect }) => ({
        externalId: nameOf(row),
        attributes: effect.attributes as ProfileUpsert['attributes'],
      })),
    );
    const names = updates.map(({ row }) => row.profileId);
    results.forEach((result, n) => {
      const { row } = updates[n]!;
      if (result.outcome === 'failed')
        done(row, { ok: false, reason: result.errors[0]?.message ?? 'the profile could not be changed' });
      else done(row, { ok: true });
    });
    // Read anew by the next step that asks.
    for (const id of names) people.delete(id);
  }

  const emits = of('emit');
  if (emits.length > 0) {
    const results = await recordEvents(
      sql,
      workspaceId,
      emits.map(({ row, effect }) => ({
        profile: nameOf(row),
        name: effect.event,
        properties: effect.properties,
        key: once(row),
      })),
      now,
    );
    results.forEach((result, n) => {
      const { row } = emits[n]!;
      if (result.outcome === 'failed')
        done(row, { ok: false, reason: result.errors[0]?.message ?? 'the event was refused' });
      else done(row, { ok: true, detail: { eventId: result.id } });
    });
  }

  const lists = of('list');
  for (const key of new Set(lists.map(({ effect }) => effect.audience)).values()) {
    const mine = lists.filter(({ effect }) => effect.audience === key);
    const audience = await audienceByKey(sql, workspaceId, key);
    const there = audience?.kind === 'list' && audience.archivedAt === null;
    const ids = (change: 'join' | 'leave') =>
      mine.filter(({ effect }) => effect.change === change).map(({ row }) => row.profileId);
    if (there) await changeList(sql, workspaceId, audience.id, { join: ids('join'), leave: ids('leave') });
    for (const { row } of mine)
      done(row, there ? { ok: true } : { ok: false, reason: `There is no list “${key}”.` });
  }

  const starts = of('start');
  if (starts.length > 0) {
    const keys = [...new Set(starts.map(({ effect }) => effect.journey))];
    const found = await sql.query<{ id: string; key: string }>(
      `SELECT id, key FROM journeys WHERE workspace_id = $1 AND key = ANY($2) AND state IN ('live', 'paused')`,
      [workspaceId, keys],
    );
    const idOf = new Map(found.map(({ id, key }) => [key, id]));
    const going = starts.filter(({ effect }) => idOf.has(effect.journey));
    if (going.length > 0)
      await sql.execute(
        `INSERT INTO journey_signals (workspace_id, profile_id, journey_id, kind, name, ref, payload)
         SELECT $1, profile_id, journey_id, 'enter', '', ref, payload::jsonb FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[]) AS u(profile_id, journey_id, ref, payload)`,
        [
          workspaceId,
          going.map(({ row }) => row.profileId),
          going.map(({ effect }) => idOf.get(effect.journey)!),
          going.map(({ row }) => `${row.id}:${row.no}`),
          going.map(({ effect }) => JSON.stringify(effect.data)),
        ],
      );
    for (const { row, effect } of starts)
      done(
        row,
        idOf.has(effect.journey)
          ? { ok: true }
          : { ok: false, reason: `Journey “${effect.journey}” is not there, or nobody can enter it.` },
      );
  }

  const throttles = of('throttle').map((t) => ({
    ...t,
    // What is counted by may say who somebody is: only its hash is kept.
    key: createHash('sha256').update(`${workspaceId}:${t.effect.key}`).digest('base64url').slice(0, 32),
  }));
  // In one order, like everybody who counts.
  throttles.sort((a, b) => (`${a.row.step}${a.key}` < `${b.row.step}${b.key}` ? -1 : 1));
  for (const { row, effect, key } of throttles) {
    const passed = await sql.execute(
      `INSERT INTO journey_passes AS p (workspace_id, journey_id, step, key, passed, kept_until)
       VALUES ($1, $2, $3, $4, ARRAY[$5::timestamptz], $5::timestamptz + $6::float8 * interval '1 millisecond')
       ON CONFLICT (workspace_id, journey_id, step, key) DO UPDATE SET
         passed = ARRAY(SELECT t FROM unnest(p.passed) t WHERE t > $5::timestamptz - $6::float8 * interval '1 millisecond') || $5::timestamptz,
         kept_until = EXCLUDED.kept_until
       WHERE (SELECT count(*) FROM unnest(p.passed) t WHERE t > $5::timestamptz - $6::float8 * interval '1 millisecond') < $7`,
      [workspaceId, row.journeyId, row.step, key, now, effect.perMs, effect.most],
    );
    done(row, { ok: true, passed: passed > 0 });
  }

  for (const { row, effect } of of('call')) {
    const later = means.calls.take(now);
    if (later) work.later(row, later);
    else {
      work.givenUp.push(() => means.calls.giveBack());
      // It may wait for the turn of another that takes its whole time.
      work.calling(row, 2 * durationMs(effect.step.timeout) + CALL_SLACK_MS);
    }
  }
}

/** Somebody who enters. */
export const entering = (
  journey: Enrolled['journey'],
  definition: Enrolled['definition'],
  profileId: string,
  { key, instance, data, now }: { key: string; instance: string; data: Enrolled['data']; now: Date },
): Enrolled => ({
  ...newVisit(definition, { journeyId: journey.id, profileId, key, data }, now),
  id: newId(),
  journey,
  version: journey.version!,
  definition,
  instance,
  enteredAt: now,
  readNo: null,
  changed: true,
});
