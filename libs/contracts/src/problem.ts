/** Errors on HTTP: RFC 9457 problem+json with a stable code, a JSON pointer and a sentence that says what to write instead. */
import { z } from 'zod';

/** Stable codes. A code never changes its meaning; clients may switch on it. */
export const problems = {
  invalid_request: { status: 422, title: 'The request is not valid' },
  malformed_request: { status: 400, title: 'The request is not well-formed' },
  malformed_json: { status: 400, title: 'The body is not JSON' },
  method_not_allowed: { status: 405, title: 'This address does not take that method' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  body_too_large: { status: 413, title: 'The body is too large' },
  unauthenticated: { status: 401, title: 'No valid credentials' },
  forbidden: { status: 403, title: 'These credentials may not do this' },
  csrf: { status: 403, title: 'The request did not come from the dashboard' },
  not_found: { status: 404, title: 'There is no such thing' },
  conflict: { status: 409, title: 'It has changed in the meantime' },
  already_left: { status: 409, title: 'It has already left or ended' },
  idempotency_in_flight: { status: 409, title: 'The same request is being handled right now' },
  idempotency_mismatch: { status: 422, title: 'This idempotency key was used with another body' },
  rule_too_costly: { status: 422, title: 'The rule takes too long to evaluate' },
  backlog_full: { status: 429, title: 'Too much of this workspace waits to be sent' },
  rate_limited: { status: 429, title: 'Too many requests' },
  webhook_refused: { status: 401, title: 'The webhook is not authentic' },
  overloaded: { status: 503, title: 'More waits than this installation takes' },
  storage_full: { status: 503, title: 'The disk is full' },
  unavailable: { status: 503, title: 'Not available right now' },
  internal: { status: 500, title: 'Something went wrong on our side' },
} as const satisfies Record<string, { status: number; title: string }>;
export type ProblemCode = keyof typeof problems;

export const ProblemError = z.object({
  pointer: z.string().describe('JSON pointer into the body (RFC 6901), or ?name for a query parameter.'),
  code: z.string(),
  message: z.string().describe('What was wrong and what to write instead.'),
});
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    code: z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    requestId: z.string().optional(),
    errors: z.array(ProblemError).optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
export type ProblemError = z.infer<typeof ProblemError>;
