/** Templates to bytes: pure, no I/O. Used by the dispatcher, the channels, the API (save, preview) and type generation. */
export { compileTemplate, LIMITS, variablesOf } from './engine.js';
export type { Compiled, RenderContext } from './engine.js';
export { pointerOf, TemplateError } from './errors.js';
export type { TemplateErrorCode } from './errors.js';
export { htmlToText } from './mail-text.js';
export { isMjml, mjmlToHtml } from './mjml.js';
export { entityOf } from './output.js';
export { Escaped, Literal, Segments, textBytes } from './segments.js';
export type { Segment, Text } from './segments.js';
export { assertHeaderSafe, HeaderUnsafe, isHeaderSafe, rejectDangerousKeys } from './safety.js';
export { smsSegments, unsafeTextCharacters } from './sms.js';
export type { SmsSegments, UnsafeCharacter } from './sms.js';
export { linksIn, TOKEN_VARIABLE, trackedSource, withUtm } from './tracking.js';
export type { SourceLink, TrackedSource, TrackingMarks } from './tracking.js';
export { isHttpUrl, isSafeUrl, unsafeUrls, withoutUnsafeUrls } from './urls.js';
export type { UnsafeUrl } from './urls.js';
export { missingVariables } from './variables.js';
export type { TemplateVariable } from './variables.js';
