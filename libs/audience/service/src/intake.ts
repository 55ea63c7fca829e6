/**
 * Events come in: judged, put into one transaction with what follows from them (people who are new, their activity,
 * memberships to look at again), and answered after its commit. Events that arrive together share it.
 */
import { judgeEventTime } from '@carillon/audience-rules';
import { config } from '@carillon/config';
import { MOST_EVENT_BYTES, type IdentityKey, type ProblemError, type TrackEvent } from '@carillon/contracts';
import { Database, GroupCommit, isMissingPartition, newId, type Sql } from '@carillon/database';
import { Inject, Injectable } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { ensureEventMonths } from './event-months.js';
import { idsByExternalId, idsByIdentity, identityText } from './find-profiles.js';
import { amongWriters, markStale, type Change } from './stale.js';
import { upsertProfiles } from './upsert-profiles.js';

export type EventResult =
  | { outcome: 'accepted' | 'duplicate'; id: string; profileId: string; at: Date }
  | { outcome: 'failed'; errors: ProblemError[] };

/** A judged event. */
interface Judged {
  event: TrackEvent;
  at: Date;
  /** Its properties as JSON. */
  properties: string;
}
interface Fresh {
  id: string;
  profileId: string;
  at: Date;
  name: string;
  properties: string;
}

@Injectable()
export class Intake {
  private readonly groups = new Map<string, GroupCommit<TrackEvent, EventResult>>();

  constructor(@Inject(Database) private readonly database: Database) {}

  /** Takes one event. Resolves after the commit. */
  take(workspaceId: string, event: TrackEvent): Promise<EventResult> {
    let group = this.groups.get(workspaceId);
    if (!group) {
      group = new GroupCommit((events) => this.takeAll(workspaceId, events));
      this.groups.set(workspaceId, group);
    }
    return group.add(event);
  }

  /** Takes many in one transaction, each judged by itself, in the order given. */
  async takeAll(workspaceId: string, events: readonly TrackEvent[]): Promise<EventResult[]> {
    const now = new Date();
    const keepDays = config().limits.eventRetentionDays;
    const verdicts = events.map((event) => judge(event, now, keepDays));
    const good = verdicts.filter((verdict) => 'event' in verdict);
    if (good.length === 0) return verdicts as EventResult[];
    const store = () =>
      this.database.inWorkspace(workspaceId, (sql) => storeEvents(sql, workspaceId, good, now));
    let stored: EventResult[];
    try {
      stored = await store();
    } catch (error) {
      if (!isMissingPartition(error)) throw error;
      await ensureEventMonths(
        this.database,
        good.map(({ at }) => at),
      );
      stored = await store();
    }
    let next = 0;
    return verdicts.map((verdict) => ('event' in verdict ? stored[next++]! : verdict));
  }
}

/**
 * What a journey records of its people, in the journey's own transaction, among writers: the same judgement, the same rows.
 * @returns one result per event, in the order given
 */
export async function recordEvents(
  sql: Sql,
  workspaceId: string,
  events: readonly TrackEvent[],
  now: Date,
): Promise<EventResult[]> {
  const verdicts = events.map((event) => judge(event, now, config().limits.eventRetentionDays));
  const good = verdicts.filter((verdict) => 'event' in verdict);
  if (good.length === 0) return verdicts as EventResult[];
  const stored = await storeEvents(sql, workspaceId, good, now);
  let next = 0;
  return verdicts.map((verdict) => ('event' in verdict ? stored[next++]! : verdict));
}

function judge(event: TrackEvent, now: Date, keepDays: number): Judged | EventResult {
  const errors: ProblemError[] = [];
  const time = judgeEventTime(event.at === undefined ? undefined : new Date(event.at), now, keepDays);
  if (!time.ok) errors.push({ pointer: '/at', code: time.code, message: time.sentence });
  const properties = JSON.stringify(event.properties ?? {});
  if (properties.length > MOST_EVENT_BYTES / 4 && Buffer.byteLength(properties) > MOST_EVENT_BYTES)
    errors.push({
      pointer: '/properties',
      code: 'too_large',
      message: `These are more than ${MOST_EVENT_BYTES / 1024} KiB: keep large content elsewhere, and its address here.`,
    });
  return time.ok && errors.length === 0 ? { event, at: time.at, properties } : { outcome: 'failed', errors };
}

/** @returns one result per event, in the order given */
async function storeEvents(
  sql: Sql,
  workspaceId: string,
  judged: readonly Judged[],
  now: Date,
): Promise<EventResult[]> {
  await amongWriters(sql, workspaceId);
  const people = await whoDid(sql, workspaceId, judged);
  const results: (EventResult | undefined)[] = judged.map(({ event }) =>
    people.has(nameOf(event.profile))
      ? undefined
      : { outcome: 'failed', errors: [unknownProfile(event.profile)] },
  );
  const keys = new Map<string, { id: string; index: number }>();
  const ids = judged.map(({ event }, index) => {
    const id = newId();
    if (event.key !== undefined && !results[index] && !keys.has(event.key))
      keys.set(event.key, { id, index });
    return id;
  });
  const used = await claimKeys(sql, workspaceId, keys);
  const fresh: Fresh[] = [];
  judged.forEach(({ event, at, properties }, index) => {
    if (results[index]) return;
    const profileId = people.get(nameOf(event.profile))!;
    const first = event.key === undefined ? undefined : keys.get(event.key);
    const before = event.key === undefined ? undefined : used.get(event.key);
    const id = before ?? first?.id ?? ids[index]!;
    if (before !== undefined || (first && first.index !== index))
      results[index] = { outcome: 'duplicate', id, profileId, at };
    else {
      results[index] = { outcome: 'accepted', id, profileId, at };
      fresh.push({ id, profileId, at, name: event.name, properties });
    }
  });
  await insert(sql, workspaceId, fresh, now);
  await markStale(sql, workspaceId, changesOf(fresh));
  return results as EventResult[];
}

/** The same for everybody who is meant by the same words. */
const nameOf = (profile: TrackEvent['profile']): string =>
  typeof profile === 'string' ? `=${profile}` : identityText(profile);

const unknownProfile = (profile: TrackEvent['profile']): ProblemError => ({
  pointer: '/profile',
  code: 'unknown_profile',
  message: `There is no profile ${JSON.stringify(typeof profile === 'string' ? profile : identityText(profile))}: create it first, or leave "unknownProfile" out to have it created.`,
});

/** The people of these events by `nameOf`; those who are not known are made, unless none of their events wants that. */
async function whoDid(
  sql: Sql,
  workspaceId: string,
  judged: readonly Judged[],
): Promise<Map<string, string>> {
  const meant = new Map<string, { profile: TrackEvent['profile']; create: boolean }>();
  for (const { event } of judged) {
    const name = nameOf(event.profile);
    const create = event.unknownProfile !== 'refuse';
    const known = meant.get(name);
    if (known) known.create ||= create;
    else meant.set(name, { profile: event.profile, create });
  }
  const byId = [...meant.values()].flatMap(({ profile }) => (typeof profile === 'string' ? [profile] : []));
  const others = [...meant.values()].flatMap(({ profile }) => (typeof profile === 'string' ? [] : [profile]));
  const found = new Map<string, string>();
  for (const [externalId, id] of await idsByExternalId(sql, workspaceId, byId))
    found.set(`=${externalId}`, id);
  for (const [name, id] of await idsByIdentity(sql, workspaceId, others)) found.set(name, id);

  const missing = [...meant].filter(([name, { create }]) => create && !found.has(name));
  const made = await upsertProfiles(
    sql,
    workspaceId,
    missing.map(([name, { profile }]) => ({ externalId: typeof profile === 'string' ? profile : name })),
  );
  const named: (IdentityKey & { profileId: string })[] = [];
  missing.forEach(([name, { profile }], i) => {
    const id = made[i]?.id;
    if (id === undefined) return;
    found.set(name, id);
    if (typeof profile !== 'string') named.push({ ...profile, profileId: id });
  });
  if (named.length > 0)
    await sql.execute(
      `INSERT INTO identities (workspace_id, namespace, value, profile_id)
       SELECT $1, namespace, value, profile_id FROM unnest($2::text[], $3::text[], $4::uuid[]) AS u(namespace, value, profile_id)
       ORDER BY namespace, value ON CONFLICT DO NOTHING`,
      [workspaceId, named.map((n) => n.namespace), named.map((n) => n.value), named.map((n) => n.profileId)],
    );
  return found;
}

/**
 * Claims keys for their events. Of a key only its hash is kept: whose it was cannot be read from it, after an erasure
 * either. @returns the ids of the events that had them before
 */
async function claimKeys(
  sql: Sql,
  workspaceId: string,
  wanted: ReadonlyMap<string, { id: string }>,
): Promise<Map<string, string>> {
  // In one order, so that two groups with the same keys wait for each other instead of locking each other out.
  const byHash = new Map([...wanted.keys()].map((key) => [keyHash(workspaceId, key), key]));
  const keys = [...byHash.keys()].sort();
  if (keys.length === 0) return new Map();
  const won = await sql.query<{ key: string }>(
    `INSERT INTO event_keys (workspace_id, key, event_id)
     SELECT $1, key, event_id FROM unnest($2::text[], $3::uuid[]) AS u(key, event_id)
     ON CONFLICT DO NOTHING RETURNING key`,
    [workspaceId, keys, keys.map((key) => wanted.get(byHash.get(key)!)!.id)],
  );
  if (won.length === keys.length) return new Map();
  const ours = new Set(won.map(({ key }) => key));
  const rows = await sql.query<{ key: string; id: string }>(
    'SELECT key, event_id AS id FROM event_keys WHERE workspace_id = $1 AND key = ANY($2)',
    [workspaceId, keys.filter((key) => !ours.has(key))],
  );
  return new Map(rows.map(({ key, id }) => [byHash.get(key)!, id]));
}

const keyHash = (workspaceId: string, key: string): string =>
  createHash('sha256').update(`${workspaceId}:${key}`).digest('hex');

/** Writes events and folds them into what is known of their people: one statement. */
async function insert(sql: Sql, workspaceId: string, events: readonly Fresh[], now: Date): Promise<void> {
  if (events.length === 0) return;
  await sql.execute(
    `WITH happened AS (
       INSERT INTO events (workspace_id, profile_id, at, id, name, properties, received_at)
       SELECT $1, profile_id, at, id, name, properties::jsonb, $7
       FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[], $5::text[], $6::text[]) AS u(profile_id, at, id, name, properties)
     )
     INSERT INTO profile_activity AS a (workspace_id, profile_id, events, first_seen_at, last_seen_at)
     SELECT $1, profile_id, count(*), min(at), max(at)
     FROM unnest($2::uuid[], $3::timestamptz[]) AS u(profile_id, at) GROUP BY profile_id ORDER BY profile_id
     ON CONFLICT (workspace_id, profile_id) DO UPDATE SET
       events = a.events + EXCLUDED.events,
       first_seen_at = least(a.first_seen_at, EXCLUDED.first_seen_at),
       last_seen_at = greatest(a.last_seen_at, EXCLUDED.last_seen_at)`,
    [
      workspaceId,
      events.map((e) => e.profileId),
      events.map((e) => e.at),
      events.map((e) => e.id),
      events.map((e) => e.name),
      events.map((e) => e.properties),
      now,
    ],
  );
}

/** One change per person. */
function changesOf(events: readonly Fresh[]): Change[] {
  const mentions = new Map<string, Set<string>>();
  for (const { profileId, name } of events) {
    let words = mentions.get(profileId);
    if (!words) mentions.set(profileId, (words = new Set(['activity'])));
    words.add(`event:${name}`);
  }
  return [...mentions].map(([profileId, words]) => ({ profileId, mentions: [...words] }));
}
