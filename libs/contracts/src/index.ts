/** The words as types and zod schemas. Depends on zod alone; imported by every other library, bundled into the SDK. */
export * from './words.js';
export * from './queues.js';
export * from './content.js';
export * from './problem.js';
export * from './page.js';
export * from './profiles.js';
export * from './messages.js';
export * from './deliveries.js';
export * from './desk.js';
export * from './templates.js';
export * from './accounts.js';
export * from './retry.js';
export * from './inbox.js';
export * from './lanes.js';
export * from './webhooks.js';
export * from './workspace.js';
export * from './operations.js';
