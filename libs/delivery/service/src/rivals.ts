/**
 * What else is to come to people, for arbitration: members of campaigns that are under way or about to begin (`upcoming_sends`,
 * written by the scheduling service where a workspace looks ahead), and messages that wait as rows. Read on batches, and only
 * where the workspace's rules ask for it.
 */
import type { Channel, GateRules, MessageClass } from '@carillon/contracts';
import { dayOf, idInSeries, type Sql } from '@carillon/database';
import { DEFAULT_PRIORITY, NOT_BEGUN, type Rival } from '@carillon/delivery-rules';
import { durationMs } from '@carillon/scheduling-rules';

/** By profile. */
export type Rivals = ReadonlyMap<string, readonly Rival[]>;

const DAY_MS = 86_400_000;
/** What waits is kept under the day it was planned for: quiet hours, and their like, hold it back for some. */
const WAITED_DAYS = 3;

/** How far these rules look ahead; 0 where they do not. */
export const lookAheadMs = (rules: Pick<GateRules, 'arbitration' | 'caps'> | undefined): number =>
  rules?.arbitration && rules.caps.length > 0 ? durationMs(rules.arbitration.lookAhead) : 0;

/** @param asked the people, the lowest rank that asks, and how far ahead */
export async function rivalsFor(
  sql: Sql,
  workspaceId: string,
  asked: { profileIds: readonly string[]; lowest: number; aheadMs: number; now: Date },
): Promise<Rivals> {
  const found = new Map<string, Rival[]>();
  if (asked.aheadMs <= 0 || asked.profileIds.length === 0) return found;
  const until = new Date(asked.now.getTime() + asked.aheadMs);
  const [rows, upcoming] = await Promise.all([
    waitingRows(sql, workspaceId, asked, until),
    upcomingOf(sql, workspaceId, asked, until),
  ]);
  for (const { profileId, ...rival } of [...rows, ...upcoming]) {
    const list = found.get(profileId);
    if (list) list.push(rival);
    else found.set(profileId, [rival]);
  }
  return found;
}

type Found = Rival & { profileId: string };

/** Messages that are accepted and have not left: planned for later, held by quiet hours, or about to go. */
async function waitingRows(
  sql: Sql,
  workspaceId: string,
  { profileIds, lowest, now }: { profileIds: readonly string[]; lowest: number; now: Date },
  until: Date,
): Promise<Found[]> {
  const rows = await sql.query<{
    profileId: string;
    messageId: string;
    priority: number;
    at: Date;
    channel: Channel;
    messageClass: MessageClass;
    topic: string | null;
    source: string;
  }>(
    `SELECT d.profile_id AS "profileId", d.message_id AS "messageId", coalesce((m.options->>'priority')::int, ${DEFAULT_PRIORITY}) AS priority,
            coalesce(d.due_at, now()) AS at, d.channel, d.class AS "messageClass", d.topic, d.source
       FROM deliveries d JOIN messages m ON m.day = d.day AND m.id = d.message_id AND m.workspace_id = $1
      WHERE d.day BETWEEN $3::date AND $4::date AND d.workspace_id = $1 AND d.profile_id = ANY($2::uuid[]) AND d.source <> 'test'
        AND d.status IN ('scheduled', 'queued', 'sending') AND d.handed_over_at IS NULL AND coalesce(d.reason, '') <> 'fallback'
        AND (d.due_at IS NULL OR d.due_at <= $5) AND coalesce((m.options->>'priority')::int, ${DEFAULT_PRIORITY}) >= $6`,
    [
      workspaceId,
      profileIds,
      new Date(now.getTime() - WAITED_DAYS * DAY_MS),
      new Date(until.getTime() + DAY_MS),
      until,
      lowest,
    ],
  );
  return rows.map(({ messageId, source, at, ...row }) => ({
    ...row,
    at: at.getTime(),
    order: messageId,
    messageIds: [messageId],
    name: source === 'campaign' ? 'a campaign' : source === 'journey' ? 'a journey' : 'a message',
  }));
}

interface Campaign {
  id: string;
  name: string;
  priority: number;
  channels: Channel[];
  messageClass: MessageClass;
  topic: string | null;
  parts: { channel: Channel; messageId: string; members: number }[] | null;
}
const CAMPAIGNS = `SELECT c.id, c.name, (c.definition->>'priority')::int AS priority, c.definition->'channels' AS channels, c.definition->>'class' AS "messageClass", c.definition->>'topic' AS topic,
          (SELECT json_agg(json_build_object('channel', r.channel, 'messageId', r.message_id, 'members', r.members))
             FROM campaign_parts p JOIN runs r ON r.workspace_id = $1 AND r.id = p.run_id
            WHERE c.state = 'running' AND p.workspace_id = $1 AND p.campaign_id = c.id AND p.no = c.run_no) AS parts
     FROM campaigns c WHERE c.workspace_id = $1 AND c.due_at IS NOT NULL AND c.state IN ('scheduled', 'running') AND (c.definition->>'priority')::int >= $2`;

/** Members of campaigns that have no row in the log yet. */
async function upcomingOf(
  sql: Sql,
  workspaceId: string,
  { profileIds, lowest }: { profileIds: readonly string[]; lowest: number },
  until: Date,
): Promise<Found[]> {
  const campaigns = await sql.query<Campaign>(CAMPAIGNS, [workspaceId, lowest]);
  if (campaigns.length === 0) return [];
  const members = await sql.query<{ campaignId: string; profileId: string; at: Date; messages: number }>(
    `SELECT campaign_id AS "campaignId", profile_id AS "profileId", at, messages FROM upcoming_sends
      WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) AND campaign_id = ANY($3::uuid[]) AND at <= $4`,
    [workspaceId, profileIds, campaigns.map((c) => c.id), until],
  );
  if (members.length === 0) return [];
  const named = new Set(members.map((m) => m.campaignId));
  const parts = campaigns.flatMap((c) =>
    named.has(c.id) ? (c.parts ?? []).map((part) => ({ ...part, campaignId: c.id })) : [],
  );
  const logged = await loggedIn(sql, workspaceId, profileIds, parts);
  const known = new Map(campaigns.map((c) => [c.id, c]));
  return members.flatMap(({ campaignId, profileId, at, messages }) => {
    const c = known.get(campaignId)!;
    return c.channels.flatMap((channel): Found[] => {
      const messageIds = parts
        .filter((p) => p.campaignId === campaignId && p.channel === channel)
        .map((p) => p.messageId)
        .sort();
      const left = messages - (logged.get(`${campaignId} ${channel} ${profileId}`) ?? 0);
      const one = {
        profileId,
        at: at.getTime(),
        channel,
        messageClass: c.messageClass,
        topic: c.topic,
        name: c.name,
        priority: c.priority,
        order: messageIds[0] ?? NOT_BEGUN,
        messageIds,
      };
      return Array.from({ length: Math.max(0, left) }, () => one);
    });
  });
}

/** How many rows these people have in each campaign and channel already. */
async function loggedIn(
  sql: Sql,
  workspaceId: string,
  profileIds: readonly string[],
  parts: readonly { campaignId: string; channel: Channel; messageId: string; members: number }[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const byPart = await Promise.all(
    parts.map((part) =>
      sql.query<{ profileId: string; n: number }>(
        `SELECT profile_id AS "profileId", count(*) AS n FROM deliveries
          WHERE day = $1::date AND workspace_id = $2 AND profile_id = ANY($3::uuid[]) AND id BETWEEN $4 AND $5 GROUP BY 1`,
        [
          dayOf(part.messageId),
          workspaceId,
          profileIds,
          idInSeries(part.messageId, 1),
          idInSeries(part.messageId, Math.max(1, part.members)),
        ],
      ),
    ),
  );
  byPart.forEach((rows, i) => {
    const { campaignId, channel } = parts[i]!;
    for (const { profileId, n } of rows) {
      const key = `${campaignId} ${channel} ${profileId}`;
      counts.set(key, (counts.get(key) ?? 0) + n);
    }
  });
  return counts;
}
