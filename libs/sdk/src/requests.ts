/**
 * One HTTP exchange with the API: address, credentials, timeouts, retries, errors as classes. Knows operations by
 * name and nothing of what they mean; the resources do. Uses fetch, AbortController and crypto only, so that it runs
 * in Node, in browsers and on edge runtimes.
 */
import type { BodyInputOf, OperationName, ParamsOf, ResponseOf } from '@carillon/contracts';
import type { ProblemFacts } from './problems.js';
import {
  ApiProblem,
  CarillonError,
  ConnectionError,
  ForbiddenProblem,
  problemFrom,
  TimeoutError,
} from './problems.js';
import { routes } from './routes.js';

export interface CarillonOptions {
  /** An API key of the workspace (`ck_…`). For servers: it is refused in a browser. */
  apiKey?: string;
  /** Use the dashboard's session cookie instead of a key: for pages served by Carillon itself. */
  session?: boolean;
  /** Where Carillon answers. Default: http://127.0.0.1:3000, or with `session` the page's own origin. */
  baseUrl?: string;
  /** Milliseconds that one attempt may take. Default 30,000. */
  timeoutMs?: number;
  /** Milliseconds that a call may take with all its attempts and waits. Default 90,000. */
  totalTimeoutMs?: number;
  /** How often a safe request is tried again. Default 3; 0 turns retries off. */
  maxRetries?: number;
  /** Allow plain http to a host other than this machine. The API key then travels readable. */
  allowHttp?: boolean;
  /** Another fetch, for proxies and tests. */
  fetch?: typeof fetch;
}

/** What every call takes last. */
export interface CallOptions {
  /** Gives up when aborted; the call throws the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds for one attempt of this call. */
  timeoutMs?: number;
  /** How often this call is tried again when that is safe. */
  maxRetries?: number;
}

type Given<Name extends string, T> = [T] extends [undefined] ? unknown : { [N in Name]: T };
type Input<N extends OperationName> = Given<'params', ParamsOf<N>> &
  Given<'body', BodyInputOf<N>> & { query?: object; options?: CallOptions; idempotencyKey?: string };
interface AnyInput {
  params?: Record<string, string | number>;
  query?: object;
  body?: unknown;
  options?: CallOptions;
  /** One key, the same on every attempt: it makes a POST safe to repeat. */
  idempotencyKey?: string;
  /** For a batch: its messages carry the keys. */
  repeatable?: boolean;
  headers?: Record<string, string>;
  /** Sent as it is, in place of a JSON body. */
  bytes?: Uint8Array<ArrayBuffer>;
}

export class Requests {
  readonly baseUrl: string;
  readonly #options: CarillonOptions;
  readonly #fetch: typeof fetch;
  #csrfToken: string | undefined;

  constructor(options: CarillonOptions) {
    refuseUnsafe(options);
    this.#options = options;
    this.baseUrl = (options.baseUrl ?? (options.session ? '' : 'http://127.0.0.1:3000')).replace(/\/+$/, '');
    // Called as a bare function: browsers throw "Illegal invocation" when fetch has another `this`.
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
  }

  /** Calls an operation and gives its body, typed by the contract. */
  async call<N extends OperationName>(
    name: N,
    input: Input<N> & { repeatable?: boolean; bytes?: Uint8Array<ArrayBuffer> },
  ): Promise<ResponseOf<N>> {
    const body = await this.#exchange(name, input as AnyInput, async (response) => {
      if (response.status === 204) return undefined;
      const text = await response.text();
      try {
        return JSON.parse(text) as unknown;
      } catch (cause) {
        throw unexpected(response, name, { cause });
      }
    });
    if (this.#options.session) this.#rememberCsrf(body);
    return body as ResponseOf<N>;
  }

  /** Calls an operation that answers with a stream. The timeout covers the headers; the body may take its time. */
  async open(name: OperationName, input: AnyInput): Promise<Response> {
    return this.#exchange(name, input, (response) => Promise.resolve(response));
  }

  async #exchange<T>(
    name: OperationName,
    input: AnyInput,
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    const [method, path] = routes[name].split(' ') as [string, string];
    const url = this.baseUrl + address(path, input.params, input.query);
    const unsafe = method !== 'GET';
    const repeatable =
      method === 'GET' ||
      method === 'PUT' ||
      method === 'DELETE' ||
      input.idempotencyKey !== undefined ||
      input.repeatable === true;
    const retries = repeatable ? (input.options?.maxRetries ?? this.#options.maxRetries ?? 3) : 0;
    const until = Date.now() + (this.#options.totalTimeoutMs ?? 90_000);
    const timeoutMs = input.options?.timeoutMs ?? this.#options.timeoutMs ?? 30_000;

    let renewedCsrf = false;
    for (let attempt = 0; ;) {
      try {
        const headers: Record<string, string> = { accept: 'application/json', ...input.headers };
        if (this.#options.apiKey !== undefined) headers['authorization'] = `Bearer ${this.#options.apiKey}`;
        if (input.body !== undefined) headers['content-type'] = 'application/json';
        if (input.bytes !== undefined) headers['content-type'] = 'application/octet-stream';
        if (input.idempotencyKey !== undefined) headers['idempotency-key'] = input.idempotencyKey;
        if (this.#options.session && unsafe && name !== 'signIn')
          headers['x-csrf-token'] = await this.#csrf(input.options);
        return await this.#attempt(
          name,
          url,
          { method, headers, body: input.bytes ?? json(input.body) },
          read,
          {
            signal: input.options?.signal,
            timeoutMs: Math.min(timeoutMs, Math.max(1, until - Date.now())),
          },
        );
      } catch (error) {
        if (error instanceof ForbiddenProblem && error.code === 'csrf' && !renewedCsrf) {
          // Refused before anything was done: the token belonged to a session that was renewed in another tab.
          renewedCsrf = true;
          this.#csrfToken = undefined;
          continue;
        }
        if (attempt >= retries || !mayPass(error)) throw error;
        const pause = waitMs(attempt, error);
        if (Date.now() + pause >= until) throw error;
        await sleep(pause, input.options?.signal);
        attempt += 1;
      }
    }
  }

  async #attempt<T>(
    name: OperationName,
    url: string,
    init: {
      method: string;
      headers: Record<string, string>;
      body: string | Uint8Array<ArrayBuffer> | undefined;
    },
    read: (response: Response) => Promise<T>,
    limits: { signal: AbortSignal | undefined; timeoutMs: number },
  ): Promise<T> {
    const { signal, timeoutMs } = limits;
    signal?.throwIfAborted();
    const controller = new AbortController();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      controller.abort();
    }, timeoutMs);
    const abort = () => controller.abort(signal?.reason);
    signal?.addEventListener('abort', abort);
    let streaming = false;
    try {
      const response = await this.#fetch(url, {
        ...init,
        signal: controller.signal,
        // Followed, a redirected POST would become a GET and the key would travel on.
        redirect: 'manual',
        credentials: this.#options.session ? 'same-origin' : 'omit',
      });
      if (!response.ok) throw await problemIn(response, name);
      const value = await read(response);
      streaming = value === (response as unknown);
      return value;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof CarillonError) throw error;
      const where = this.baseUrl || 'the server';
      if (timedOut)
        throw new TimeoutError(`${where} did not answer within ${timeoutMs} ms.`, { cause: error });
      throw new ConnectionError(
        `Could not reach ${where}${because(error)}. Is Carillon running there, and is baseUrl right?`,
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
      // A stream stays bound to the caller's signal for as long as it is read.
      if (!streaming) signal?.removeEventListener('abort', abort);
    }
  }

  async #csrf(options: CallOptions | undefined): Promise<string> {
    if (this.#csrfToken === undefined) await this.call('me', { options });
    return this.#csrfToken ?? '';
  }

  #rememberCsrf(body: unknown): void {
    if (typeof body === 'object' && body !== null && 'csrfToken' in body)
      this.#csrfToken = typeof body.csrfToken === 'string' ? body.csrfToken : undefined;
  }
}

/** S45: a key in a page is a key for everyone who opens it; plain http shows it to everyone on the way. */
function refuseUnsafe(options: CarillonOptions): void {
  const page = globalThis as { window?: unknown; document?: unknown };
  if (options.apiKey !== undefined && page.window !== undefined && page.document !== undefined)
    throw new CarillonError(
      'An API key in a browser can be read by everyone who opens the page. Keep it on your server; for the in-app ' +
        'inbox mint a token there with carillon.inbox.mintToken() and hand that to the page.',
    );
  if (options.apiKey === undefined && !options.session)
    throw new CarillonError(
      "Give an API key: new Carillon({ apiKey: 'ck_…' }). Keys are made in the dashboard.",
    );
  if (options.apiKey !== undefined && /[^\x21-\x7e]/.test(options.apiKey))
    throw new CarillonError('The API key holds a space or a line break: copy it again, whole and alone.');
  if (options.baseUrl === undefined || (options.session && options.baseUrl === '')) return;
  let url: URL;
  try {
    url = new URL(options.baseUrl);
  } catch (cause) {
    throw new CarillonError(
      `baseUrl must be a whole address such as https://carillon.example.com, not "${options.baseUrl}".`,
      { cause },
    );
  }
  if (url.protocol === 'https:') return;
  const here = /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'http:' || !(here || options.allowHttp))
    throw new CarillonError(
      `baseUrl must begin with https:// (plain http is for this machine only): "${options.baseUrl}". In a private ` +
        'network where that is meant, set allowHttp: true.',
    );
}

/** Fills `:name` in the path and writes the query: lists joined by commas, dates as RFC 3339, undefined left out. */
function address(path: string, params: Record<string, string | number> = {}, query: object = {}): string {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => {
    const value = String(params[name] ?? '');
    // An empty one would silently call another operation: DELETE /v1/profiles/ instead of one profile.
    if (value === '' || value === '.' || value === '..')
      throw new CarillonError(`${name} must not be "${value}".`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    search.set(name, value instanceof Date ? value.toISOString() : String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

const json = (body: unknown) => (body === undefined ? undefined : JSON.stringify(body));

/** Failures that may pass by themselves. A 409 in flight is our own earlier attempt, still being handled. */
function mayPass(error: unknown): boolean {
  if (error instanceof ConnectionError || error instanceof TimeoutError) return true;
  return (
    error instanceof ApiProblem &&
    (error.status === 429 || error.status === 503 || error.code === 'idempotency_in_flight')
  );
}

/**
 * What the server asked for (Retry-After); else exponential with full jitter, 0…0.5 s, 0…1 s, 0…2 s, at most 8 s, so
 * that many clients do not come back together.
 */
function waitMs(attempt: number, error: unknown): number {
  const asked = error instanceof ApiProblem ? error.retryAfterMs : undefined;
  return asked ?? Math.random() * Math.min(8000, 500 * 2 ** attempt);
}

async function problemIn(response: Response, name: OperationName): Promise<ApiProblem> {
  const text = await response.text();
  let facts: unknown;
  try {
    facts = JSON.parse(text);
  } catch {
    // Not JSON: answered by something else; said so below.
  }
  if (!isProblem(facts)) return unexpected(response, name);
  const requestId = response.headers.get('x-request-id') ?? undefined;
  return problemFrom({ requestId, ...facts, retryAfterMs: retryAfterMs(response) });
}

function isProblem(body: unknown): body is ProblemFacts {
  return (
    typeof body === 'object' &&
    body !== null &&
    'code' in body &&
    typeof body.code === 'string' &&
    'detail' in body &&
    typeof body.detail === 'string' &&
    'status' in body &&
    typeof body.status === 'number'
  );
}

function unexpected(response: Response, name: OperationName, options?: ErrorOptions): ApiProblem {
  const status = response.status;
  const redirected = response.type === 'opaqueredirect' || (status >= 300 && status < 400);
  const detail = redirected
    ? 'The address answered with a redirect: set baseUrl to where it leads.'
    : `${routes[name]} was answered with HTTP ${status}, but not by Carillon: check baseUrl, and any proxy before it.`;
  const problem = problemFrom({
    code: 'unexpected_answer',
    status,
    detail,
    retryAfterMs: retryAfterMs(response),
  });
  if (options) problem.cause = options.cause;
  return problem;
}

/** RFC 9110 §10.2.3: seconds or a date. Gives milliseconds, never negative. */
function retryAfterMs(response: Response): number | undefined {
  const header = response.headers.get('retry-after');
  if (header === null || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** The reason under fetch's "fetch failed", e.g. ` (ECONNREFUSED)`. Not by class: fetch may be of another realm. */
function because(error: unknown): string {
  const has = <K extends string>(value: unknown, key: K): value is Record<K, unknown> =>
    typeof value === 'object' && value !== null && key in value;
  const cause = has(error, 'cause') && error.cause ? error.cause : error;
  if (has(cause, 'code') && typeof cause.code === 'string') return ` (${cause.code})`;
  return has(cause, 'message') && typeof cause.message === 'string' ? ` (${cause.message})` : '';
}

export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}

/** A key for one message. `randomUUID` is missing on plain-http pages, `getRandomValues` is not. */
export function newKey(): string {
  if (typeof crypto.randomUUID === 'function') return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join(
    '',
  );
}

/** The text of an answer as it arrives. */
export async function* piecesOf(response: Response): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
