/**
 * Whether this process lives, whether it can do its work, and its figures. `live` looks at nothing outside, so that a
 * database that is away does not get every process restarted.
 */
import { Injectable } from '@nestjs/common';
import { config } from '@carillon/config';
import {
  clockSkewMs,
  copiedAt,
  copySentence,
  Database,
  durabilityFaults,
  MOST_SKEW_MS,
} from '@carillon/database';
import { Queues } from '@carillon/queue';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const PATIENCE_MS = 2_000;

export interface Readiness {
  ready: boolean;
  checks: Record<'database' | 'migrations' | 'durability' | 'queue' | 'open', 'ok' | 'failing'>;
  /** For a person: what stops it, and what will hurt one day. */
  sentences: string[];
}

@Injectable()
export class Health {
  readonly registry = new Registry();
  /** Seconds, by method, route pattern (never the address itself) and status. */
  readonly requests = new Histogram({
    name: 'carillon_http_request_seconds',
    help: 'Duration of HTTP requests',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [this.registry],
  });

  private open = true;

  constructor(
    private readonly database: Database,
    private readonly queues: Queues,
  ) {
    collectDefaultMetrics({ register: this.registry });
    this.gauges();
  }

  /** From now on readiness says no, so that nobody sends here while what has begun is finished. */
  stopping(): void {
    this.open = false;
  }

  async readiness(): Promise<Readiness> {
    const [faults, skewMs, copied, doubts, database, queue] = await Promise.all([
      config().database.mayLose ? [] : within(durabilityFaults(this.database)).catch(() => []),
      within(clockSkewMs(this.database)).catch(() => 0),
      within(copiedAt(this.database)).catch(() => null),
      within(this.queues.doubts()).catch(() => []),
      within(this.look()).catch(() => 'away' as const),
      within(this.queues.depths()).then(
        () => 'ok' as const,
        () => 'failing' as const,
      ),
    ]);
    const checks: Readiness['checks'] = {
      database: database === 'away' ? 'failing' : 'ok',
      migrations: database === 'migrated' ? 'ok' : 'failing',
      durability: faults.length === 0 ? 'ok' : 'failing',
      queue,
      open: this.open ? 'ok' : 'failing',
    };
    const skew =
      Math.abs(skewMs) > MOST_SKEW_MS
        ? [
            `The clocks of this machine and the database are ${(Math.abs(skewMs) / 1000).toFixed(1)} s apart: let both follow NTP.`,
          ]
        : [];
    return {
      ready: Object.values(checks).every((check) => check === 'ok'),
      checks,
      sentences: [...faults, ...(copied ? [copySentence] : []), ...skew, ...doubts].map(asSentence),
    };
  }

  private async look(): Promise<'migrated' | 'behind'> {
    const { rows } = await this.database.pool.query<{ log: string | null }>(
      `SELECT to_regclass('deliveries')::text AS log`,
    );
    return rows[0]?.log ? 'migrated' : 'behind';
  }

  private gauges(): void {
    const { registry, queues, database } = this;
    new Gauge({
      name: 'carillon_queue_jobs',
      help: 'Jobs by queue and state; absent while the store does not answer',
      labelNames: ['queue', 'state'],
      registers: [registry],
      async collect() {
        this.reset();
        const depths = await within(queues.depths()).catch(() => ({}));
        for (const [queue, depth] of Object.entries(depths))
          for (const state of ['waiting', 'active'] as const) this.set({ queue, state }, depth[state]);
      },
    });
    new Gauge({
      name: 'carillon_database_connections',
      help: 'Connections of this process to the database, by state',
      labelNames: ['state'],
      registers: [registry],
      collect() {
        this.set({ state: 'open' }, database.pool.totalCount);
        this.set({ state: 'idle' }, database.pool.idleCount);
        this.set({ state: 'waited_for' }, database.pool.waitingCount);
      },
    });
    new Gauge({
      name: 'carillon_clock_skew_seconds',
      help: "How far this process's clock is ahead of the database's; absent while the database does not answer",
      registers: [registry],
      async collect() {
        const ms = await within(clockSkewMs(database)).catch(() => null);
        if (ms === null) this.reset();
        else this.set(ms / 1000);
      },
    });
    new Counter({
      name: 'carillon_queue_offers_total',
      help: 'What was offered to the queues: ids, the jobs that carried them, jobs that could not be stored, ids held back from bulk lanes of a store nearly full',
      labelNames: ['what'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [what, count] of Object.entries(queues.offered)) this.inc({ what }, count);
      },
    });
  }
}

const asSentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.;]$/.test(text) ? '' : '.'}`;

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, patience]);
  } finally {
    clearTimeout(timer);
  }
}
