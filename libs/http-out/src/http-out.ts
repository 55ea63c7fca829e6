/**
 * The one way out of Carillon: HTTP requests, agents and sockets under one egress policy, with a deadline for every call
 * and a cap on every answer. It follows no redirect, asks for no compression, retries nothing and logs nothing:
 * what a failure means for a delivery is decided by its caller from the typed errors.
 * Called by providers (injected by the dispatcher) and by the webhook sender.
 */
import type http from 'node:http';
import type https from 'node:https';
import type net from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { agentTo, dial, guardedAgent } from './agents.js';
import {
  AnswerTooLarge,
  asHttpOutError,
  ConnectionFailed,
  DeadlineExceeded,
  EgressRefused,
  type Phase,
} from './errors.js';
import { createGuard, systemResolver, type Resolver } from './guard.js';

export interface HttpOutOptions {
  /** Who chose the hosts this instance will call: see EgressPolicy. One instance per level, never mixed. */
  level: 'untrusted' | 'operator';
  /** Level `operator` only: may loopback and private networks be called? Off unless said. */
  allowPrivate?: boolean;
  /** Ports open to level `untrusted`: HTTP and mail submission by default. */
  ports?: readonly number[];
  /** For calls that name none, in ms, from the call to the last byte of the answer. */
  deadlineMs?: number;
  /** For calls that name none, in bytes of answer body. 64 kB for `untrusted`, 1 MB for `operator`. */
  maxBytes?: number;
  /** Connections per origin. Requests beyond it wait, inside their deadline. */
  connections?: number;
  /** For tests and split-horizon DNS. */
  resolve?: Resolver;
}

export interface HttpRequest {
  method: string;
  url: string | URL;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  deadlineMs?: number;
  maxBytes?: number;
}

export interface HttpAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export interface HttpOut {
  /** Any status is an answer, 3xx and 5xx included. Throws a HttpOutError when there is none. */
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** A guarded node agent of the URL's protocol, shared by all who ask. Deadlines and caps are the client's. */
  agentFor(url: string | URL): http.Agent;
  /** A guarded agent for `https:` requests that connects to `endpoint` whatever host the client names. */
  agentTo(endpoint: string | URL): https.Agent;
  /**
   * A connected socket, for protocols other than HTTP. Left plain unless `tls`, since SMTP clients upgrade by themselves.
   * Once connected it is the caller's: it has no deadline any more and must be destroyed by whoever asked.
   */
  guardedSocket(to: { host: string; port: number; tls?: boolean; deadlineMs?: number }): Promise<net.Socket>;
  /** Waits for running requests (each has a deadline), then drops all pooled connections. */
  close(): Promise<void>;
}

const HTTP_AND_MAIL = [25, 80, 443, 465, 587, 2525, 8080, 8443];

/** Builds a way out; make one per level and process, since it owns the connection pools. */
export function createHttpOut(options: HttpOutOptions): HttpOut {
  const { level, deadlineMs: usualDeadline = 10_000, resolve = systemResolver } = options;
  const usualBytes = options.maxBytes ?? (level === 'untrusted' ? 64 * 1024 : 1024 * 1024);
  const guard = createGuard({
    level,
    allowPrivate: options.allowPrivate ?? false,
    ports: options.ports ?? HTTP_AND_MAIL,
    resolve,
  });

  const connector = buildConnector({
    lookup: guard.lookup,
    timeout: usualDeadline,
  } as buildConnector.BuildOptions);
  const pool = new Agent({
    connections: options.connections ?? 64,
    pipelining: 1,
    // Every request carries its own deadline; undici's coarse timers would only blur the phase.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(to, callback) {
      const refused = guard.refusal(to.hostname, Number(to.port || (to.protocol === 'https:' ? 443 : 80)));
      if (refused) callback(refused, null);
      else connector(to, callback);
    },
  });
  const running = new Set<Promise<HttpAnswer>>();
  let closed = false;
  const agents = new Map<string, http.Agent>();
  const shared = <A extends http.Agent>(key: string, make: () => A): A => {
    const agent = (agents.get(key) as A | undefined) ?? make();
    agents.set(key, agent);
    return agent;
  };

  return {
    async request({ method, url, headers, body, deadlineMs = usualDeadline, maxBytes = usualBytes }) {
      const target = readUrl(url);
      if (level === 'untrusted' && Object.keys(headers ?? {}).some((name) => name.toLowerCase() === 'host')) {
        throw new EgressRefused('invalid_request', 'The Host header comes from the URL: leave it out.');
      }
      if (closed) throw new ConnectionFailed('connect', 'CLOSED');
      const answer = exchange(
        pool,
        {
          origin: target.origin,
          path: target.pathname + target.search,
          method: method as Dispatcher.HttpMethod,
          headers: headers ?? {},
          body: body ?? null,
        },
        deadlineMs,
        maxBytes,
      );
      running.add(answer);
      return answer.finally(() => running.delete(answer));
    },

    agentFor(url) {
      const { protocol } = readUrl(url);
      return shared(protocol, () => guardedAgent(protocol, guard));
    },

    agentTo(endpoint) {
      const target = readUrl(endpoint);
      return shared(`to ${target.origin}`, () => agentTo(target, guard));
    },

    guardedSocket({ host, port, tls = false, deadlineMs = usualDeadline }) {
      return new Promise((resolve, reject) => {
        const refused = guard.refusal(host, port);
        if (refused) return reject(refused);
        const socket = dial({ host, port, tls, guard });
        const ready = tls ? 'secureConnect' : 'connect';
        const connected = () => {
          clearTimeout(timer);
          socket.off('error', fail);
          resolve(socket);
        };
        // Stays attached after a failure: a socket being torn down may report more than one error.
        const fail = (error: Error) => {
          clearTimeout(timer);
          socket.off(ready, connected);
          socket.destroy();
          reject(asHttpOutError(error, 'connect', deadlineMs));
        };
        const timer = setTimeout(() => fail(new DeadlineExceeded('connect', deadlineMs)), deadlineMs);
        socket.on('error', fail);
        socket.once(ready, connected);
      });
    },

    async close() {
      closed = true;
      await Promise.allSettled(running);
      await pool.destroy();
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/** Only http and https, no user:password part: credentials in URLs end up in logs and confuse host checks. */
function readUrl(url: string | URL): URL {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new EgressRefused('malformed_url', 'This is not a complete URL.');
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new EgressRefused('scheme', 'Write a URL that starts with https:// or http://.');
  }
  if (parsed.username || parsed.password) {
    throw new EgressRefused('credentials_in_url', 'Leave user name and password out of the URL.');
  }
  return parsed;
}

/**
 * One request and its answer. Speaks to undici's dispatcher directly, because `onRequestStart` is the exact border
 * between "certainly not sent" and "perhaps sent": undici calls it once a connection is up, before its first byte.
 */
function exchange(
  pool: Agent,
  request: Dispatcher.DispatchOptions,
  deadlineMs: number,
  maxBytes: number,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    let phase: Phase = 'connect';
    let status: number | undefined;
    let headers: HttpAnswer['headers'] = {};
    let received = 0;
    const chunks: Buffer[] = [];
    let controller: Dispatcher.DispatchController | undefined;
    let settled: Error | true | undefined;

    const fail = (error: unknown) => {
      if (settled) return;
      clearTimeout(timer);
      settled = asHttpOutError(error, phase, deadlineMs, status);
      reject(settled);
      controller?.abort(settled);
    };
    const timer = setTimeout(() => fail(new DeadlineExceeded(phase, deadlineMs, status)), deadlineMs);

    pool.dispatch(request, {
      onRequestStart(started) {
        // The deadline may have passed while the request stood in line: then not a byte of it may leave.
        if (settled instanceof Error) return started.abort(settled);
        controller = started;
        phase = 'headers';
      },
      onResponseStart(_controller, statusCode, responseHeaders) {
        if (statusCode < 200) return;
        phase = 'body';
        status = statusCode;
        headers = responseHeaders;
      },
      onResponseData(_controller, chunk) {
        received += chunk.length;
        if (received > maxBytes) fail(new AnswerTooLarge(maxBytes, status ?? 0));
        else chunks.push(chunk);
      },
      onResponseEnd() {
        if (settled || status === undefined) return;
        settled = true;
        clearTimeout(timer);
        resolve({ status, headers, body: Buffer.concat(chunks, received) });
      },
      onResponseError(_controller, error) {
        fail(error);
      },
    });
  });
}
