/** Events are kept by the month in which they happened: months are made when needed, and dropped as a whole. */
import { EVENT_KEY_DAYS } from '@carillon/contracts';
import type { Database } from '@carillon/database';

/** Keys that are forgotten by one statement. */
const SLICE = 20_000;
const DAY_MS = 86_400_000;

/** Makes the months of these times. */
export async function ensureEventMonths(database: Database, times: readonly Date[]): Promise<void> {
  const months = [...new Set(times.map((time) => `${time.toISOString().slice(0, 7)}-01`))];
  for (const month of months)
    await database.acrossWorkspaces((sql) =>
      sql.query('SELECT ensure_event_months($1::date, $1::date)', [month]),
    );
}

export interface EventsKept {
  /** Months that were dropped. */
  months: number;
  /** Keys that were forgotten. */
  keys: number;
}

/** Called by the clock: makes this month and the next, drops months past their retention, forgets old keys. */
export async function keepEvents(
  database: Database,
  keepDays: number,
  now = new Date(),
): Promise<EventsKept> {
  await ensureEventMonths(database, [now, new Date(now.getTime() + 31 * DAY_MS)]);
  const [row] = await database.acrossWorkspaces((sql) =>
    sql.query<{ gone: number }>('SELECT drop_old_event_months($1) AS gone', [keepDays]),
  );
  let keys = 0;
  for (let gone = SLICE; gone === SLICE; keys += gone)
    gone = await database.acrossWorkspaces((sql) =>
      sql.execute(
        `DELETE FROM event_keys WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM event_keys WHERE created_at < $1::timestamptz - make_interval(days => $2) LIMIT $3))`,
        [now, EVENT_KEY_DAYS, SLICE],
      ),
    );
  return { months: row?.gone ?? 0, keys };
}
