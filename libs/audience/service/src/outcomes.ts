/**
 * What became of messages, learned once each. The lines of timelines that say something about a person wait in
 * `pending_outcomes` (a trigger writes them with the line itself); they are taken, folded into people's activity, consent
 * and suppressions, and deleted in one transaction, so that a crash repeats all of it or nothing. What runs sent has no
 * lines: it is folded page by page, when a page is done, marked on the page in the same transaction.
 */
import type { Channel, DeliveryEventType, ReasonName } from '@carillon/contracts';
import { Database, idInSeries, kept, keptByDay, type Sql } from '@carillon/database';
import { Rounds } from '@carillon/server';
import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { recordConsents, type NewConsent } from './consent.js';
import { whoTheyBecame } from './find-profiles.js';
import { noteArrivals, noteBounces, type Bounce } from './soft-bounces.js';
import { amongWriters, markStale } from './stale.js';
import { suppressAddresses, type NewSuppression } from './suppression.js';

/** Lines per transaction. */
const SLICE = 1000;
/** Pages per transaction. */
const PAGES = 2;
const TICK_MS = 250;

/** Failures that say the address is bad for good, not this message. */
const hard: readonly ReasonName[] = ['bounced', 'recipient_unknown'];
/** Failures that say that the address did not take it today. */
const soft: readonly ReasonName[] = ['recipient_unreachable', 'retries_exhausted'];
/** Push tokens are removed instead, and an inbox has no address. */
const addressed: readonly Channel[] = ['email', 'sms'];

interface Outcome {
  deliveryId: string;
  type: DeliveryEventType;
  at: Date;
  reason: ReasonName | null;
  channel: Channel;
  address: string | null;
  profileId: string | null;
  topic: string | null;
  messageId: string;
  source: string;
  /** Recorded by our own page, which has written the word of consent itself. */
  ours: boolean;
  /** Of an open or a click: not a mailbox or a machine in their place. */
  themselves: boolean;
}

@Injectable()
export class Outcomes implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Outcomes');
  private readonly rounds = new Rounds(() => this.drain(), {
    restMs: TICK_MS,
    log: this.log,
    trouble: 'outcomes were not taken',
  });

  constructor(@Inject(Database) private readonly database: Database) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Takes all that waits. @returns how many lines and pages */
  async drain(): Promise<number> {
    let all = 0;
    // What comes while a slice is taken is left for the next look, which finds more of it: a slice costs more than its lines do.
    for (let full = true; full && !this.rounds.stopping;) {
      const { lines, pages } = await this.slice();
      all += lines + pages;
      full = lines >= SLICE || pages >= PAGES;
    }
    return all;
  }

  private async slice(): Promise<{ lines: number; pages: number }> {
    const busy = await this.database.acrossWorkspaces(({ last }) =>
      last.query<{ workspaceId: string; lines: boolean; pages: boolean }>(BUSY, [SLICE, PAGES]),
    );
    const taken = { lines: 0, pages: 0 };
    for (const { workspaceId, lines, pages } of busy)
      await this.database.inWorkspace(workspaceId, async (sql) => {
        await amongWriters(sql, workspaceId);
        if (lines) taken.lines += await takeLines(sql, workspaceId);
        if (pages) taken.pages += await foldPages(sql, workspaceId);
      });
    return taken;
  }
}

/** Where something waits, and what. */
const BUSY = kept(
  'busy-outcomes',
  `SELECT workspace_id AS "workspaceId", bool_or(what = 'line') AS lines, bool_or(what = 'page') AS pages
     FROM (SELECT * FROM (SELECT workspace_id, 'line' AS what FROM pending_outcomes ORDER BY id LIMIT $1) l
           UNION ALL
           SELECT * FROM (SELECT workspace_id, 'page' FROM pages WHERE done_at IS NOT NULL AND folded_at IS NULL ORDER BY done_at LIMIT $2) p) w
    GROUP BY workspace_id`,
);

async function takeLines(sql: Sql, workspaceId: string): Promise<number> {
  const rows = await sql.query<{ day: string; deliveryId: string; eventId: number }>(
    `DELETE FROM pending_outcomes WHERE id = ANY(ARRAY(
       SELECT id FROM pending_outcomes WHERE workspace_id = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))
     RETURNING day::text AS day, delivery_id AS "deliveryId", event_id AS "eventId"`,
    [workspaceId, SLICE],
  );
  // One day at a time: see docs/decisions/0006.
  const days = [...new Set(rows.map((row) => row.day))];
  const outcomes = await Promise.all(
    days.map((day) =>
      outcomesOf(
        sql,
        workspaceId,
        day,
        rows.filter((row) => row.day === day),
      ),
    ),
  ).then((all) => all.flat());
  await suppressAddresses(sql, workspaceId, outcomes.flatMap(suppressionOf));
  await noteArrivals(sql, workspaceId, outcomes.flatMap(arrivalFrom));
  await noteBounces(sql, workspaceId, outcomes.flatMap(bounceFrom));
  await recordConsents(sql, workspaceId, outcomes.flatMap(consentFrom));
  await foldOutcomes(sql, workspaceId, outcomes);
  await tellJourneys(sql, workspaceId, outcomes);
  return rows.length;
}

// Each by its own ids, and put together here: joined, every row is held against the whole list, which takes a slice a thousand times a
// thousand comparisons.
const LINES = keptByDay(
  'outcome-lines',
  (
    day,
  ) => `SELECT id, delivery_id AS "deliveryId", type, at, reason, coalesce(detail->>'source' IN ('one-click', 'page'), false) AS ours,
            coalesce(detail->>'by', 'person') = 'person' AS themselves
     FROM delivery_events WHERE day = ${day} AND delivery_id = ANY($2::uuid[]) AND workspace_id = $1`,
);
const ABOUT = keptByDay(
  'outcome-deliveries',
  (
    day,
  ) => `SELECT id, channel, address, profile_id AS "profileId", topic, message_id AS "messageId", source FROM deliveries
     WHERE day = ${day} AND id = ANY($2::uuid[]) AND workspace_id IS NOT DISTINCT FROM $1`,
);

/** What the lines taken of one day tell, in one breath. */
async function outcomesOf(
  sql: Sql,
  workspaceId: string,
  day: string,
  taken: readonly { deliveryId: string; eventId: number }[],
): Promise<Outcome[]> {
  const ids = [...new Set(taken.map((row) => row.deliveryId))];
  const [lines, about] = await Promise.all([
    sql.query<
      Pick<Outcome, 'deliveryId' | 'type' | 'at' | 'reason' | 'ours' | 'themselves'> & { id: number }
    >(LINES(day), [workspaceId, ids]),
    sql.query<
      Pick<Outcome, 'channel' | 'address' | 'profileId' | 'topic' | 'messageId' | 'source'> & { id: string }
    >(ABOUT(day), [workspaceId, ids]),
  ]);
  const wanted = new Set(taken.map((row) => row.eventId));
  const deliveries = new Map(about.map(({ id, ...delivery }) => [id, delivery]));
  return lines.flatMap(({ id, ...line }) => {
    const delivery = wanted.has(id) ? deliveries.get(line.deliveryId) : undefined;
    return delivery ? [{ ...line, ...delivery }] : [];
  });
}

/** What became of a journey's messages, to the enrollment that sent them: where its journey listens for it. */
async function tellJourneys(sql: Sql, workspaceId: string, outcomes: readonly Outcome[]): Promise<void> {
  const theirs = outcomes.filter(({ source }) => source === 'journey');
  if (theirs.length === 0) return;
  await sql.execute(
    `INSERT INTO journey_signals (workspace_id, profile_id, journey_id, kind, name, ref, payload, at)
     SELECT $1, e.profile_id, e.journey_id, 'message', u.type, m.enrollment_id,
       jsonb_build_object('step', m.step, 'channel', u.channel, 'messageId', m.message_id, 'deliveryId', u.delivery_id), u.at
     FROM unnest($2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[]) AS u(message_id, type, channel, delivery_id, at)
     JOIN enrollment_messages m ON m.workspace_id = $1 AND m.message_id = u.message_id
     JOIN enrollments e ON e.workspace_id = $1 AND e.id = m.enrollment_id AND e.state <> 'ended'
     JOIN journeys j ON j.workspace_id = $1 AND j.id = e.journey_id AND j.listens @> ARRAY['message']
     ORDER BY u.at`,
    [
      workspaceId,
      theirs.map((o) => o.messageId),
      theirs.map((o) => o.type),
      theirs.map((o) => o.channel),
      theirs.map((o) => o.deliveryId),
      theirs.map((o) => o.at),
    ],
  );
}

/** Into the activity of people that are still there, be it as part of another profile. */
async function foldOutcomes(sql: Sql, workspaceId: string, outcomes: readonly Outcome[]): Promise<void> {
  const about = [...new Set(outcomes.flatMap(({ profileId }) => profileId ?? []))];
  if (about.length === 0) return;
  const there = await sql.query<{ id: string }>(
    'SELECT id FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[])',
    [workspaceId, about],
  );
  const people = new Map(there.map(({ id }) => [id, id]));
  const gone = about.filter((id) => !people.has(id));
  for (const [id, kept] of await whoTheyBecame(sql, workspaceId, gone)) people.set(id, kept);
  const own = outcomes.flatMap((o) => {
    const profileId = o.profileId === null ? undefined : people.get(o.profileId);
    return profileId === undefined ? [] : [{ ...o, profileId }];
  });
  if (own.length === 0) return;
  await sql.execute(
    `INSERT INTO profile_activity AS a (workspace_id, profile_id, sent, opened, clicked, first_seen_at, last_seen_at, last_sent_at, last_opened_at, last_clicked_at)
     SELECT $1, u.profile_id,
       count(*) FILTER (WHERE type = 'sent'), count(*) FILTER (WHERE type = 'opened'), count(*) FILTER (WHERE type = 'clicked'),
       min(at) FILTER (WHERE type = ANY($5)), max(at) FILTER (WHERE type = ANY($5)),
       max(at) FILTER (WHERE type = 'sent'), max(at) FILTER (WHERE type = 'opened'), max(at) FILTER (WHERE type = 'clicked')
     FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS u(profile_id, type, at)
     WHERE u.type = 'sent' OR u.type = ANY($5)
     GROUP BY u.profile_id ORDER BY u.profile_id ${ADDED}`,
    [workspaceId, own.map((o) => o.profileId), own.map((o) => o.type), own.map((o) => o.at), DONE_BY_PEOPLE],
  );
  await foldOpenHours(sql, workspaceId, own);
  const changes = new Map<string, Set<string>>();
  for (const { profileId, type } of own) {
    let mentions = changes.get(profileId);
    if (!mentions) changes.set(profileId, (mentions = new Set(['activity'])));
    mentions.add(`message:${type}`);
  }
  await markStale(
    sql,
    workspaceId,
    [...changes].map(([profileId, mentions]) => ({ profileId, mentions: [...mentions] })),
  );
}

/** When people open and click, by the hour of the day. */
async function foldOpenHours(
  sql: Sql,
  workspaceId: string,
  outcomes: readonly (Outcome & { profileId: string })[],
): Promise<void> {
  const hours = new Map<string, number[]>();
  for (const { profileId, type, at, themselves } of outcomes) {
    if (!themselves || (type !== 'opened' && type !== 'clicked')) continue;
    const counts = hours.get(profileId) ?? Array.from({ length: 24 }, () => 0);
    counts[at.getUTCHours()]! += 1;
    hours.set(profileId, counts);
  }
  if (hours.size === 0) return;
  const people = [...hours].sort(([a], [b]) => (a < b ? -1 : 1));
  await sql.execute(
    `INSERT INTO open_hours AS o (workspace_id, profile_id, hours)
     SELECT $1, u.profile_id, u.hours::int[] FROM unnest($2::uuid[], $3::text[]) AS u(profile_id, hours)
     ON CONFLICT (workspace_id, profile_id) DO UPDATE
       SET hours = ARRAY(SELECT o.hours[n] + EXCLUDED.hours[n] FROM generate_series(1, 24) AS n ORDER BY n)`,
    [workspaceId, people.map(([id]) => id), people.map(([, counts]) => `{${counts.join()}}`)],
  );
}

/** Outcomes that show that somebody was there. */
const DONE_BY_PEOPLE: readonly DeliveryEventType[] = [
  'opened',
  'clicked',
  'read',
  'replied',
  'unsubscribed',
  'complained',
];

const ADDED = `ON CONFLICT (workspace_id, profile_id) DO UPDATE SET
  sent = a.sent + EXCLUDED.sent, opened = a.opened + EXCLUDED.opened, clicked = a.clicked + EXCLUDED.clicked,
  first_seen_at = least(a.first_seen_at, EXCLUDED.first_seen_at),
  last_seen_at = greatest(a.last_seen_at, EXCLUDED.last_seen_at),
  last_sent_at = greatest(a.last_sent_at, EXCLUDED.last_sent_at),
  last_opened_at = greatest(a.last_opened_at, EXCLUDED.last_opened_at),
  last_clicked_at = greatest(a.last_clicked_at, EXCLUDED.last_clicked_at)`;

/**
 * What a page of a run sent, as a set: its deliveries are one range of the log's key. One with a line of its own (it was
 * tried again, and left later) is counted by that line.
 */
async function foldPages(sql: Sql, workspaceId: string): Promise<number> {
  const pages = await sql.query<{ lo: number; hi: number; day: string; messageId: string }>(
    `UPDATE pages p SET folded_at = now() FROM runs r
     WHERE p.workspace_id = $1 AND r.workspace_id = $1 AND r.id = p.run_id AND p.id = ANY(ARRAY(
       SELECT id FROM pages WHERE workspace_id = $1 AND done_at IS NOT NULL AND folded_at IS NULL
       ORDER BY done_at LIMIT $2 FOR UPDATE SKIP LOCKED))
     RETURNING p.lo, p.hi, r.day::text AS day, r.message_id AS "messageId"`,
    [workspaceId, PAGES],
  );
  for (const { lo, hi, day, messageId } of pages) {
    const people = await sql.query<{ profileId: string }>(
      `INSERT INTO profile_activity AS a (workspace_id, profile_id, sent, last_sent_at)
       SELECT $1, d.profile_id, count(*), max(d.sent_at)
       FROM deliveries d JOIN profiles p ON p.workspace_id = $1 AND p.id = d.profile_id
       WHERE d.day = $2::date AND d.id BETWEEN $3::uuid AND $4::uuid AND d.workspace_id = $1 AND d.sent_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM delivery_events e WHERE e.day = $2::date AND e.delivery_id = d.id AND e.type = 'sent')
       GROUP BY d.profile_id ORDER BY d.profile_id ${ADDED}
       RETURNING profile_id AS "profileId"`,
      [workspaceId, day, idInSeries(messageId, lo), idInSeries(messageId, hi - 1)],
    );
    await markStale(
      sql,
      workspaceId,
      people.map(({ profileId }) => ({ profileId, mentions: ['activity', 'message:sent'] })),
    );
  }
  return pages.length;
}

function suppressionOf({ type, reason, channel, address }: Outcome): NewSuppression[] {
  if (address === null || !addressed.includes(channel)) return [];
  if (type === 'complained') return [{ channel, address, reason: 'complained', source: 'provider' }];
  return type === 'failed' && reason !== null && hard.includes(reason)
    ? [{ channel, address, reason: 'hard_bounced', source: 'provider' }]
    : [];
}

function bounceFrom({ deliveryId, type, reason, channel, address, profileId }: Outcome): Bounce[] {
  const counts = type === 'failed' && reason !== null && soft.includes(reason);
  return counts && address !== null && addressed.includes(channel)
    ? [{ deliveryId, channel, address, profileId }]
    : [];
}

function arrivalFrom({
  type,
  at,
  channel,
  address,
  profileId,
}: Outcome): { channel: Outcome['channel']; address: string; at: Date }[] {
  const counts = type === 'delivered' && profileId === null && addressed.includes(channel);
  return counts && address !== null ? [{ channel, address, at }] : [];
}

function consentFrom({ type, channel, address, profileId, topic, ours }: Outcome): NewConsent[] {
  if (type !== 'unsubscribed' || ours) return [];
  // STOP by SMS is a word to the sender, not about a topic.
  const about = channel === 'sms' ? '' : (topic ?? 'marketing');
  return [{ channel, address, profileId, topic: about, word: 'out', source: 'provider' }];
}
