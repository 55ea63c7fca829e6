/**
 * Puts the sandbox together: one mail server and one HTTP server (Twilio, FCM, viewer) over one memory.
 * Called by `main.ts`, by the standalone app and by every suite that sends something.
 */
import fastify from 'fastify';
import { ChangeStream } from './change-stream.js';
import { fcmRoutes } from './fcm.js';
import { KnobsPanel } from './knobs.js';
import { FirstTries } from './magic.js';
import {
  ReceivedMessages,
  type Received,
  type ReceivedFilter,
  type ReceivedOn,
  type SandboxChannel,
  type Totals,
} from './received.js';
import { startSmtp } from './smtp.js';
import { TwilioCallbacks } from './twilio-callbacks.js';
import { twilioRoutes } from './twilio.js';
import { viewerRoutes } from './viewer.js';

export interface SandboxOptions {
  /** HTTP port (Twilio, FCM, viewer); 0 picks a free one. */
  port: number;
  /** SMTP port; 0 picks a free one. */
  smtpPort: number;
  /** Address to bind; loopback unless given. */
  host?: string;
  /** How browsers and clients reach it when that differs from host and port (containers). */
  publicUrl?: string;
  /** Messages kept per channel, 1000 unless given. 0 keeps none and parses none: for load tests. */
  keep?: number;
}

export interface SandboxHandle {
  /** Base address of viewer, Twilio and FCM; no slash at the end. */
  url: string;
  /** The HTTP port, which `url` may not show. */
  port: number;
  smtpPort: number;
  /** What was accepted, oldest first. Mails are parsed now, hence the promise. */
  received(): Promise<Received[]>;
  received<C extends SandboxChannel>(channel: C): Promise<ReceivedOn<C>[]>;
  /** As `received`, with filters, and with the refused messages if asked for. */
  list(filter: ReceivedFilter): Promise<Received[]>;
  /** Counts since the start or the last clear, also with `keep: 0`. */
  totals(): Totals;
  /** Forgets messages, totals and first tries; leaves the knobs. */
  clear(): void;
  knobs: KnobsPanel;
  /** Prompt: open connections, slow answers and receipts to come are dropped. */
  close(): Promise<void>;
}

export async function startSandbox(options: SandboxOptions): Promise<SandboxHandle> {
  const { host = '127.0.0.1', keep = 1000 } = options;
  const changes = new ChangeStream(() => ({ totals: received.totals, knobs: knobs.current }));
  const tell = () => changes.tell();
  const knobs = new KnobsPanel(keep, tell);
  const received = new ReceivedMessages(() => knobs.current.keep, tell);
  const firstTries = new FirstTries();
  const callbacks = new TwilioCallbacks(knobs, received);
  const clear = () => {
    received.clear();
    firstTries.clear();
  };

  const smtp = await startSmtp({ host, port: options.smtpPort, knobs, received, firstTries });
  const app = fastify({
    forceCloseConnections: true,
    keepAliveTimeout: 60_000,
    routerOptions: { maxParamLength: 500 },
  });
  const hosts = new Set([host, ...(options.publicUrl ? [new URL(options.publicUrl).hostname] : [])]);
  const parts = { knobs, received, firstTries, callbacks, changes, clear, hosts, smtpPort: smtp.port };
  // Each in its own scope: error shapes and body parsers differ.
  await app.register(async (scope) => viewerRoutes(scope, parts));
  await app.register(async (scope) => twilioRoutes(scope, parts), { prefix: '/2010-04-01/Accounts' });
  await app.register(async (scope) => fcmRoutes(scope, parts));
  try {
    await app.listen({ host, port: options.port });
  } catch (error) {
    await smtp.close();
    throw error;
  }
  const address = app.server.address();
  if (!address || typeof address === 'string') throw new Error('The HTTP server has no port.');
  const shownHost = host.includes(':') ? `[${host}]` : host;

  return {
    url: (options.publicUrl ?? `http://${shownHost}:${address.port}`).replace(/\/$/, ''),
    port: address.port,
    smtpPort: smtp.port,
    received: (async (channel?: SandboxChannel) => received.list({ channel })) as SandboxHandle['received'],
    list: (filter) => received.list(filter),
    totals: () => structuredClone(received.totals),
    clear,
    knobs,
    async close() {
      changes.close();
      await Promise.all([app.close(), smtp.close(), callbacks.close()]);
    },
  };
}
