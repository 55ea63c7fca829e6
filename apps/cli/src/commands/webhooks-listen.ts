/**
 * `carillon webhooks listen`: for building a receiver. Makes an endpoint that leads to this machine for as long as it
 * runs, verifies what arrives as a receiver should, prints it, and passes it on to the receiver in the making. What
 * that answers is what Carillon is answered, so that attempts and retries look as they will.
 */
import { webhookTypes, type WebhookType } from '@carillon/contracts';
import {
  verifyWebhook,
  WebhookVerificationError,
  type WebhookBody,
  type WebhookEndpointCreated,
} from '@carillon/sdk';
import type { Command } from 'commander';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { type Context, examples, oneOf, wholeNumber } from '../command.js';
import { UsageError } from '../settings.js';
import { channelTitles, clock, fit, printable, statusCell } from '../terminal.js';

/** Less than Carillon waits, so that a receiver that is stuck is told as such. */
const FORWARD_MS = 14_000;
const MOST_BYTES = 1024 * 1024;
const GOODBYE_MS = 5_000;
/** Kept from the request that is passed on: what the receiver verifies with. */
const PASSED_ON = ['content-type', 'user-agent', 'webhook-id', 'webhook-timestamp', 'webhook-signature'];

interface ListenOptions {
  port: number;
  forwardTo?: string;
  publicUrl?: string;
  type?: WebhookType[];
}
interface Answer {
  status: number;
  text: string;
  /** Where it was passed on to: for how long, or why that failed. */
  forwarded?: string;
}

export function listen(group: Command, context: Context): void {
  examples(
    group
      .command('listen')
      .summary('show events on this machine, for development')
      .description(
        'Receive events on this machine until Ctrl-C: verify each signature, print it, and pass it on with --forward-to. Makes an endpoint and deletes it at the end; its secret is printed for your receiver.',
      )
      .option('--forward-to <url>', 'pass each event on, as it came; what answers is told to Carillon')
      .option('--type <names>', 'only these events', oneOf(webhookTypes))
      .option('--port <n>', 'listen here (default: any that is free)', wholeNumber(0, 65_535), 0)
      .option('--public-url <url>', 'where Carillon reaches this port, when it runs elsewhere: a tunnel')
      .action((given: ListenOptions) => run(context, given)),
    [
      'carillon webhooks listen',
      'carillon webhooks listen --forward-to http://localhost:4000/webhooks/carillon',
      'carillon webhooks listen --type delivery.failed,delivery.complained',
      'carillon webhooks listen --port 4242 --public-url https://abc.tunnel.example',
      'carillon webhooks listen --json | jq .data.deliveryId',
    ],
  );
}

async function run(context: Context, given: ListenOptions): Promise<void> {
  const { terminal, carillon, stop } = context;
  const forwardTo = given.forwardTo === undefined ? undefined : address('--forward-to', given.forwardTo);
  const publicUrl = given.publicUrl === undefined ? undefined : address('--public-url', given.publicUrl);
  let secret = '';
  let endpoint: WebhookEndpointCreated | undefined;
  const server = createServer((request, response) => {
    void receive(request, secret, forwardTo, (event, answer) => show(context, event, answer)).then(
      ({ status, text }) => response.writeHead(status, { 'content-type': 'text/plain' }).end(text),
    );
  });
  await begin(server, given.port);
  try {
    const url = publicUrl ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    endpoint = await carillon.webhooks
      .create(
        { url, description: `carillon webhooks listen on ${hostname()}`, types: given.type ?? [] },
        { signal: stop },
      )
      .catch((error: unknown) => {
        // It may be that Carillon runs elsewhere, and refuses to call a machine it cannot reach.
        if (publicUrl === undefined && !isLocal(context.settings.url))
          terminal.complain(
            `  ${context.settings.url} cannot call this machine: open a tunnel to --port, and give its address by --public-url.`,
          );
        throw error;
      });
    secret = endpoint.secret;
    // Beside the results, so that a pipe carries events alone.
    terminal.complain(
      `${terminal.style('green', '✓')} Listening at ${url} for ${endpoint.types.join(', ') || 'all events'}. Ctrl-C stops.`,
    );
    terminal.complain(`  Signing secret ${terminal.style('bold', secret)}, until then.`);
    if (forwardTo) terminal.complain(`  Passed on to ${forwardTo}.`);
    await new Promise<void>((ended) => {
      if (stop.aborted) ended();
      else stop.addEventListener('abort', () => ended(), { once: true });
    });
  } finally {
    server.closeAllConnections();
    server.close();
    // Its own time: the person's Ctrl-C has ended every other call.
    if (endpoint)
      await carillon.webhooks
        .delete(endpoint.id, { signal: AbortSignal.timeout(GOODBYE_MS) })
        .catch(() =>
          terminal.complain(
            `  Its endpoint could not be deleted: carillon webhooks delete ${endpoint?.id ?? ''}`,
          ),
        );
  }
}

/** @returns what Carillon is answered */
async function receive(
  request: IncomingMessage,
  secret: string,
  forwardTo: string | undefined,
  shown: (event: WebhookBody | WebhookVerificationError, answer: Answer) => void,
): Promise<Answer> {
  const body = await whole(request);
  if (body === null) return { status: 413, text: 'Too large for an event.' };
  try {
    const event = await verifyWebhook(body, request.headers, secret);
    const answer = forwardTo ? await forward(request, body, forwardTo) : { status: 204, text: '' };
    shown(event, answer);
    return answer;
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    const answer = { status: 400, text: error.message };
    shown(error, answer);
    return answer;
  }
}

async function forward(request: IncomingMessage, body: Buffer, to: string): Promise<Answer> {
  const began = performance.now();
  const headers = Object.fromEntries(
    PASSED_ON.flatMap((name) => {
      const value = request.headers[name];
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
  try {
    const answer = await fetch(to, {
      method: 'POST',
      headers,
      body: new Uint8Array(body),
      redirect: 'manual',
      signal: AbortSignal.timeout(FORWARD_MS),
    });
    const text = await answer.text();
    const ms = Math.round(performance.now() - began);
    return { status: answer.status, text, forwarded: `${answer.status} in ${ms} ms` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = cause instanceof Error ? cause.message : String(cause);
    return { status: 502, text: `${to} did not answer.`, forwarded: `no answer: ${why}` };
  }
}

async function whole(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** One line an event: when, what, about what, and what the receiver said. */
function show(
  { terminal, json }: Context,
  event: WebhookBody | WebhookVerificationError,
  { status, forwarded }: Answer,
): void {
  if (event instanceof WebhookVerificationError)
    return terminal.complain(`${terminal.style('red', '✗')} Refused, as a receiver should: ${event.message}`);
  if (json) return terminal.say(JSON.stringify(event));
  const { data } = event;
  const about = data
    ? 'audience' in data
      ? `${data.audience.key}  ${printable(data.profile.externalId)}`
      : [
          channelTitles[data.channel].padEnd(6),
          data.deliveryId,
          data.profile ? printable(data.profile.externalId) : '',
          data.reason ?? '',
        ]
          .filter(Boolean)
          .join('  ')
    : 'a test of the endpoint';
  const head = `${clock(event.timestamp).replace(/\.\d+$/, '')}  `;
  const what = event.type.padEnd(22);
  const tail = forwarded ? `  → ${forwarded}` : '';
  const style = data && 'status' in data && data.status ? statusCell(data.status).style : 'bold';
  const room = Math.max(46, terminal.width - head.length - what.length - tail.length - 2);
  terminal.say(
    `${terminal.style('dim', head)}${terminal.style(style, what)}  ${fit(about, room)}${terminal.style(
      status < 300 ? 'dim' : 'red',
      tail,
    )}`,
  );
}

function begin(server: Server, port: number): Promise<void> {
  return new Promise((ready, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      failed(
        error.code === 'EADDRINUSE'
          ? new UsageError(`Port ${port} is taken.`, 'Give another --port, or none for any that is free.')
          : error,
      ),
    );
    server.listen(port, '127.0.0.1', () => ready());
  });
}

function address(option: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new UsageError(
      `${option} ${text} is not an address.`,
      `Write it whole: ${option} http://localhost:4000/webhooks`,
    );
  return url.href;
}

const isLocal = (url: string): boolean =>
  ['localhost', '127.0.0.1', '[::1]'].includes(URL.canParse(url) ? new URL(url).hostname : '');
