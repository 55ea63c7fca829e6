/**
 * The providers' side, as a process of its own: real SMTP, Twilio's REST API and FCM v1, just enough for the real
 * clients; and the lines that lead there (fault-proxy.mjs). Writes down every message it takes before it answers (ledger B), and every receipt that Carillon said it had
 * (ledger E); and the endpoint that is told by webhooks (ledger D). Shares no code with Carillon. Told by its parent how to behave: see `behaviour`.
 */
import { createHmac, randomBytes } from 'node:crypto';
import http from 'node:http';
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import { startFaultProxy } from './fault-proxy.mjs';
import { openLedger } from './ledger.mjs';
import { randomFrom } from './random.mjs';

const [settings] = process.argv.slice(2).map((text) => JSON.parse(text));
const random = randomFrom(settings.seed);
let arrivals = openLedger(settings.arrivals);
let receipts = openLedger(settings.receipts);
let webhooks = openLedger(settings.webhooks);
let webhookSecret = '';

/**
 * `share` of the messages get `act`: `refuse` (429, 4xx: not taken), `vanish` (reset, not taken), `take-and-vanish`
 * (taken, then reset), `silence` (taken, never answered). `receipts`: copies of each callback, and whether out of order.
 */
let behaviour = {};
/** What leads to the provider of each channel. */
const lines = {};
let callbacksUnderWay = 0;

process.on('message', (message) => {
  if (message.behave) behaviour = message.behave;
  if (message.ledgers) {
    arrivals = openLedger(message.ledgers.arrivals);
    receipts = openLedger(message.ledgers.receipts);
    webhooks = openLedger(message.ledgers.webhooks);
  }
  for (const [channel, fault] of Object.entries(message.lines ?? {})) lines[channel].set(fault, message);
  if (message.webhookSecret) webhookSecret = message.webhookSecret;
  process.send({ answers: message.n, callbacksUnderWay });
});
process.on('disconnect', () => process.exit(0));

const actFor = (channel) => {
  const { share = 1, act } = behaviour[channel] ?? {};
  return act && random() < share ? act : 'take';
};
const keyIn = (text) => /chaos ([\w-]+)/.exec(text)?.[1] ?? null;
const take = (channel, delivery, text) =>
  arrivals.add({ at: Date.now(), channel, delivery, key: keyIn(text) });

const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  disableReverseLookup: true,
  logger: false,
  maxAllowedUnauthenticatedCommands: false,
  onData(stream, session, done) {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => {
      const [head] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n');
      const act = actFor('email');
      const socket = sockets.get(session.remotePort);
      if (act === 'refuse') return done(Object.assign(new Error('4.3.2 try later'), { responseCode: 451 }));
      if (act === 'vanish') return socket?.resetAndDestroy();
      take(
        'email',
        /^message-id:\s*<([^@>]+)@/im.exec(head)?.[1] ?? null,
        /^subject:.*$/im.exec(head)?.[0] ?? '',
      );
      if (act === 'silence') return;
      if (act === 'take-and-vanish') return socket?.resetAndDestroy();
      done(null, '2.0.0 taken');
    });
  },
});
const sockets = new Map();
smtp.on('error', () => {}); // Clients that are killed in the middle are what this is for.
smtp.server.on('connection', (socket) => {
  sockets.set(socket.remotePort, socket);
  socket.on('close', () => sockets.delete(socket.remotePort));
});

const web = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    // Its caller was killed in the middle of it: nothing that could be taken.
    if (!request.complete || chunks.length === 0) return request.socket.destroy();
    answer(request, response, Buffer.concat(chunks).toString());
  });
  request.on('error', () => {});
});
web.keepAliveTimeout = 60_000;

function answer(request, response, body) {
  const say = (status, json, headers = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json));
  if (request.url === '/hook') return (note(request, body), response.writeHead(204).end());
  if (request.url === '/token')
    return say(200, { access_token: 'chaos', expires_in: 3599, token_type: 'Bearer' });
  const sms = request.url.endsWith('/Messages.json');
  const act = actFor(sms ? 'sms' : 'push');
  if (act === 'refuse')
    return sms
      ? say(429, { code: 20429, message: 'Too Many Requests', status: 429 }, { 'retry-after': '2' })
      : say(
          503,
          { error: { code: 503, status: 'UNAVAILABLE', message: 'later', details: [] } },
          { 'retry-after': '2' },
        );
  if (act === 'vanish') return request.socket.resetAndDestroy();
  const taken = sms ? takeSms(request, body) : takePush(body);
  if (act === 'silence') return undefined;
  if (act === 'take-and-vanish') return request.socket.resetAndDestroy();
  return say(sms ? 201 : 200, taken);
}

/** By Standard Webhooks. */
function note({ headers }, body) {
  const id = headers['webhook-id'];
  const signature = createHmac('sha256', Buffer.from(webhookSecret.replace('whsec_', ''), 'base64'))
    .update(`${id}.${headers['webhook-timestamp']}.${body}`)
    .digest('base64');
  const { type, data } = JSON.parse(body);
  webhooks.add({
    at: Date.now(),
    id,
    type,
    run: data?.metadata?.run ?? null,
    forged: !headers['webhook-signature'].includes(`v1,${signature}`),
  });
}

function takePush(body) {
  const { message } = JSON.parse(body);
  take('push', message.data?.deliveryId ?? null, message.notification?.title ?? '');
  return { name: `projects/sandbox/messages/${randomBytes(8).toString('hex')}` };
}

function takeSms(request, body) {
  const form = new URLSearchParams(body);
  const callback = form.get('StatusCallback');
  const delivery = callback && new URL(callback).searchParams.get('delivery');
  take('sms', delivery, form.get('Body') ?? '');
  const sid = `SM${randomBytes(16).toString('hex')}`;
  const [, token] = Buffer.from(request.headers.authorization.split(' ')[1], 'base64').toString().split(':');
  if (callback) void report({ url: callback, token, sid, to: form.get('To'), delivery });
  return { sid, status: 'queued', num_segments: '1', date_created: new Date().toUTCString() };
}

/** Receipts as Twilio makes them: signed, one word after the other, repeated when nobody answers. */
async function report({ url, token, sid, to, delivery }) {
  const { copies = 1, shuffled = false } = behaviour.receipts ?? {};
  const words = Array.from({ length: copies }, () => ['sent', 'delivered']).flat();
  if (shuffled) words.sort(() => random() - 0.5);
  callbacksUnderWay += 1;
  for (const word of words) {
    const fields = { MessageSid: sid, MessageStatus: word, To: to };
    const signed = Object.keys(fields)
      .sort()
      .reduce((text, name) => text + name + fields[name], url);
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': createHmac('sha1', token).update(signed).digest('base64'),
    };
    await sleep(20 + random() * 100);
    for (let tries = 0; tries < 30; tries++) {
      const status = await fetch(url, {
        method: 'POST',
        headers,
        body: new URLSearchParams(fields).toString(),
        signal: AbortSignal.timeout(5000),
      }).then(
        (got) => got.status,
        () => 0,
      );
      if (status >= 200 && status < 300) receipts.add({ at: Date.now(), delivery, status: word });
      if (status >= 200 && status < 500 && status !== 429) break;
      await sleep(500);
    }
  }
  callbacksUnderWay -= 1;
}

const listens = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));
const [smtpPort, webPort] = [await listens(smtp.server), await listens(web)];
for (const [n, [channel, port]] of Object.entries({ email: smtpPort, sms: webPort, push: webPort }).entries())
  lines[channel] = await startFaultProxy({ target: { port }, seed: settings.seed + n });
// Providers are machines of their own: what keeps ours busy does not make them silent.
try {
  os.setPriority(-10);
} catch (error) {
  if (!['EACCES', 'EPERM'].includes(error.code)) throw error; // Only root may ask for it.
}
process.send({
  webPort,
  ports: Object.fromEntries(Object.entries(lines).map(([channel, { port }]) => [channel, port])),
});
