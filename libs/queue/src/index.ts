/** Queues: the only importer of bullmq. Typed sending, and the Nest transport that works them. */
export { queueBackend, type QueueBackend, type QueueBackendOptions } from './backend.js';
export { migrateQueues } from './migrate.js';
export { Queues, type OfferCounts, type QueueDepth } from './queues.js';
export type { ListQueue, Unstamped } from './payload.js';
export { Work, workController, type WorkContext } from './work.js';
export { BoundedLog } from './bounded-log.js';
export { endsWithin, LAST_WORDS_MS } from './ends-within.js';
export { BullServer, type BullServerOptions } from './bull-server.js';
export { BullClient } from './bull-client.js';
export { QueueModule } from './queue.module.js';
export { checkHandlers } from './check-handlers.js';
export type { Watchdog } from './queue-worker.js';
export { queueFloor, type QueueFloor } from './floor.js';
