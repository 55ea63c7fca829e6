/**
 * What can go wrong on the way out. Every failure names the phase it happened in, because the caller decides from it
 * whether the message certainly did not leave or whether its outcome is unknown.
 * The sentences carry no path, header, body or resolved address: they are safe to store and to log.
 */

/**
 * How far a call had come.
 * - `connect`: no byte of the request had been handed to a connection. It certainly did not arrive.
 * - `headers`: the request was handed over, wholly or in part, and no status came back. The outcome is unknown.
 * - `body`: a status came back; its text did not come through whole. `status` says what the other side answered.
 */
export type Phase = 'connect' | 'headers' | 'body';

/** Why a call was refused before anything was contacted. */
export type RefusalReason =
  'malformed_url' | 'scheme' | 'credentials_in_url' | 'port' | 'address' | 'invalid_request';

/** The family of all failures of this library; anything else that is thrown is a bug. */
export abstract class HttpOutError extends Error {
  constructor(
    message: string,
    readonly phase: Phase,
    /** The HTTP status received, known in phase `body` only. */
    readonly status?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }

  /** True when it is certain that the other side did not receive the request. */
  get nothingSent(): boolean {
    return this.phase === 'connect';
  }
}

/** The guard said no. Trying again changes nothing until the URL or the policy changes. */
export class EgressRefused extends HttpOutError {
  constructor(
    readonly reason: RefusalReason,
    sentence: string,
  ) {
    super(sentence, 'connect');
  }
}

/** The time allowed for the whole call ran out. */
export class DeadlineExceeded extends HttpOutError {
  constructor(phase: Phase, deadlineMs: number, status?: number) {
    const waited = { connect: 'a connection', headers: 'an answer', body: 'the rest of the answer' }[phase];
    super(`No luck within ${deadlineMs} ms: still waiting for ${waited}.`, phase, status);
  }
}

/** Name resolution, TCP, TLS or HTTP broke. `code` is Node's or undici's, such as `ECONNREFUSED`. */
export class ConnectionFailed extends HttpOutError {
  constructor(
    phase: Phase,
    readonly code: string,
    status?: number,
    cause?: unknown,
  ) {
    const when = {
      connect: 'could not be made',
      headers: 'broke before an answer came',
      body: 'broke during the answer',
    }[phase];
    super(`The connection ${when} (${code}).`, phase, status, { cause });
  }
}

/** The answer was longer than the caller accepts; reading stopped and the connection was dropped. */
export class AnswerTooLarge extends HttpOutError {
  constructor(
    readonly limit: number,
    status: number,
  ) {
    super(`The answer is longer than ${limit} bytes.`, 'body', status);
  }
}

/** Turns whatever a socket or undici reports into a member of the family above. */
export function asHttpOutError(
  error: unknown,
  phase: Phase,
  deadlineMs: number,
  status?: number,
): HttpOutError {
  if (error instanceof HttpOutError) return error;
  const code = codeOf(error);
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return new DeadlineExceeded('connect', deadlineMs);
  if (code === 'UND_ERR_INVALID_ARG') {
    return new EgressRefused('invalid_request', 'A header, the method or the path is not valid in HTTP.');
  }
  return new ConnectionFailed(phase, code, status, error);
}

/** A connection tried on several addresses fails with an AggregateError; its first member names the cause. */
function codeOf(error: unknown): string {
  const { code, errors } = (error ?? {}) as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : 'UNKNOWN';
}
