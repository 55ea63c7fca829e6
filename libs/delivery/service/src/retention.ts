/**
 * How long the log is kept. Whole days are dropped, which costs the same whatever they hold; never one in which something
 * still waits. Inbox items are deleted in slices. Called by the clock.
 */
import type { Database } from '@carillon/database';

const SLICE = 5_000;
const LOCK_NOT_AVAILABLE = '55P03';

export interface Dropped {
  /** Days of the log, oldest first. */
  days: string[];
  inboxItems: number;
  /** Somebody held the log for longer than everybody else should wait: the rest goes the next time. */
  busy: boolean;
}

/** @param keepDays full UTC days before today */
export async function dropOld(database: Database, keepDays: number, now = new Date()): Promise<Dropped> {
  const dropped: Dropped = { days: [], inboxItems: 0, busy: false };
  try {
    // A transaction per day: the locks of one are short.
    for (
      let day = await dropOldestDay(database, keepDays);
      day;
      day = await dropOldestDay(database, keepDays)
    )
      dropped.days.push(day);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE)) throw error;
    dropped.busy = true;
  }
  const oldest = new Date(now.getTime() - keepDays * 86_400_000).toISOString().slice(0, 10);
  await database.acrossWorkspaces((sql) =>
    sql.execute('DELETE FROM engagements WHERE day < $1::date', [oldest]),
  );
  await database.acrossWorkspaces((sql) =>
    sql.execute('DELETE FROM unread_bounces WHERE received_at < $1::date', [oldest]),
  );
  // Ids rise with time, so the oldest lie together and are found by the primary key.
  const border = firstIdOf(new Date(now.getTime() - keepDays * 86_400_000));
  for (let gone = SLICE; gone === SLICE; dropped.inboxItems += gone)
    gone = await database.acrossWorkspaces((sql) =>
      sql.execute(
        'DELETE FROM inbox_items WHERE id IN (SELECT id FROM inbox_items WHERE id < $1::uuid ORDER BY id LIMIT $2)',
        [border, SLICE],
      ),
    );
  return dropped;
}

function dropOldestDay(database: Database, keepDays: number): Promise<string | null> {
  return database.acrossWorkspaces(async (sql) => {
    const [row] = await sql.query<{ day: string | null }>('SELECT drop_oldest_day($1)::text AS day', [
      keepDays,
    ]);
    return row?.day ?? null;
  });
}

/** No id made at that time or later is smaller. */
function firstIdOf(time: Date): string {
  const hex = time.getTime().toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
