/**
 * What people write back. A keyword of consent is committed before the provider gets its answer; any text is a line
 * `replied` on the timeline of the last message that went to them on the channel.
 */
import { takeInboundSms } from '@carillon/audience-service';
import { dayOf, type Sql } from '@carillon/database';
import type { Inbound } from '@carillon/delivery-rules';

/** Of what somebody wrote, in the timeline. */
const MOST_TEXT = 500;
/** A reply belongs to a message of the last days, or to none. */
const DAYS = 14;

export interface TakenInbound {
  /** What is to be answered; null for nothing. */
  reply: string | null;
  deliveryIds: string[];
  /** For the queue `route-event`: `<delivery id>:<event id>`. */
  eventIds: string[];
}

export async function takeInbound(sql: Sql, workspaceId: string, inbound: Inbound): Promise<TakenInbound> {
  const { keyword, reply } = await takeInboundSms(sql, workspaceId, inbound);
  const [last] = await sql.query<{ id: string }>(
    `SELECT d.id FROM profiles p
     JOIN LATERAL (
       SELECT id, day FROM deliveries
       WHERE day >= (now() AT TIME ZONE 'UTC')::date - ${DAYS} AND workspace_id = $1 AND profile_id = p.id AND channel = 'sms' AND status IN ('sent', 'delivered', 'unknown')
       ORDER BY id DESC LIMIT 1
     ) d ON true
     WHERE p.workspace_id = $1 AND p.phone = $2 ORDER BY d.id DESC LIMIT 1`,
    [workspaceId, inbound.from],
  );
  if (!last) return { reply, deliveryIds: [], eventIds: [] };
  const detail = { message: inbound.text.slice(0, MOST_TEXT), ...(keyword && { keyword }), id: inbound.id };
  const lines = await sql.query<{ id: number }>(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, detail)
     SELECT $1::date, $2, $3, 'replied', $4::jsonb
     WHERE NOT EXISTS (SELECT FROM delivery_events WHERE day = $1::date AND delivery_id = $2 AND type = 'replied' AND detail->>'id' = $5)
     RETURNING id`,
    [dayOf(last.id), last.id, workspaceId, JSON.stringify(detail), inbound.id],
  );
  return { reply, deliveryIds: [last.id], eventIds: lines.map(({ id }) => `${last.id}:${id}`) };
}
