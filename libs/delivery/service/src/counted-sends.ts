/**
 * What people were sent lately, for frequency caps. A person's list is one row: its lock makes reserving atomic, and rows
 * are always locked in the order of profiles, so that nobody waits in a ring; somebody's first place is a row that is
 * inserted, and whoever was a moment later begins again (`unlessOvertaken`). A place is reserved in the transaction of the
 * hand-over mark. It is not given back by anybody: what did not go out is seen in the log when it would decide, and counts no more. So the caps cannot disagree with the log, whatever stopped a delivery.
 */
import type { Channel, FrequencyCap, MessageClass } from '@carillon/contracts';
import { dayOf, kept, rowParameters, texts, uuids, type Sql } from '@carillon/database';
import {
  heldForComfort,
  LONGEST_WINDOW_MS,
  overCap,
  type Counted,
  type OwnFacts,
} from '@carillon/delivery-rules';
import type { DatabaseError } from 'pg';
import { groupBy } from './group-by.js';

export type Lists = Map<string, Counted[]>;
/** A message that wants a place. */
export interface Wanted {
  id: string;
  /** Or what stands for an address without a person: see personOf. */
  profileId: string;
  channel: Channel;
  messageClass: MessageClass;
  topic: string | null;
  caps: readonly FrequencyCap[];
  zone: string;
}
/** Null for what no cap counts: tests, and where there are no caps. */
export function wantedOf(
  delivery: Omit<Wanted, 'profileId' | 'caps' | 'zone'>,
  own: OwnFacts | null,
): Wanted | null {
  if (!own || own.test || own.personId === null || own.rules.caps.length === 0) return null;
  const { id, channel, messageClass, topic } = delivery;
  // What caps hold back and what they count are not the same: a transactional message may be counted, and go all the same.
  const caps = heldForComfort(delivery, own.rules) ? own.rules.caps : [];
  return { id, profileId: own.personId, channel, messageClass, topic, caps, zone: own.where().zone };
}

/** What no cap holds back is counted all the same. */
export const mayBeHeldBack = ({ caps }: Wanted): boolean => caps.length > 0;

type Kept = [at: number, id: string, channel: Channel, messageClass: MessageClass, topic: string | null];

const OF_THESE = 'FROM counted_sends WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])';
const LISTS = kept('lists', `SELECT profile_id AS "profileId", sends ${OF_THESE}`);
const LOCK_LISTS = kept(
  'lock-lists',
  `SELECT profile_id AS "profileId", sends ${OF_THESE} ORDER BY profile_id FOR UPDATE`,
);
const NOW = kept('now', 'SELECT clock_timestamp() AS now');
// The list leads straight to the rows, and no join pairs each of them with each: that reads all of a table for every one.
const UPDATE_LISTS = kept(
  'update-lists',
  `UPDATE counted_sends SET sends = ($3::text[])[array_position($2::uuid[], profile_id)]::jsonb
    WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[])`,
);
// A list in three parts: what was sent, and what stands before and after it, which is the same for all of a page and travels once.
const FIRST = rowParameters(2, { profile_id: 'uuid', id: 'uuid', before: 'text', after: 'text' });
// Without ON CONFLICT, which writes each row down twice: who is there already fails all of it (`unlessOvertaken`).
const INSERT_LISTS = kept(
  'insert-lists',
  `INSERT INTO counted_sends (workspace_id, profile_id, sends)
   SELECT $1::uuid, u.profile_id, (u.before || u.id || u.after)::jsonb FROM ${FIRST.text} AS u ORDER BY u.profile_id`,
);

// It does not have to be read before. What is there stays as it is, and what no window reaches goes.
const COUNT = kept(
  'count-sends',
  `INSERT INTO counted_sends AS c (workspace_id, profile_id, sends)
   SELECT $1::uuid, u.profile_id, jsonb_agg(jsonb_build_array(floor(extract(epoch FROM clock_timestamp()) * 1000), u.id, u.channel, u.class, u.topic))
     FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS u(profile_id, id, channel, class, topic)
    GROUP BY u.profile_id ORDER BY u.profile_id
   ON CONFLICT (workspace_id, profile_id) DO UPDATE SET sends =
     (SELECT coalesce(jsonb_agg(s ORDER BY n), '[]') FROM jsonb_array_elements(c.sends) WITH ORDINALITY AS o(s, n)
       WHERE (s->>0)::numeric >= extract(epoch FROM clock_timestamp()) * 1000 - $7::numeric)
     || (SELECT coalesce(jsonb_agg(s), '[]') FROM jsonb_array_elements(EXCLUDED.sends) AS s
          WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(c.sends) AS o WHERE o->1 = s->1))`,
);

/** Counts what no cap holds back ({@link mayBeHeldBack}), in one statement: whoever marks it does so in the same breath. */
export async function countSends(
  sql: Sql,
  workspaceId: string,
  wanted: readonly Omit<Wanted, 'caps' | 'zone'>[],
): Promise<void> {
  if (wanted.length === 0) return;
  await sql.execute(COUNT, [
    workspaceId,
    uuids(wanted.map((w) => w.profileId)),
    texts(wanted.map((w) => w.id)),
    texts(wanted.map((w) => w.channel)),
    texts(wanted.map((w) => w.messageClass)),
    texts(wanted.map((w) => w.topic)),
    LONGEST_WINDOW_MS,
  ]);
}

/** Reads the lists of these people, of whom a cap may hold something back, and drops from them what did not go out, where it would decide. */
export async function sentLately(
  sql: Sql,
  workspaceId: string,
  all: readonly Wanted[],
  now: Date,
): Promise<Lists> {
  const wanted = all.filter(mayBeHeldBack);
  if (wanted.length === 0) return new Map();
  const lists = listsOf(await sql.query<Row>(LISTS, [workspaceId, uuids(profilesOf(wanted))]));
  await settle(sql, workspaceId, lists, wanted, now);
  return lists;
}

export interface Held {
  lists: Lists;
  /** Those who have a row, which is locked; the others have none yet. */
  locked: ReadonlySet<string>;
  now: Date;
}
/** The same, and holds the lists until the transaction ends. */
export async function holdLists(
  sql: Sql,
  workspaceId: string,
  wanted: readonly Wanted[],
  now?: Date,
): Promise<Held> {
  const [rows, [clock]] = await Promise.all([
    sql.query<Row>(LOCK_LISTS, [workspaceId, uuids(profilesOf(wanted))]),
    now ? [{ now }] : sql.query<{ now: Date }>(NOW),
  ]);
  const lists = listsOf(rows);
  const held = { lists, locked: new Set(lists.keys()), now: clock?.now ?? new Date() };
  await settle(sql, workspaceId, lists, wanted, held.now);
  return held;
}

/** Somebody had no list when it was to be held, and has one by now: what was decided without it does not stand. */
const overtaken = ({ code, table }: Partial<DatabaseError>): boolean =>
  code === '23505' && table === 'counted_sends';
const MOST_TRIES = 5;
/** Does the work of a transaction again from its beginning while it is overtaken: the list that was missing is there then. */
export async function unlessOvertaken<T>(transaction: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++)
    try {
      return await transaction();
    } catch (error) {
      if (!overtaken(error as Partial<DatabaseError>)) throw error;
      // In words of its own: a key that is there already means something else to who works a page.
      if (tries === MOST_TRIES)
        throw new Error('somebody was sent their first message at the same moment, again and again', {
          cause: error,
        });
    }
}

/** Takes a place for each, in order. @returns those for whom there was none */
export function reserve(lists: Lists, wanted: readonly Wanted[], now: Date): Set<string> {
  const refused = new Set<string>();
  for (const w of wanted) {
    const list = lists.get(w.profileId) ?? [];
    if (overCap(w.caps, w, list, now.getTime(), w.zone)) refused.add(w.id);
    else take(lists, w, now);
  }
  return refused;
}

/** Takes a place that a rule has found to be there. A delivery has one place, however often it is tried. */
export function take(lists: Lists, w: Omit<Wanted, 'caps' | 'zone'>, now: Date): void {
  const list = lists.get(w.profileId) ?? [];
  if (list.some((s) => s.id === w.id)) return;
  const { id, channel, messageClass, topic } = w;
  lists.set(w.profileId, [...list, { id, at: now.getTime(), channel, messageClass, topic }]);
}

/**
 * Writes lists that are held. Fails when somebody has a list by now who had none: the transaction is to be done again, see
 * `unlessOvertaken`.
 */
export async function saveLists(
  sql: Sql,
  workspaceId: string,
  { lists, locked, now }: Held,
  profileIds: readonly string[],
): Promise<void> {
  const since = now.getTime() - LONGEST_WINDOW_MS;
  const lately = (id: string) => (lists.get(id) ?? []).filter((s) => s.at >= since);
  const ids = [...new Set(profileIds)];
  const known = ids.filter((id) => locked.has(id));
  const first = ids.filter((id) => !locked.has(id) && lists.has(id));
  const around = aroundId();
  const firsts = first.map((id) => inThree(lists.get(id)!, around));
  await Promise.all([
    known.length > 0 &&
      sql.execute(UPDATE_LISTS, [
        workspaceId,
        uuids(known),
        texts(known.map((id) => JSON.stringify(lately(id).map(asKept)))),
      ]),
    first.length > 0 &&
      sql.execute(INSERT_LISTS, [
        workspaceId,
        ...FIRST.params({
          profile_id: first,
          id: firsts.map((f) => f.id),
          before: firsts.map((f) => f.before),
          after: firsts.map((f) => f.after),
        }),
      ]),
  ]);
}
const asKept = (s: Counted): Kept => [s.at, s.id, s.channel, s.messageClass, s.topic];
function inThree(list: readonly Counted[], around: Around): { before: string; id: string; after: string } {
  const [one, ...more] = list as [Counted, ...Counted[]];
  const { before, after } = around(one);
  if (more.length === 0) return { before, id: one.id, after: `${after}]` };
  return { before, id: one.id, after: `${after},${JSON.stringify(more.map(asKept)).slice(1)}` };
}

type Around = (one: Counted) => { before: string; after: string };
/** What is written before and after the id of a message: as a rule as it was for the one before. */
function aroundId(): Around {
  let last: (Omit<Counted, 'id'> & { before: string; after: string }) | undefined;
  return ({ at, channel, messageClass, topic }) => {
    if (
      !last ||
      last.at !== at ||
      last.channel !== channel ||
      last.messageClass !== messageClass ||
      last.topic !== topic
    ) {
      const after = `",${JSON.stringify([channel, messageClass, topic]).slice(1)}`;
      last = { at, channel, messageClass, topic, before: `[[${at},"`, after };
    }
    return last;
  };
}

interface Row {
  profileId: string;
  sends: Kept[];
}
const listsOf = (rows: readonly Row[]): Lists =>
  new Map(
    rows.map(({ profileId, sends }) => [
      profileId,
      sends.map(([at, id, channel, messageClass, topic]) => ({ at, id, channel, messageClass, topic })),
    ]),
  );
const profilesOf = (wanted: readonly Wanted[]): string[] => [...new Set(wanted.map((w) => w.profileId))];

/** Asks the log about what stands in somebody's way, until nothing of it has to go. Nobody is asked about who has room. */
async function settle(
  sql: Sql,
  workspaceId: string,
  lists: Lists,
  wanted: readonly Wanted[],
  now: Date,
): Promise<void> {
  const asked = new Set<string>();
  for (;;) {
    const inTheWay = new Set<string>();
    for (const w of wanted) {
      const over = overCap(w.caps, w, lists.get(w.profileId) ?? [], now.getTime(), w.zone);
      for (const id of over?.ids ?? []) if (!asked.has(id)) inTheWay.add(id);
    }
    if (inTheWay.size === 0) return;
    for (const id of inTheWay) asked.add(id);
    const byDay = await Promise.all(
      [...groupBy(inTheWay, dayOf)].map(([day, ids]) =>
        sql.query<{ id: string }>(
          `SELECT id FROM deliveries WHERE day = $1::date AND id = ANY($2::uuid[]) AND workspace_id = $3 AND status IN ('failed', 'suppressed', 'cancelled', 'expired')`,
          [day, ids, workspaceId],
        ),
      ),
    );
    const gone = new Set(byDay.flat().map((row) => row.id));
    if (gone.size > 0)
      for (const [profileId, list] of lists)
        lists.set(
          profileId,
          list.filter((s) => !gone.has(s.id)),
        );
  }
}
