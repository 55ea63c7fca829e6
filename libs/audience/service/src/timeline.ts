/**
 * A person's timeline: events, messages with what became of them, memberships, consents, and what happened to the profile
 * itself, newest first. Each source gives what is older than the cursor, in the one order of all (time, kind, id), so that
 * a page neither misses nor repeats anything. Rows of profiles that became part of this one are read as well.
 */
import { timelineKinds, type Page, type TimelineEntry, type TimelineKind } from '@carillon/contracts';
import { dayOf, timeOf, type Sql } from '@carillon/database';
import { idsOfPerson } from './find-profiles.js';

/** How far back messages are looked for: as listing them does. */
const LOG_DAYS = 90;
const DAY_MS = 86_400_000;

interface Cursor {
  at: Date;
  kind: TimelineKind;
  id: string;
}
type Entry = TimelineEntry;
type Of<K extends TimelineKind> = Extract<Entry, { kind: K }>;

interface Source {
  sql: Sql;
  workspaceId: string;
  /** Of the person, and of who became part of them. */
  ids: readonly string[];
  limit: number;
  cursor: Cursor | null;
}

/** @param id of the profile */
export async function readTimeline(
  sql: Sql,
  workspaceId: string,
  id: string,
  kinds: readonly TimelineKind[],
  page: { limit: number; cursor: Cursor | null },
): Promise<Page<Entry>> {
  const ids = await idsOfPerson(sql, workspaceId, id);
  const source = {
    sql,
    workspaceId,
    ids,
    limit: page.limit + 1,
    cursor: page.cursor,
  };
  const all: Entry[] = [];
  for (const kind of kinds) all.push(...(await sources[kind](source)));
  all.sort((a, b) => (before(keyOf(a), keyOf(b)) ? -1 : 1));
  const items = all
    .filter((entry) => !page.cursor || before(page.cursor, keyOf(entry)))
    .slice(0, page.limit + 1);
  const last = items[page.limit - 1];
  const shown = items.slice(0, page.limit);
  await addOutcomes(sql, workspaceId, shown);
  return { items: shown, nextCursor: items.length > page.limit && last ? writeCursor(keyOf(last)) : null };
}

const keyOf = (entry: Entry): Cursor => ({ at: new Date(entry.at), kind: entry.kind, id: entry.id });
const rank = (kind: TimelineKind) => timelineKinds.indexOf(kind);

/** Whether `a` comes before `b`: is newer. */
function before(a: Cursor, b: Cursor): boolean {
  if (a.at.getTime() !== b.at.getTime()) return a.at > b.at;
  return a.kind === b.kind ? a.id > b.id : rank(a.kind) < rank(b.kind);
}

/** The cursor as one text, and back. */
export const writeCursor = ({ at, kind, id }: Cursor): string =>
  Buffer.from(`${at.getTime()} ${kind} ${id}`).toString('base64url');
export function readTimelineCursor(text: string): Cursor | null {
  const [, ms, kind, id] =
    /^(\d{1,15}) (\w+) (\S{1,300})$/.exec(Buffer.from(text, 'base64url').toString()) ?? [];
  const known = timelineKinds.find((k) => k === kind);
  return known && ms && id ? { at: new Date(Number(ms)), kind: known, id } : null;
}

/** What a source may give: up to `at`, and of that moment only what is below `id` (null: all of it). */
function bound({ cursor }: Source, kind: TimelineKind): { at: Date; id: string | null } {
  if (!cursor) return { at: new Date(8.64e14), id: null };
  if (kind === cursor.kind) return { at: cursor.at, id: cursor.id };
  return { at: rank(kind) > rank(cursor.kind) ? cursor.at : new Date(cursor.at.getTime() - 1), id: null };
}

const sources: { [K in TimelineKind]: (source: Source) => Promise<Of<K>[]> } = {
  async event(source) {
    const { at, id } = bound(source, 'event');
    const rows = await source.sql.query<{
      id: string;
      at: Date;
      name: string;
      properties: Record<string, unknown>;
    }>(
      `SELECT e.* FROM unnest($2::uuid[]) AS u(id)
       CROSS JOIN LATERAL (
         SELECT e.id, e.at, e.name, e.properties FROM events e
         WHERE e.workspace_id = $1 AND e.profile_id = u.id AND e.at <= $3 AND ($4::uuid IS NULL OR e.at < $3 OR e.id < $4)
         ORDER BY e.at DESC, e.id DESC LIMIT $5) e
       ORDER BY e.at DESC, e.id DESC LIMIT $5`,
      [source.workspaceId, source.ids, at, id, source.limit],
    );
    return rows.map((row) => ({ ...row, at: row.at.toISOString(), kind: 'event' }));
  },

  async message(source) {
    const { at, id } = bound(source, 'message');
    const newest = new Date(Math.min(at.getTime(), Date.now() + DAY_MS));
    // Ids rise with time: the first id of the next millisecond is above all of this moment.
    const below = id ?? firstIdAt(new Date(at.getTime() + 1));
    const rows = await source.sql.query<Omit<Of<'message'>, 'at' | 'kind' | 'outcomes'> & Times>(
      `SELECT d.id, d.message_id AS "messageId", d.channel, d.class, d.topic, t.key AS template, d.status, d.reason,
         d.sent_at AS "sentAt", d.delivered_at AS "deliveredAt"
       FROM generate_series($3::date, $4::date, interval '-1 day') AS days(day)
       CROSS JOIN LATERAL (
         SELECT * FROM deliveries d
         WHERE d.day = days.day::date AND d.workspace_id = $1 AND d.profile_id = ANY($2::uuid[]) AND d.id < $5::uuid
         ORDER BY d.id DESC LIMIT $6) d
       LEFT JOIN templates t ON t.workspace_id = $1 AND t.id = d.template_id
       LIMIT $6`,
      [source.workspaceId, source.ids, newest, new Date(Date.now() - LOG_DAYS * DAY_MS), below, source.limit],
    );
    return rows.map(({ sentAt, deliveredAt, ...row }) => ({
      ...row,
      kind: 'message',
      at: timeOf(row.id).toISOString(),
      // Where lines were not written, the row's own times tell the story; addOutcomes replaces these.
      outcomes: [
        ...(sentAt ? [{ type: 'sent' as const, at: sentAt.toISOString() }] : []),
        ...(deliveredAt ? [{ type: 'delivered' as const, at: deliveredAt.toISOString() }] : []),
      ],
    }));
  },

  async membership(source) {
    const { at } = bound(source, 'membership');
    const rows = await source.sql.query<{
      audienceId: string;
      key: string;
      name: string;
      seq: number;
      at: Date;
      change: 'enter' | 'leave';
      cause: string;
    }>(
      `SELECT c.audience_id AS "audienceId", a.key, a.name, c.seq, c.at, c.change, c.cause
       FROM audience_changes c JOIN audiences a ON a.workspace_id = $1 AND a.id = c.audience_id
       WHERE c.workspace_id = $1 AND c.profile_id = ANY($2::uuid[]) AND c.at <= $3
       ORDER BY c.at DESC LIMIT $4`,
      // Ties are cut by the caller, by an id that is made here.
      [source.workspaceId, source.ids, at, source.limit + 200],
    );
    return rows.map(({ audienceId, key, name, seq, ...row }) => ({
      kind: 'membership',
      id: `${audienceId}:${String(seq).padStart(12, '0')}`,
      at: row.at.toISOString(),
      audience: { id: audienceId, key, name },
      change: row.change,
      cause: row.cause,
    }));
  },

  async consent(source) {
    const { at } = bound(source, 'consent');
    const rows = await source.sql.query<Omit<Of<'consent'>, 'at' | 'kind'> & { at: Date }>(
      `WITH person AS (SELECT email, phone FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[]))
       SELECT c.id, c.channel, c.topic, c.word, c.source, c.at, CASE WHEN c.address = '' THEN 'profile' ELSE 'address' END AS about
       FROM (SELECT * FROM consent_log WHERE workspace_id = $1 AND address = '' AND profile_id = ANY($2::uuid[])
             UNION ALL SELECT * FROM consent_log WHERE workspace_id = $1 AND channel = 'email' AND address IN (SELECT email FROM person)
             UNION ALL SELECT * FROM consent_log WHERE workspace_id = $1 AND channel = 'sms' AND address IN (SELECT phone FROM person)) c
       WHERE c.at <= $3 ORDER BY c.at DESC LIMIT $4`,
      [source.workspaceId, source.ids, at, source.limit + 200],
    );
    return rows.map((row) => ({ ...row, kind: 'consent', at: row.at.toISOString() }));
  },

  async profile(source) {
    const { at } = bound(source, 'profile');
    const rows = await source.sql.query<{ id: string; at: Date; mergedExternalId: string | null }>(
      `SELECT id, created_at AS at, NULL AS "mergedExternalId" FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[]) AND created_at <= $3
       UNION ALL
       SELECT id, at, merged_external_id FROM profile_merges WHERE workspace_id = $1 AND kept_id = ANY($2::uuid[]) AND at <= $3`,
      [source.workspaceId, source.ids, at],
    );
    return rows.map((row) => ({
      ...row,
      kind: 'profile',
      at: row.at.toISOString(),
      change: row.mergedExternalId === null ? 'created' : 'merged',
    }));
  },
};
interface Times {
  sentAt: Date | null;
  deliveredAt: Date | null;
}

const TOLD = [
  'sent',
  'delivered',
  'failed',
  'opened',
  'clicked',
  'seen',
  'read',
  'replied',
  'complained',
  'unsubscribed',
];

/** The lines of the timelines of these messages, where they have any. */
async function addOutcomes(sql: Sql, workspaceId: string, entries: readonly Entry[]): Promise<void> {
  const messages = entries.filter((entry) => entry.kind === 'message');
  if (messages.length === 0) return;
  const ids = messages.map(({ id }) => id);
  const lines = await sql.query<{ id: string; type: Of<'message'>['outcomes'][number]['type']; at: Date }>(
    `SELECT delivery_id AS id, type, at FROM delivery_events
     WHERE day = ANY($2::date[]) AND delivery_id = ANY($3::uuid[]) AND workspace_id = $1 AND type = ANY($4)
     ORDER BY delivery_id, id`,
    [workspaceId, [...new Set(ids.map(dayOf))], ids, TOLD],
  );
  for (const message of messages) {
    const own = lines.filter(({ id }) => id === message.id);
    const told = new Set(own.map(({ type }) => type));
    message.outcomes = [
      ...message.outcomes.filter(({ type }) => !told.has(type)),
      ...own.map(({ type, at }) => ({ type, at: at.toISOString() })),
    ];
  }
}

function firstIdAt(time: Date): string {
  const hex = Math.min(time.getTime(), 0xffffffffffff).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
