/**
 * What asks about people and tells what they do, in a process of its own. Options: `{ url, apiKey }`. Asked
 *   `{ batches, size, clients, people }`   batches of events, the next when the last is answered;
 *   `{ rate, seconds, people }`            states of profiles at a fixed rate, whatever the answers take;
 *   `{ rate, seconds, tell, from }`        an event of this name at a fixed rate, each of the next person,
 * it answers `{ done, failed, firstFailure, latencyMs }` (rising).
 */
import { caller } from './caller.mjs';

const { url, apiKey } = JSON.parse(process.argv[2]);
const call = caller(url, {
  connections: 32,
  headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
});

let n = 0;
/** Low numbers do most of it, as where the people come from. */
const somebody = (people) => `person-${1 + Math.floor(people * Math.random() ** 3)}`;
const event = (people) => ({
  profile: somebody(people),
  name: ['page.viewed', 'product.viewed', 'cart.added', 'order.placed'][n % 4],
  key: `${process.pid}-${n++}`,
  at: new Date().toISOString(),
  properties: { path: `/p/${n % 5000}`, total: n % 97, currency: 'EUR' },
});

async function run({ batches, size = 500, clients = 4, rate, seconds, people, tell, from = 1 }) {
  const latencyMs = [];
  let done = 0;
  let failed = 0;
  let firstFailure;
  const one = async (count, method, path, body) => {
    const answer = await call(method, path, body && JSON.stringify(body));
    latencyMs.push(answer.ms);
    const ok = answer.status >= 200 && answer.status < 300;
    const good = !ok ? 0 : count === 1 ? 1 : JSON.parse(answer.text).accepted;
    done += good;
    failed += count - good;
    if (good < count) firstFailure ??= answer.text.slice(0, 300);
  };
  if (rate) {
    const started = performance.now();
    let open = 0;
    let over = () => {};
    // Not a promise of each: a generator that keeps thousands of them is collected at length while it should note an answer's time.
    const answered = () => --open === 0 && over();
    for (let i = 0; i < rate * seconds; i++) {
      const wait = started + (i / rate) * 1000 - performance.now();
      if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
      open += 1;
      void (
        tell
          ? one(1, 'POST', '/v1/events', { profile: `person-${from + i}`, name: tell, properties: { n: i } })
          : one(1, 'GET', `/v1/profiles/${somebody(people)}/state`)
      ).finally(answered);
    }
    await new Promise((resolve) => {
      over = resolve;
      if (open === 0) resolve();
    });
  } else {
    let left = batches;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (left-- > 0)
          await one(size, 'POST', '/v1/events/batch', {
            events: Array.from({ length: size }, () => event(people)),
          });
      }),
    );
  }
  return { done, failed, firstFailure, latencyMs: latencyMs.sort((a, b) => a - b) };
}

process.on('message', (question) => {
  run(question).then(
    (answer) => process.send({ answer }),
    (error) => process.send({ error: error.stack }),
  );
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
