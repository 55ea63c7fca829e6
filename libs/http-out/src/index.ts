/** The one way out: guarded HTTP requests, agents and sockets. See http-out.ts for the promises. */
export { createHttpOut } from './http-out.js';
export type { HttpAnswer, HttpOut, HttpOutOptions, HttpRequest } from './http-out.js';
export { AnswerTooLarge, ConnectionFailed, DeadlineExceeded, EgressRefused, HttpOutError } from './errors.js';
export type { Phase, RefusalReason } from './errors.js';
export { createGuard, hostsOfTenants, refusedAddress, systemResolver } from './guard.js';
export type { EgressPolicy, Guard, Resolver } from './guard.js';
export { textRecords } from './text-records.js';
