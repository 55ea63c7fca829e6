import { afterEach, describe, expect, it } from '@jest/globals';
import { loadConfig, useConfig } from '@carillon/config';
import { fastify, type FastifyInstance } from 'fastify';
import { ProblemException } from './problem.js';
import { RateLimit } from './rate-limit.js';

let server: FastifyInstance | undefined;
afterEach(() => server?.close());

/** A server whose every request takes from one bucket per `x-caller`. */
function limited(rate: number, burst: number) {
  useConfig(loadConfig({ NODE_ENV: 'test', RATE_LIMIT_PER_SECOND: `${rate}`, RATE_LIMIT_BURST: `${burst}` }));
  const limit = new RateLimit();
  server = fastify();
  server.get('/', (request, reply) => {
    try {
      limit.take(String(request.headers['x-caller']), reply);
      return 'passed';
    } catch (error) {
      if (!(error instanceof ProblemException)) throw error;
      return reply
        .status(error.status)
        .headers(error.options.headers ?? {})
        .send(error.code);
    }
  });
  return (caller: string) => server?.inject({ url: '/', headers: { 'x-caller': caller } });
}

describe('the rate limit', () => {
  it('lets exactly the burst pass, then asks to wait, and leaves the others alone', async () => {
    const ask = limited(1, 5);
    const answers = [];
    for (let i = 0; i < 12; i++) answers.push(await ask('ana'));
    expect(answers.map((a) => a?.statusCode)).toEqual([
      ...Array<number>(5).fill(200),
      ...Array<number>(7).fill(429),
    ]);
    expect(answers.map((a) => a?.headers['ratelimit-remaining']).slice(0, 6)).toEqual([
      '4',
      '3',
      '2',
      '1',
      '0',
      '0',
    ]);
    const refused = answers.at(-1);
    expect(refused?.body).toBe('rate_limited');
    expect(refused?.headers['retry-after']).toBe('1');
    expect(refused?.headers['ratelimit-policy']).toBe('"default";q=5;w=5');
    expect(refused?.headers.ratelimit).toBe('"default";r=0;t=5');
    expect((await ask('bo'))?.statusCode).toBe(200);
  });

  it('remembers who asks again and again, however many others come', () => {
    useConfig(loadConfig({ NODE_ENV: 'test', RATE_LIMIT_PER_SECOND: '1', RATE_LIMIT_BURST: '1000' }));
    const limit = new RateLimit();
    const left: number[] = [];
    const reply = {
      headers: (all: Record<string, string>) => void left.push(Number(all['ratelimit-remaining'])),
    };
    for (let i = 0; i < 100_000; i++) {
      if (i % 200 === 0) limit.take('ana', reply as never);
      limit.take(`stranger ${i}`, reply as never);
    }
    left.length = 0;
    limit.take('ana', reply as never);
    limit.take('stranger 0', reply as never);
    expect(left[0]).toBeLessThan(600);
    expect(left[1]).toBe(999);
  });

  it('fills up again with time', async () => {
    const ask = limited(50, 1);
    expect((await ask('ana'))?.statusCode).toBe(200);
    expect((await ask('ana'))?.statusCode).toBe(429);
    const until = Date.now() + 1_000;
    while ((await ask('ana'))?.statusCode !== 200) expect(Date.now()).toBeLessThan(until);
  });
});
