/**
 * The load generator, in a process of its own. Options: `{ url, apiKey }`. Asked
 *   `{ rate, seconds, channel }`            single sends at a fixed rate, whatever the answers take;
 *   `{ clients, seconds, channel }`         so many callers who send the next message when the last is answered;
 *   `{ clients, batches, size, channel, later }`   the same with batches, `later`: to be sent in an hour,
 *   `{ prepare: true, batches, … }`        only writes those batches, for whoever asks next,
 * it answers `{ accepted, refused, latencyMs, sentAt }`: rising; and when the order of each number was sent, of those at a fixed rate
 * (milliseconds since 1970).
 */
import { caller } from './caller.mjs';

const { url, apiKey } = JSON.parse(process.argv[2]);
const call = caller(url, {
  connections: 64,
  headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
});

const content = {
  email: { subject: 'Order {{ order }}', html: '<p>Hello, order {{ order }} is on its way.</p>' },
  sms: { body: 'Order {{ order }} is on its way.' },
  push: { title: 'On its way', body: 'Order {{ order }}' },
  'in-app': { title: 'On its way', body: 'Order {{ order }}' },
};
const to = {
  email: (n) => ({ email: `bench-${n}@example.com` }),
  sms: () => ({ phone: '+15005550170' }), // the sandbox accepts it and sends no receipt: those are not measured here
  push: (n) => ({ deviceToken: `token-bench-${n}` }),
  'in-app': (n) => ({ profile: `bench-${n % 100}` }),
};
const message = (channel, n, later) => ({
  ...(later ? { sendAt: new Date(Date.now() + 3_600_000).toISOString() } : {}),
  to: to[channel](n),
  channels: [channel],
  content: { [channel]: content[channel] },
  data: { order: String(n) },
});

let n = 0;
const prepared = [];
async function run({ rate, seconds, channel, clients, batches, size = 500, later = false, prepare = false }) {
  const latencyMs = [];
  const sentAt = [];
  let accepted = 0;
  let refused = 0;
  let firstRefusal;
  const one = async (path, body, count) => {
    const answer = await call('POST', path, body);
    latencyMs.push(answer.ms);
    const good =
      answer.status !== 202
        ? 0
        : count === 1
          ? 1
          : Number(/^\{"accepted":(\d+)/.exec(answer.text)?.[1] ?? NaN);
    accepted += good;
    refused += count - good;
    if (good < count) firstRefusal ??= answer.text.slice(0, 300);
  };
  const batch = () =>
    JSON.stringify({ messages: Array.from({ length: size }, () => message(channel, n++, later)) });
  if (prepare) {
    for (let i = 0; i < batches; i++) prepared.push(batch());
    return {};
  }
  const started = performance.now();
  if (rate) {
    const answers = [];
    for (let i = 0; i < rate * seconds; i++) {
      const wait = started + (i * 1000) / rate - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      sentAt.push([n, performance.timeOrigin + performance.now()]);
      answers.push(one('/v1/messages', JSON.stringify(message(channel, n++)), 1));
    }
    await Promise.all(answers);
  } else {
    let left = batches ?? Infinity;
    const until = seconds ? started + seconds * 1000 : Infinity;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (left-- > 0 && performance.now() < until)
          if (batches) await one('/v1/messages/batch', prepared.shift() ?? batch(), size);
          else await one('/v1/messages', JSON.stringify(message(channel, n++)), 1);
      }),
    );
  }
  return {
    accepted,
    refused,
    firstRefusal,
    seconds: (performance.now() - started) / 1000,
    latencyMs: latencyMs.sort((a, b) => a - b),
    sentAt,
  };
}

process.on('message', (question) => {
  run(question).then(
    (answer) => process.send({ answer }),
    (error) => process.send({ error: error.stack }),
  );
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
