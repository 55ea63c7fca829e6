/**
 * Calls to the API with the token of one profile. A token that has expired is asked for again, once per call and once
 * for all calls that meet it. Says what went wrong as an InboxError; whoever calls decides what to do about it.
 */

const TIMEOUT_MS = 15_000;

/** The token, or how to get one from your server. A function is called again whenever the token has expired. */
export type TokenSource = string | (() => string | Promise<string>);

/** Something between the page and the inbox went wrong. `message` is a sentence. */
export class InboxError extends Error {
  override name = 'InboxError';
  constructor(
    message: string,
    /** The API's code, like `unauthenticated`; `network` when there was no answer; `token` when none could be had. */
    readonly code: string,
    /** Whether the same may work in a moment. */
    readonly passing: boolean,
    /** How long the server asked to wait. */
    readonly retryAfterMs: number | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface RequestOptions {
  /** Where Carillon answers, like `https://carillon.example.com`. Left out: where the page came from. */
  baseUrl?: string;
  token: TokenSource;
  /** For tests and old runtimes. */
  fetch?: typeof fetch;
}

export class Requests {
  readonly #base: string;
  readonly #source: TokenSource;
  readonly #fetch: typeof fetch;
  #token: Promise<string> | undefined;

  constructor({ baseUrl = '', token, fetch: given }: RequestOptions) {
    this.#base = baseUrl.replace(/\/+$/, '');
    this.#source = token;
    // Bound late, because browsers refuse a fetch that is called as somebody's method.
    this.#fetch = given ?? ((...args) => fetch(...args));
  }

  /** @throws InboxError */
  get<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#call<T>(path, { signal: signal ?? null });
  }

  /** Goes on when the page is left. @throws InboxError */
  post<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    return this.#call<T>(path, {
      method: 'POST',
      keepalive: true,
      signal: signal ?? null,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  }

  /** An open stream. Its ticket stands in the address, so no token may. @throws InboxError */
  async stream(ticket: string, lastSeq: number | null, signal: AbortSignal): Promise<Response> {
    const response = await this.#send(`/v1/inbox/stream?ticket=${encodeURIComponent(ticket)}`, {
      signal,
      cache: 'no-store',
      headers: {
        accept: 'text/event-stream',
        ...(lastSeq === null ? {} : { 'last-event-id': `${lastSeq}` }),
      },
    });
    if (response.ok) return response;
    const error = await refusal(response);
    // Browsers repeat a GET that broke, and the ticket is used up: another one will do.
    throw response.status === 401 ? new InboxError(error.message, error.code, true) : error;
  }

  async #call<T>(path: string, init: RequestInit): Promise<T> {
    const patience = AbortSignal.timeout(TIMEOUT_MS);
    const signal = init.signal ? AbortSignal.any([init.signal, patience]) : patience;
    for (let first = true; ; first = false) {
      const token = await (this.#token ??= this.#askForToken());
      const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
      const response = await this.#send(path, { ...init, headers, signal });
      if (response.ok) return (await response.json()) as T;
      if (response.status !== 401 || !first || typeof this.#source === 'string')
        throw await refusal(response);
      // Others may have met the same and asked already.
      if ((await this.#token) === token) this.#token = undefined;
    }
  }

  #askForToken(): Promise<string> {
    const source = this.#source;
    const asking = (async () => (typeof source === 'string' ? source : source()))().catch(
      (error: unknown) => {
        if (this.#token === asking) this.#token = undefined;
        throw error instanceof InboxError
          ? error
          : new InboxError('Your page could not get an inbox token from its server.', 'token', true, null, {
              cause: error,
            });
      },
    );
    return asking;
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(`${this.#base}${path}`, { credentials: 'omit', ...init });
    } catch (cause) {
      throw new InboxError('The inbox cannot be reached right now.', 'network', true, null, { cause });
    }
  }
}

/** What the answer says went wrong. */
async function refusal(response: Response): Promise<InboxError> {
  const { code, detail } = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const passing = response.status >= 500 || response.status === 429 || response.status === 408;
  const seconds = Number(response.headers.get('retry-after'));
  return new InboxError(
    detail ?? `The inbox answered ${response.status}.`,
    code ?? `http_${response.status}`,
    passing,
    seconds > 0 ? seconds * 1000 : null,
  );
}
