/**
 * Who is to get a campaign, written before it goes out, so that arbitration knows what comes: from the time on that the workspace
 * looks ahead, as its audience stands then, and again when it is frozen. Nothing is written where nobody looks ahead.
 */
import { asAWhole } from '@carillon/audience-service';
import type { Sql } from '@carillon/database';
import { lookAheadMs, readGate } from '@carillon/delivery-service';
import { ProblemException } from '@carillon/server';
import { CannotRun, membersOf, peopleOf } from './campaign-audience.js';
import type { CampaignRow } from './campaign-rows.js';

/** How often a campaign that waits for its time is looked at: its audience changes. */
export const FORESEE_MS = 3_600_000;
/** A million people are one statement. */
const MOST_MS = 600_000;

/** Of a campaign whose time has not come. */
export async function foresee(
  sql: Sql,
  workspaceId: string,
  campaign: CampaignRow,
  now: Date,
): Promise<void> {
  const { id, definition, startsAt, report } = campaign;
  const { rules } = await readGate(sql, workspaceId);
  const ahead = lookAheadMs(rules);
  if (ahead === 0 || !startsAt || startsAt.getTime() - now.getTime() > ahead + FORESEE_MS) return;
  try {
    await asAWhole(sql, MOST_MS);
    const people = await peopleOf(sql, workspaceId, definition, report?.audiences);
    const { text, params, timed } = await membersOf(sql, workspaceId, definition, people, {
      salt: id,
      slice: { variant: null, test: null },
      startsAt,
    });
    const [w, c, at] = [1, 2, 3].map((n) => `$${params.length + n}`);
    await forget(sql, workspaceId, id);
    await sql.execute(
      `INSERT INTO upcoming_sends (workspace_id, profile_id, campaign_id, at, messages)
       SELECT ${w}::uuid, profile_id, ${c}::uuid, greatest(${at}::timestamptz, ${timed ? 'min(at)' : 'NULL'}), count(*) FROM (${text}) AS m GROUP BY profile_id`,
      [...params, workspaceId, id, startsAt],
    );
  } catch (error) {
    // An audience that is not there any more is for the start to tell.
    if (!(error instanceof ProblemException || error instanceof CannotRun)) throw error;
  }
}

/** Of a run that has been frozen: as it was. */
export async function foreseeFrozen(sql: Sql, workspaceId: string, id: string, no: number): Promise<void> {
  const { rules } = await readGate(sql, workspaceId);
  if (lookAheadMs(rules) === 0) return;
  await forget(sql, workspaceId, id);
  await sql.execute(
    // OFFSET 0 keeps each page's members a range of the primary key: joined, every member would be held against every page.
    `INSERT INTO upcoming_sends (workspace_id, profile_id, campaign_id, at, messages)
     SELECT $1::uuid, profile_id, $2::uuid, min(at), max(messages) FROM (
       SELECT m.profile_id, r.channel, min(coalesce(g.lease_until, now())) AS at, count(*) AS messages
         FROM campaign_parts p JOIN runs r ON r.workspace_id = $1 AND r.id = p.run_id
         JOIN pages g ON g.run_id = r.id AND g.workspace_id = $1
        CROSS JOIN LATERAL (SELECT profile_id FROM run_members
           WHERE day = r.day AND run_id = r.id AND seq >= g.lo AND seq < g.hi AND workspace_id = $1 OFFSET 0) AS m
        WHERE p.workspace_id = $1 AND p.campaign_id = $2 AND p.no = $3 GROUP BY 1, 2) AS by_channel
      GROUP BY profile_id`,
    [workspaceId, id, no],
  );
}

/** It does not come, or has gone. */
export const forget = (sql: Sql, workspaceId: string, id: string): Promise<number> =>
  sql.execute('DELETE FROM upcoming_sends WHERE workspace_id = $1 AND campaign_id = $2', [workspaceId, id]);
