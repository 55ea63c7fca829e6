/**
 * Every queue, its payload and the one service that works it. Payloads hold ids only (never an address, a body or
 * a secret) and a version `v`; a worker parks what it does not know. Add a queue here first: boot compares handlers
 * with this table.
 */
import { z } from 'zod';
import { channels, lanes, type Channel, type Lane } from './words.js';

/** A list of deliveries on one channel and lane, due now. Coalesced: one job may carry many. */
export const DeliverPayload = z.object({ v: z.literal(1), deliveryIds: z.array(z.uuid()).min(1).max(1000) });
/** A page of a run: its members are in the rows. The bulk lanes carry these beside lists of deliveries. */
export const PagePayload = z.object({ v: z.literal(1), pageId: z.uuid() });
export const BulkPayload = z.union([DeliverPayload, PagePayload]);
/** Things that happened and that the audience service must know of (ids of delivery events, see database). */
export const RouteEventPayload = z.object({
  v: z.literal(1),
  eventIds: z.array(z.string()).min(1).max(1000),
});

/** Imports that were started: their files and options are in rows. */
export const ImportPayload = z.object({ v: z.literal(1), importIds: z.array(z.uuid()).min(1).max(1000) });

type DeliverQueue = `deliver-${Channel}-${Lane}`;
export type BulkQueue = `deliver-${Channel}-bulk`;
export const deliverQueue = (channel: Channel, lane: Lane): DeliverQueue => `deliver-${channel}-${lane}`;
export const bulkQueue = (channel: Channel): BulkQueue => `deliver-${channel}-bulk`;

export type Service = `dispatcher-${Channel}` | 'audience' | 'scheduling' | 'api';
export interface QueueContract<P extends z.ZodType = z.ZodType> {
  payload: P;
  workedBy: Service;
  /** How many jobs one worker of this queue handles at a time. */
  concurrency: number;
}
const deliverQueues = Object.fromEntries(
  channels.flatMap((channel) =>
    lanes.map((lane) => [
      deliverQueue(channel, lane),
      {
        payload: lane === 'bulk' ? BulkPayload : DeliverPayload,
        workedBy: `dispatcher-${channel}`,
        // Two pages leave at once, and the third is read meanwhile (PageDeliverer). Jobs of the other lanes are small, and gather where
        // they are worked (Deliverer).
        concurrency: lane === 'bulk' ? 3 : 8,
      },
    ]),
  ),
) as Record<Exclude<DeliverQueue, BulkQueue>, QueueContract<typeof DeliverPayload>> &
  Record<BulkQueue, QueueContract<typeof BulkPayload>>;

export const queues = {
  ...deliverQueues,
  'route-event': { payload: RouteEventPayload, workedBy: 'audience', concurrency: 2 } as QueueContract<
    typeof RouteEventPayload
  >,
  'import-profiles': { payload: ImportPayload, workedBy: 'audience', concurrency: 2 } as QueueContract<
    typeof ImportPayload
  >,
};
export type QueueName = keyof typeof queues;
export type PayloadOf<Q extends QueueName> = z.infer<(typeof queues)[Q]['payload']>;
export const queueNames = Object.keys(queues) as QueueName[];
export const queuesOf = (service: Service): QueueName[] =>
  queueNames.filter((name) => queues[name].workedBy === service);
