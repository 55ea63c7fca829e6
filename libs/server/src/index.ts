/** Start-up shared by all services: operations, credentials, problems, health, logs, shutdown. Not business. */
export { Operation, Public } from './operation.js';
export type { Call, Result, StreamEvent } from './operation.js';
export type { Caller, CallerOf, InboxCaller, KeyCaller, UserCaller } from './caller.js';
export { notFound, ProblemException } from './problem.js';
export type { ProblemOptions } from './problem.js';
export { csvLine } from './csv.js';
export { faultIn, parseJson } from './json.js';
export { errorsOf } from './sentences.js';
export { mintInboxToken, verifyInboxToken } from './inbox-token.js';
export { newApiKey } from './api-keys.js';
export type { NewApiKey } from './api-keys.js';
export { hashPassword } from './passwords.js';
export { allowPage } from './security-headers.js';
export { openApi } from './openapi.js';
export type { OpenApiDocument } from './openapi.js';
export { runApi, runService, startApi, startWorker } from './service.js';
export type { ApiOptions, Running, ServiceOptions } from './service.js';
export { untilStopped } from './until-stopped.js';
