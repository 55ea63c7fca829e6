/**
 * Claiming a page of a run: one UPDATE makes this worker the only one that may write for it (fence: `attempt`; lease on
 * the database's clock). Then everything that rendering needs is read in one pass, and the log is asked what it holds
 * already, so that a page may be worked again from any point. What the gate needs is read later: log-page.ts.
 */
import type { Channel, ContentByChannel, MessageClass, Source, Status } from '@carillon/contracts';
import { AT_HOME, idInSeries, kept, type Sql } from '@carillon/database';
import type { Addressee } from '@carillon/delivery-rules';
import type { RunOptions } from '@carillon/delivery-service';
import { LEASE_SECONDS } from './claim.js';

export interface PageInHand {
  id: string;
  workspaceId: string;
  runId: string;
  lo: number;
  hi: number;
  /** All before it are in the log. */
  cursor: number;
  /** The end of the sub-batch that may be leaving. */
  mark: number;
  attempt: number;
  counts: Partial<Record<Status, number>>;
  channel: Channel;
  messageClass: MessageClass;
  source: Source;
  topic: string | null;
  /** The first id of the series of its deliveries. */
  messageId: string;
  day: string;
  expiresAt: Date | null;
  templateId: string | null;
  templateVersion: number | null;
  content: ContentByChannel | null;
  data: Record<string, unknown>;
  options: RunOptions;
}
export interface Member {
  /** Its delivery's. */
  id: string;
  seq: number;
  profileId: string;
  data: Record<string, unknown> | null;
  /** Null when the profile is gone. */
  recipient: Addressee | null;
  /** JSON, as it was read: a thousand people at once wait to be rendered, and what is taken apart is copied by each collection of garbage. */
  attributes: string | null;
}

/** @returns null when there is nothing to do: someone else has it, its run is not running, or it is done */
export async function claimPage(sql: Sql, pageId: string): Promise<PageInHand | null> {
  const [page] = await sql.query<PageInHand>(CLAIM_PAGE, [pageId, LEASE_SECONDS]);
  return page ?? null;
}

const CLAIM_PAGE = kept(
  'claim-page',
  `UPDATE pages p SET state = 'working', attempt = p.attempt + 1, lease_until = now() + make_interval(secs => $2)
       FROM runs r, messages m
      WHERE ${AT_HOME} AND p.id = $1 AND p.state = 'released' AND r.workspace_id = p.workspace_id AND r.id = p.run_id AND r.state = 'running'
        AND m.day = r.day AND m.id = r.message_id AND m.workspace_id = r.workspace_id
     RETURNING p.id, p.workspace_id AS "workspaceId", p.run_id AS "runId", p.lo, p.hi, p.cursor, p.mark, p.attempt, p.counts, r.channel, r.class AS "messageClass",
               r.source, r.topic, r.message_id AS "messageId", r.day::text AS day, coalesce(p.expires_at, r.expires_at) AS "expiresAt", m.template_id AS "templateId",
               m.template_version AS "templateVersion", m.content, m.data, m.options`,
);

/** Says again that a page is in this worker's hands. */
export const renewPage = (sql: Sql, page: PageInHand): Promise<number> =>
  sql.execute(
    `UPDATE pages SET lease_until = now() + make_interval(secs => $4) WHERE id = $1 AND workspace_id = $2 AND attempt = $3 AND state = 'working'`,
    [page.id, page.workspaceId, page.attempt, LEASE_SECONDS],
  );

/** What the log holds of a page: delivery ids, and counts by status. A range of the primary key, whatever the log's size. */
export async function loggedOf(
  sql: Sql,
  page: PageInHand,
): Promise<{ ids: Set<string>; counts: PageInHand['counts'] }> {
  const rows = await sql.query<{ id: string; status: Status }>(
    'SELECT id, status FROM deliveries WHERE day = $1::date AND id BETWEEN $2 AND $3 AND workspace_id = $4',
    [
      page.day,
      idInSeries(page.messageId, page.lo),
      idInSeries(page.messageId, page.hi - 1),
      page.workspaceId,
    ],
  );
  const counts: PageInHand['counts'] = {};
  for (const { status } of rows) counts[status] = (counts[status] ?? 0) + 1;
  return { ids: new Set(rows.map((row) => row.id)), counts };
}

// Plans are kept: for the values at hand they take a millisecond to make, for each window. People are looked up by a list: of a million
// who were chosen by their ids, those of a window lie side by side, and a list goes down the index once where a join would for each.
const OF_PAGE =
  'FROM run_members WHERE day = $2::date AND run_id = $3 AND seq >= $4 AND seq < $5 AND workspace_id = $1';
const MEMBERS = kept(
  'members-of-page',
  `SELECT seq, profile_id AS "profileId", data ${OF_PAGE} ORDER BY seq`,
);
const PEOPLE = kept(
  'people-of-page',
  `SELECT p.id, p.external_id AS "externalId", p.email, p.phone, p.phone_country AS "phoneCountry", p.locale, p.timezone, p.attributes::text,
          CASE WHEN $6 THEN (SELECT json_agg(json_build_object('id', d.id, 'token', d.token, 'platform', d.platform) ORDER BY d.id)
                               FROM devices d WHERE d.workspace_id = $1 AND d.profile_id = p.id) END AS devices
     FROM profiles p WHERE p.workspace_id = $1 AND p.id = ANY(ARRAY(SELECT profile_id ${OF_PAGE}))`,
);

/** Members of a run from one place to before another, with the people they stand for. */
export async function membersOf(sql: Sql, page: PageInHand, from: number, to: number): Promise<Member[]> {
  const which = [page.workspaceId, page.day, page.runId, from, to];
  const [members, people] = await Promise.all([
    sql.query<Omit<Member, 'id' | 'recipient' | 'attributes'>>(MEMBERS, which),
    sql.query<PersonRow>(PEOPLE, [...which, page.channel === 'push']),
  ]);
  const byId = new Map(people.map((person) => [person.id, person]));
  // Field by field: copying the rest of an object takes longer than all that is read here.
  return members.map(({ seq, profileId, data }) => {
    const person = byId.get(profileId);
    return {
      id: idInSeries(page.messageId, seq),
      seq,
      profileId,
      data,
      recipient: person
        ? {
            profileId,
            externalId: person.externalId,
            email: person.email,
            phone: person.phone,
            phoneCountry: person.phoneCountry,
            locale: person.locale,
            timezone: person.timezone,
            devices: person.devices ?? [],
          }
        : null,
      attributes: person?.attributes ?? null,
    };
  });
}

interface PersonRow {
  id: string;
  externalId: string;
  email: string | null;
  phone: string | null;
  phoneCountry: string | null;
  locale: string | null;
  timezone: string | null;
  attributes: string;
  devices: Addressee['devices'] | null;
}
