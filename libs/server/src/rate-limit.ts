/**
 * A token bucket per caller, in this process. Says where the caller stands in every answer: the fields of
 * draft-ietf-httpapi-ratelimit-headers, and the three older ones that most clients read.
 */
import { Injectable } from '@nestjs/common';
import { config } from '@carillon/config';
import type { FastifyReply } from 'fastify';
import { ProblemException } from './problem.js';

const MOST_BUCKETS = 50_000;

/** What a caller has left, in requests, and when that was so. */
interface Bucket {
  tokens: number;
  at: number;
}

@Injectable()
export class RateLimit {
  /** Two halves, so that a caller costs no more than a look-up: who was not heard of since the last change of halves is forgotten. */
  private recent = new Map<string, Bucket>();
  private older = new Map<string, Bucket>();

  /** @throws ProblemException rate_limited with Retry-After, in whole seconds */
  take(key: string, reply: FastifyReply): void {
    const { ratePerSecond: rate, rateBurst: burst } = config().limits;
    const now = performance.now();
    const bucket = this.bucketOf(key) ?? this.remember(key, { tokens: burst, at: now });
    const refilled = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * rate);
    const allowed = refilled >= 1;
    const tokens = allowed ? refilled - 1 : refilled;
    bucket.tokens = tokens;
    bucket.at = now;

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

  private bucketOf(key: string): Bucket | undefined {
    const bucket = this.recent.get(key);
    if (bucket) return bucket;
    const old = this.older.get(key);
    return old && this.remember(key, old);
  }

  private remember(key: string, bucket: Bucket): Bucket {
    if (this.recent.size >= MOST_BUCKETS / 2) {
      this.older = this.recent;
      this.recent = new Map();
    }
    this.recent.set(key, bucket);
    return bucket;
  }
}
