/**
 * Admission: whether a request to send is taken at all. Refused are requests of a workspace, or to an installation, that
 * has more due than it works off, what would fill this process's memory, and everything when the disk is nearly full:
 * better an honest 429 or 503 with Retry-After than an answer that comes too late, or a PostgreSQL that cannot record
 * what was sent. Figures are sampled while requests come, never per request, and no request waits for one. Redis has no
 * say: what it cannot hold lies in rows. Called by the messages controller.
 */
import { config } from '@carillon/config';
import { Database, kept } from '@carillon/database';
import { ProblemException } from '@carillon/server';
import { Logger } from '@nestjs/common';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { OFFER_AGAIN_SECONDS } from './accept.js';

/** Messages of requests that this process has begun and not answered. */
const MOST_IN_HAND = 20_000;
const BACKLOG_EVERY_MS = 1_000;
const SPACE_EVERY_MS = 5_000;
/** A sample may cost a fifth of one connection's time: a long backlog takes long to count. */
const PAUSE_PER_SAMPLE = 5;
/** A figure that was not renewed for so long tells nothing: nobody asked, or the database is away. */
const KEPT_MS = 10_000;
/** Least space for PostgreSQL, or that part of the disk if it is less: dispatchers still have to record what they send. */
const LEAST_FREE_BYTES = 200_000_000;
const LEAST_FREE_PART = 0.02;
const RETRY_SECONDS = { least: 5, unknown: 30, most: 300 };

export interface Space {
  freeBytes: number;
  sizeBytes: number;
}
interface Backlog {
  at: number;
  total: number;
  byWorkspace: ReadonlyMap<string, number>;
}

export class Admission {
  private inHand = 0;
  private before: Backlog | null = null;
  private readonly backlog: Figure<Backlog>;
  private readonly space: Figure<Space>;

  /** @param spaceLeft on the disk of the database; null when that is another machine's */
  constructor(
    database: Pick<Database, 'acrossWorkspaces'>,
    spaceLeft: () => Promise<Space | null> = spaceOfData,
  ) {
    this.backlog = new Figure('the backlog', BACKLOG_EVERY_MS, async () => {
      const next = await count(database);
      this.before = this.backlog.latest();
      return next;
    });
    this.space = new Figure('the free space', SPACE_EVERY_MS, spaceLeft);
  }

  /**
   * Lets `accept` run, and counts its messages while it does.
   * @throws ProblemException backlog_full, overloaded or storage_full, with Retry-After
   */
  async admit<T>(workspaceId: string, messages: number, accept: () => Promise<T>): Promise<T> {
    const refusal = this.refusal(workspaceId, messages);
    if (refusal) throw refusal;
    this.inHand += messages;
    try {
      return await accept();
    } finally {
      this.inHand -= messages;
    }
  }

  private refusal(workspaceId: string, messages: number): ProblemException | null {
    const { backlog: most, backlogPerWorkspace: mostOfOne } = config().limits;
    const space = this.space.ask();
    if (space && space.freeBytes < Math.min(LEAST_FREE_BYTES, space.sizeBytes * LEAST_FREE_PART))
      return refuse(
        'storage_full',
        'The disk is nearly full: free space, then send it again.',
        RETRY_SECONDS.unknown,
      );
    // One request is taken whatever its size: alone it cannot be too much.
    if (this.inHand > 0 && this.inHand + messages > MOST_IN_HAND)
      return refuse(
        'overloaded',
        'Too many messages are being accepted right now: send it again in a moment.',
        RETRY_SECONDS.least,
      );
    const backlog = this.backlog.ask();
    if (!backlog) return null;
    const own = backlog.byWorkspace.get(workspaceId) ?? 0;
    if (own > mostOfOne)
      return refuse(
        'backlog_full',
        `More than ${mostOfOne} deliveries of your workspace are due and not yet sent: send it again when some have left.`,
        this.secondsUntil(own - mostOfOne, backlog, (b) => b.byWorkspace.get(workspaceId) ?? 0),
      );
    if (backlog.total > most)
      return refuse(
        'overloaded',
        'More deliveries wait than this installation takes: send it again later.',
        this.secondsUntil(backlog.total - most, backlog, (b) => b.total),
      );
    return null;
  }

  /** How long the excess takes at the pace between the last two samples. */
  private secondsUntil(excess: number, now: Backlog, figure: (b: Backlog) => number): number {
    if (!this.before) return RETRY_SECONDS.unknown;
    return retrySeconds(excess, figure(this.before) - figure(now), now.at - this.before.at);
  }
}

/** @param left deliveries fewer than `withinMs` before */
export function retrySeconds(excess: number, left: number, withinMs: number): number {
  if (left <= 0 || withinMs <= 0) return RETRY_SECONDS.unknown;
  const seconds = Math.ceil((excess * withinMs) / left / 1000);
  return Math.min(RETRY_SECONDS.most, Math.max(RETRY_SECONDS.least, seconds));
}

const refuse = (code: 'backlog_full' | 'overloaded' | 'storage_full', detail: string, seconds: number) =>
  new ProblemException(code, detail, { headers: { 'retry-after': String(seconds) } });

/** A number that is sampled in the background while somebody asks for it: one sample at a time, with pauses between. */
class Figure<T> {
  private readonly log = new Logger('Admission');
  private value: T | null = null;
  private endsAt = 0;
  private nextAt = 0;
  private running = false;

  constructor(
    private readonly what: string,
    private readonly everyMs: number,
    private readonly sample: () => Promise<T | null>,
  ) {}

  /** @returns what is known, at once; null when that is nothing, or too old */
  ask(): T | null {
    if (!this.running && performance.now() >= this.nextAt) void this.take();
    return this.latest();
  }
  latest(): T | null {
    return performance.now() < this.endsAt ? this.value : null;
  }

  private async take(): Promise<void> {
    this.running = true;
    const began = performance.now();
    try {
      this.value = await this.sample();
    } catch (error) {
      // The old figure stays until its time is over; a database that is away refuses by itself.
      this.log.warn(
        `${this.what} could not be told: ${error instanceof Error ? error.name : 'unknown error'}`,
      );
    } finally {
      const ended = performance.now();
      this.nextAt = Math.max(began + this.everyMs, ended + (ended - began) * PAUSE_PER_SAMPLE);
      this.endsAt = this.nextAt + KEPT_MS;
      this.running = false;
    }
  }
}

const BACKLOG = kept(
  'backlog',
  `SELECT workspace_id AS "workspaceId", count(*) AS n FROM
     (SELECT workspace_id FROM deliveries
       WHERE due_at <= now() + make_interval(secs => $1::float8) AND (status = 'queued' OR (status = 'scheduled' AND due_at <= now()))
       LIMIT $2) d
   GROUP BY 1`,
);

/**
 * Deliveries due and not yet worked, on the database's clock: queued ones, and planned ones past their time. What is
 * planned for later does not count. No more rows are looked at than the limit; the partial index on due_at leads to them.
 */
async function count(database: Pick<Database, 'acrossWorkspaces'>): Promise<Backlog> {
  const rows = await database.acrossWorkspaces((sql) =>
    sql.query<{ workspaceId: string; n: number }>(
      BACKLOG,
      // A second for rows that were written while this statement began.
      [OFFER_AGAIN_SECONDS + 1, config().limits.backlog + 1],
    ),
  );
  return {
    at: performance.now(),
    total: rows.reduce((sum, row) => sum + row.n, 0),
    byWorkspace: new Map(rows.map((row) => [row.workspaceId, row.n])),
  };
}

/** Of the embedded PostgreSQL, where `npm start` put it. */
async function spaceOfData(): Promise<Space | null> {
  const { dataDir, database } = config();
  if (!['localhost', '127.0.0.1', '[::1]'].includes(new URL(database.url).hostname)) return null;
  const disk = await statfs(path.join(dataDir, 'pg')).catch(() => null);
  return disk && { freeBytes: disk.bavail * disk.bsize, sizeBytes: disk.blocks * disk.bsize };
}
