/** Pure rules of a delivery's life: no I/O, time and randomness are arguments. */
export * from './outcome.js';
export * from './channel.js';
export * from './after-attempt.js';
export * from './choose-account.js';
export * from './breaker.js';
export * from './rate-limit.js';
export * from './after-webhook.js';
export * from './transitions.js';
export * from './reconcile.js';
export * from './cause.js';
export * from './quiet-hours.js';
export * from './caps.js';
export * from './holdout.js';
export * from './gate.js';
export * from './explain.js';
export * from './rendering.js';
export * from './fair-share.js';
