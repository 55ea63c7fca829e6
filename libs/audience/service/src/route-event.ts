/**
 * Learns from delivery events: a hard bounce and a complaint suppress the address, failures that may pass are counted, an
 * unsubscribe is a word of consent.
 * Works `route-event`; each event may come twice and changes nothing the second time.
 */
import { Controller } from '@nestjs/common';
import type { Channel, DeliveryEventType, PayloadOf, ReasonName } from '@carillon/contracts';
import { Database, dayOf, type Sql } from '@carillon/database';
import { Work, type WorkContext } from '@carillon/queue';
import { recordConsents, type NewConsent } from './consent.js';
import { noteBounces, type Bounce } from './soft-bounces.js';
import { suppressAddresses, type NewSuppression } from './suppression.js';

/** Failures that say the address is bad for good, not this message. */
const hard: readonly ReasonName[] = ['bounced', 'recipient_unknown'];
/** Failures that say that the address did not take it today. */
const soft: readonly ReasonName[] = ['recipient_unreachable', 'retries_exhausted'];
/** Push tokens are removed instead, and an inbox has no address. */
const addressed: readonly Channel[] = ['email', 'sms'];

interface Event {
  deliveryId: string;
  workspaceId: string;
  type: DeliveryEventType;
  reason: ReasonName | null;
  channel: Channel;
  address: string | null;
  profileId: string | null;
  topic: string | null;
}

@Controller()
export class RouteEventController {
  constructor(private readonly database: Database) {}

  @Work('route-event')
  async route({ eventIds }: PayloadOf<'route-event'>, _context: WorkContext): Promise<void> {
    const events = await this.database.acrossWorkspaces((sql) => readEvents(sql, eventIds));
    for (const workspaceId of new Set(events.map((event) => event.workspaceId))) {
      const mine = events.filter((event) => event.workspaceId === workspaceId);
      await this.database.inWorkspace(workspaceId, async (sql) => {
        await suppressAddresses(sql, workspaceId, mine.flatMap(suppressionOf));
        await noteBounces(sql, workspaceId, mine.flatMap(bounceFrom));
        await recordConsents(sql, workspaceId, mine.flatMap(consentFrom));
      });
    }
  }
}

/** @param eventIds `<delivery id>:<event id>`; what is not there any more is left out */
function readEvents(sql: Sql, eventIds: readonly string[]): Promise<Event[]> {
  const ids = eventIds.flatMap((id) => {
    const parts = /^([0-9a-f-]{36}):(\d{1,18})$/.exec(id);
    return parts?.[1] && parts[2] ? [{ delivery: parts[1], event: parts[2], day: dayOf(parts[1]) }] : [];
  });
  return sql.query<Event>(
    `SELECT d.id AS "deliveryId", e.workspace_id AS "workspaceId", e.type, e.reason, d.channel, d.address, d.profile_id AS "profileId", d.topic
     FROM unnest($1::date[], $2::uuid[], $3::bigint[]) AS u(day, delivery_id, id)
     JOIN delivery_events e ON e.day = u.day AND e.delivery_id = u.delivery_id AND e.id = u.id
     JOIN deliveries d ON d.day = u.day AND d.id = u.delivery_id`,
    [ids.map((id) => id.day), ids.map((id) => id.delivery), ids.map((id) => id.event)],
  );
}

function suppressionOf({ type, reason, channel, address }: Event): NewSuppression[] {
  if (address === null || !addressed.includes(channel)) return [];
  if (type === 'complained') return [{ channel, address, reason: 'complained', source: 'provider' }];
  return type === 'failed' && reason !== null && hard.includes(reason)
    ? [{ channel, address, reason: 'hard_bounced', source: 'provider' }]
    : [];
}

function bounceFrom({ deliveryId, type, reason, channel, address, profileId }: Event): Bounce[] {
  const counts = type === 'failed' && reason !== null && soft.includes(reason);
  return counts && address !== null && addressed.includes(channel)
    ? [{ deliveryId, channel, address, profileId }]
    : [];
}

function consentFrom({ type, channel, address, profileId, topic }: Event): NewConsent[] {
  if (type !== 'unsubscribed') return [];
  // STOP by SMS is a word to the sender, not about a topic.
  const about = channel === 'sms' ? '' : (topic ?? 'marketing');
  return [{ channel, address, profileId, topic: about, word: 'out', source: 'provider' }];
}
