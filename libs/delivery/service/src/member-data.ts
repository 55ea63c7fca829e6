/**
 * What one person's message of a run says beside what all of them say: a run may hold several messages to one person,
 * one per order. The page has it at hand; this is for deliveries of runs that go the ordinary way (retries, and what had
 * to wait) and for looking at them later.
 */
import { placeInSeries, type Sql } from '@carillon/database';

interface Ref {
  day: string;
  id: string;
  messageId: string;
}
/** The delivery's id lies in the series that its message begins. */
const isOfRun = ({ id, messageId }: Ref): boolean =>
  placeInSeries(messageId) === 0 && id.slice(0, 28) === messageId.slice(0, 28);

/** By delivery id; those that say nothing of their own are left out. */
export async function memberDataOf(
  sql: Sql,
  workspaceId: string,
  deliveries: readonly Ref[],
): Promise<Map<string, Record<string, unknown>>> {
  const ofRuns = deliveries.filter(isOfRun);
  if (ofRuns.length === 0) return new Map();
  const rows = await sql.query<{ id: string; data: Record<string, unknown> }>(
    `SELECT u.id, m.data FROM unnest($2::uuid[], $3::date[], $4::uuid[], $5::int[]) AS u(id, day, message_id, seq)
       JOIN runs r ON r.workspace_id = $1 AND r.message_id = u.message_id
       JOIN run_members m ON m.day = u.day AND m.run_id = r.id AND m.seq = u.seq AND m.workspace_id = $1 WHERE m.data IS NOT NULL`,
    [
      workspaceId,
      ofRuns.map((d) => d.id),
      ofRuns.map((d) => d.day),
      ofRuns.map((d) => d.messageId),
      ofRuns.map((d) => placeInSeries(d.id)),
    ],
  );
  return new Map(rows.map((row) => [row.id, row.data]));
}
