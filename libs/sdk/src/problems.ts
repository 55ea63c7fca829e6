/**
 * What can go wrong, as classes: an answer of the API that is not a success (ApiProblem and its kinds), no answer at
 * all (ConnectionError), none in time (TimeoutError). `code` is stable and meant for switching on; messages are
 * sentences for people and may change.
 */
import type { Problem, ProblemCode, ProblemError } from '@carillon/contracts';

/** The root of everything this client throws, except an abort by the caller, which throws the signal's reason. */
export class CarillonError extends Error {
  override name = 'CarillonError';
}

/** The server could not be reached, or the connection broke. A message may have been accepted: same key, try again. */
export class ConnectionError extends CarillonError {
  override name = 'ConnectionError';
}

/** No answer in time. As with ConnectionError, the request may have been carried out. */
export class TimeoutError extends CarillonError {
  override name = 'TimeoutError';
}

/** `unexpected_answer`: something answered, but not in Carillon's way (a proxy, a wrong address). */
export type ApiProblemCode = ProblemCode | 'unexpected_answer';

/** The API refused or failed: RFC 9457 problem+json as an error. */
export class ApiProblem extends CarillonError {
  override name = 'ApiProblem';
  /** Stable; see `problems` in the API reference. */
  readonly code: ApiProblemCode;
  /** HTTP status. */
  readonly status: number;
  /** What happened, in a sentence. */
  readonly detail: string;
  /** Which fields were wrong (JSON pointers), and what to write instead. Empty when no field is to blame. */
  readonly errors: readonly ProblemError[];
  /** Quote it when asking the operator. */
  readonly requestId: string | undefined;
  /** Milliseconds that the server asked to wait before the next try. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: ProblemFacts) {
    const errors = problem.errors ?? [];
    // The detail names the first field already.
    const fields = errors.length > 1 ? errors.map((e) => `\n  ${e.pointer || '/'}: ${e.message}`) : [];
    super(problem.detail + fields.join(''));
    this.code = problem.code;
    this.status = problem.status;
    this.detail = problem.detail;
    this.errors = errors;
    this.requestId = problem.requestId;
    this.retryAfterMs = problem.retryAfterMs;
  }
}
export type ProblemFacts = Pick<Problem, 'status' | 'detail' | 'errors' | 'requestId'> & {
  code: ApiProblemCode;
  retryAfterMs?: number | undefined;
};

/** 400, 413, 415, 422: the request cannot be right as it is; see `errors`. */
export class ValidationProblem extends ApiProblem {
  override name = 'ValidationProblem';
}
/** 401: no key, a wrong or revoked key, a session that ended. */
export class AuthenticationProblem extends ApiProblem {
  override name = 'AuthenticationProblem';
}
/** 403: the key lacks a scope, the role lacks a right. */
export class ForbiddenProblem extends ApiProblem {
  override name = 'ForbiddenProblem';
}
/** 404: not there, or in another workspace. */
export class NotFoundProblem extends ApiProblem {
  override name = 'NotFoundProblem';
}
/** 409: it has changed, has left, or is being handled. */
export class ConflictProblem extends ApiProblem {
  override name = 'ConflictProblem';
}
/** 422: the idempotency key was used before with another body. Use one key per message. */
export class IdempotencyMismatchProblem extends ApiProblem {
  override name = 'IdempotencyMismatchProblem';
}
/** 429 that outlasted the retries. */
export class RateLimitedProblem extends ApiProblem {
  override name = 'RateLimitedProblem';
  declare readonly retryAfterMs: number;
  constructor(problem: ProblemFacts) {
    super({ ...problem, retryAfterMs: problem.retryAfterMs ?? 1000 });
  }
}
/** 5xx: the fault is on the server's side. */
export class ServerProblem extends ApiProblem {
  override name = 'ServerProblem';
}

/** Picks the class of a problem: by its code where the code says more than the status. */
export function problemFrom(facts: ProblemFacts): ApiProblem {
  if (facts.code === 'idempotency_mismatch') return new IdempotencyMismatchProblem(facts);
  if (facts.status >= 500) return new ServerProblem(facts);
  switch (facts.status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return new ValidationProblem(facts);
    case 401:
      return new AuthenticationProblem(facts);
    case 403:
      return new ForbiddenProblem(facts);
    case 404:
      return new NotFoundProblem(facts);
    case 409:
      return new ConflictProblem(facts);
    case 429:
      return new RateLimitedProblem(facts);
    default:
      return new ApiProblem(facts);
  }
}
