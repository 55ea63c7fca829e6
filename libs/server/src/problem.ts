/**
 * The one way to refuse a request: throw a ProblemException with a code of the contract. The filter turns it, and
 * whatever else goes wrong, into problem+json (RFC 9457).
 */
import { problems, type Problem, type ProblemCode, type ProblemError } from '@carillon/contracts';

export interface ProblemOptions {
  errors?: readonly ProblemError[];
  headers?: Readonly<Record<string, string>>;
  cause?: unknown;
}

/** A refusal the caller can act on. `detail` is a sentence that says what to do instead; it is sent as it is. */
export class ProblemException extends Error {
  override name = 'ProblemException';
  readonly status: number;
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly options: ProblemOptions = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.status = problems[code].status;
  }

  /** The body to send. */
  toProblem(requestId?: string): Problem {
    return problemBody(this.code, this.detail, requestId, this.options.errors);
  }
}

/** For lists of which only who wrote a cursor can tell it: the others are told by the contract (page.ts). */
export function noSuchCursor(): ProblemException {
  const message = 'Send the nextCursor of the page before, as it is.';
  return new ProblemException('invalid_request', `This cursor is not one of ours: ${message}`, {
    errors: [{ pointer: '?cursor', code: 'invalid_cursor', message }],
  });
}

export function problemBody(
  code: ProblemCode,
  detail: string,
  requestId?: string,
  errors?: readonly ProblemError[],
): Problem {
  return {
    type: `urn:carillon:problem:${code}`,
    title: problems[code].title,
    status: problems[code].status,
    code,
    detail,
    ...(requestId === undefined ? {} : { requestId }),
    ...(errors === undefined ? {} : { errors: [...errors] }),
  };
}

/** Nothing of that name in this workspace; the same answer whether it exists elsewhere or not. */
export const notFound = (what: string): ProblemException =>
  new ProblemException('not_found', `There is no ${what} with this id in your workspace.`);
