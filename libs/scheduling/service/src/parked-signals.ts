/** What happened to people and could not be taken: kept with the reason until somebody has it tried again, or leaves it out. */
import { amongWriters } from '@carillon/audience-service';
import { waysOut, type ParkedSignal } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { holding, Versions, Work } from './journey-work.js';

/** Those of a paused journey are held too, and have no problem. */
const PARKED = `s.held AND s.payload ? 'problem'`;

/** The oldest first. */
export async function parkedSignals(
  sql: Sql,
  workspaceId: string,
  { after, limit }: { after: string | undefined; limit: number },
): Promise<ParkedSignal[]> {
  const rows = await sql.query<
    Omit<ParkedSignal, 'profile' | 'at'> & { profileId: string; externalId: string; at: Date }
  >(
    `SELECT s.id::text, s.profile_id AS "profileId", p.external_id AS "externalId", s.kind, s.name, s.ref, s.payload->>'problem' AS reason, s.at
       FROM journey_signals s JOIN profiles p ON p.workspace_id = s.workspace_id AND p.id = s.profile_id
      WHERE s.workspace_id = $1 AND ${PARKED} AND ($2::bigint IS NULL OR s.id > $2) ORDER BY s.id LIMIT $3`,
    [workspaceId, after ?? null, limit],
  );
  return rows.map(({ profileId, externalId, at, ...row }) => ({
    ...row,
    profile: { id: profileId, externalId },
    at: at.toISOString(),
  }));
}

/** @returns whether it was there */
export const retrySignal = async (sql: Sql, workspaceId: string, id: string): Promise<boolean> =>
  (await sql.execute(
    `UPDATE journey_signals s SET held = false, tries = 0, payload = payload - 'problem' WHERE s.workspace_id = $1 AND s.id = $2 AND ${PARKED}`,
    [workspaceId, id],
  )) > 0;

/** @returns whether it was there */
export const skipSignal = async (sql: Sql, workspaceId: string, id: string): Promise<boolean> =>
  (await sql.execute(`DELETE FROM journey_signals s WHERE s.workspace_id = $1 AND s.id = $2 AND ${PARKED}`, [
    workspaceId,
    id,
  ])) > 0;

const ONE_PARKED = holding('parked', `AND e.journey_id = $2 AND e.id = $3 AND e.state = 'parked' FOR UPDATE`);
/** Who was parked goes on after the step that failed, by the way it mostly takes. @returns whether they were parked */
export async function skipStep(
  sql: Sql,
  workspaceId: string,
  journeyId: string,
  id: string,
): Promise<boolean> {
  await amongWriters(sql, workspaceId);
  const versions = new Versions();
  const work = new Work(workspaceId, new Date(), versions);
  const [row] = await work.hold(sql, ONE_PARKED, [journeyId, id]);
  // Which step comes after it cannot be known where its version cannot be read.
  if (!row || !versions.reads(journeyId, row.version)) return false;
  const step = row.definition.steps[row.step];
  const ways = step ? waysOut(step) : [];
  const on = ways.find(({ way }) => way === 'next') ?? ways.find(({ way }) => way === 'otherwise') ?? ways[0];
  const detail = { reason: row.reason };
  row.state = 'inside';
  row.reason = null;
  work.move(row, { kind: 'go', way: 'skipped', next: on?.next ?? null, detail });
  await work.write(sql);
  return true;
}
