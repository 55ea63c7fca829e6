/**
 * A token bucket per caller, in this process. Says where the caller stands in every answer: the fields of
 * draft-ietf-httpapi-ratelimit-headers, and the three older ones that most clients read.
 */
import { Injectable } from '@nestjs/common';
import { config } from '@carillon/config';
import type { FastifyReply } from 'fastify';
import { ProblemException } from './problem.js';

const MOST_BUCKETS = 50_000;

@Injectable()
export class RateLimit {
  private readonly buckets = new Map<string, { tokens: number; at: number }>();

  /** @throws ProblemException rate_limited with Retry-After, in whole seconds */
  take(key: string, reply: FastifyReply): void {
    const { ratePerSecond: rate, rateBurst: burst } = config().limits;
    const now = performance.now();
    const before = this.buckets.get(key);
    const refilled = before ? Math.min(burst, before.tokens + ((now - before.at) / 1000) * rate) : burst;
    const allowed = refilled >= 1;
    const tokens = allowed ? refilled - 1 : refilled;
    // Deleted first, so that the map stays in order of use and the oldest is dropped.
    this.buckets.delete(key);
    this.buckets.set(key, { tokens, at: now });
    if (this.buckets.size > MOST_BUCKETS) this.dropOldest();

    const remaining = Math.floor(tokens);
    const reset = Math.ceil((burst - tokens) / rate);
    reply.headers({
      'ratelimit-policy': `"default";q=${burst};w=${Math.ceil(burst / rate)}`,
      ratelimit: `"default";r=${remaining};t=${reset}`,
      'ratelimit-limit': String(burst),
      'ratelimit-remaining': String(remaining),
      'ratelimit-reset': String(reset),
    });
    if (!allowed)
      throw new ProblemException(
        'rate_limited',
        `More than ${rate} requests a second: wait a moment and send it again.`,
        {
          headers: { 'retry-after': String(Math.max(1, Math.ceil((1 - tokens) / rate))) },
        },
      );
  }

  private dropOldest(): void {
    const [oldest] = this.buckets.keys();
    if (oldest !== undefined) this.buckets.delete(oldest);
  }
}
