/**
 * What keeps an account within its limits and away from a provider in trouble, over all processes: its token bucket and
 * its circuit breaker are one row (`account_flow`), changed by pure rules under its lock and on the database's clock.
 * A process asks for tokens by the slice, not by the message, and gives back what it did not need; an account without a
 * limit and without trouble costs nothing. Used by the deliverer before the hand-over mark and after the answers.
 */
import type { Lane, RateLimit, WarmUp } from '@carillon/contracts';
import type { Database } from '@carillon/database';
import {
  addTallies,
  admit,
  afterTally,
  breakerPhase,
  BREAKER_WINDOW_MS,
  leaseTokens,
  limitNow,
  perMs,
  promiseTokens,
  SLICE_MS,
  tallyOf,
  untroubled,
  type AccountTally,
  type Breaker,
  type Bucket,
  type Outcome,
} from '@carillon/delivery-rules';
import type { SendingAccount } from '@carillon/delivery-service';
import { Logger } from '@nestjs/common';

/** Who would wait longer than this for a token takes another account, if there is one. */
export const OVERFLOW_MS = 10_000;

/** How many may go now; for the others, when to ask again and why. */
export interface Permit {
  granted: number;
  waitMs: number;
  why: 'account_rate' | 'account_unavailable';
  /** Left out: as the account's tokens come. Else within so long after it. */
  spreadMs?: number;
}
type Account = Pick<SendingAccount, 'id' | 'workspaceId' | 'rateLimit' | 'troubled'>;

/** What this process holds and wants of one account, for one lane. */
interface Share {
  tokens: number;
  /** When the tokens of the slice go back. */
  until: number;
  /** Asked for in the last slice: the next lease is for as much. */
  demand: number;
  demandSince: number;
  waiting: { want: number; resolve: (permit: Permit) => void; reject: (error: unknown) => void }[];
  leasing: boolean;
  giveBack: NodeJS.Timeout | undefined;
}
type Row = Breaker & Bucket;

export class AccountFlow {
  private readonly shares = new Map<string, Share>();
  /** Accounts that failed here since the row was read for the last time. */
  private readonly troubled = new Set<string>();
  /** Successes that nobody was told of: they count when failures come. */
  private readonly untold = new Map<string, { ok: number; since: number }>();
  private readonly reports = new Map<string, { tally: AccountTally; done: Promise<void> }>();
  private readonly log = new Logger('AccountFlow');

  constructor(
    private readonly database: Database,
    private readonly random: () => number = Math.random,
  ) {}

  /** Asks for `want` messages of a lane. Never waits longer than the row is locked by others. */
  take(account: Account, lane: Lane, want: number): Promise<Permit> {
    const free = !account.rateLimit && !account.troubled && !this.troubled.has(account.id);
    if (free || want === 0) return Promise.resolve({ granted: want, waitMs: 0, why: 'account_rate' });
    const share = this.shareOf(account, lane);
    const now = performance.now();
    if (now - share.demandSince > SLICE_MS) Object.assign(share, { demand: 0, demandSince: now });
    share.demand += want;
    if (share.waiting.length === 0 && share.tokens >= want && share.until > now) {
      share.tokens -= want;
      return Promise.resolve({ granted: want, waitMs: 0, why: 'account_rate' });
    }
    return new Promise((resolve, reject) => {
      share.waiting.push({ want, resolve, reject });
      void this.lease(account, lane, share);
    });
  }

  /** Tells what came of a batch. Resolves when the other processes can see it. `unused`: permits that were not needed. */
  async report(account: Account, outcomes: readonly Outcome[], unused = 0): Promise<void> {
    const tally = tallyOf(outcomes);
    tally.other += unused;
    const news =
      tally.failed > 0 || tally.holdMs !== null || account.troubled || this.troubled.has(account.id);
    const untold = this.untold.get(account.id);
    const fresh = untold && performance.now() - untold.since < BREAKER_WINDOW_MS ? untold : null;
    if (!news) {
      this.untold.set(account.id, {
        ok: (fresh?.ok ?? 0) + tally.ok,
        since: fresh?.since ?? performance.now(),
      });
      return;
    }
    if (tally.failed > 0 || tally.holdMs !== null) this.troubled.add(account.id);
    // Reports that come while one is on its way travel together.
    const waiting = this.reports.get(account.id);
    if (waiting) {
      waiting.tally = addTallies(waiting.tally, tally);
      return waiting.done;
    }
    const mine = { tally, done: Promise.resolve() };
    this.reports.set(account.id, mine);
    mine.done = (async () => {
      await this.turn(account.id);
      this.reports.delete(account.id);
      const earlier = fresh?.ok ?? 0;
      this.untold.delete(account.id);
      await this.change(account, (row, _limit, now) => {
        // Successes from before the failures: they weigh in the share, and end no row of failures.
        const counted = { ...row, windowOk: row.windowOk + earlier };
        const breaker = afterTally(counted, mine.tally, now, this.random());
        if (breakerPhase(row, now) === 'closed' && breakerPhase(breaker, now) === 'open')
          this.log.warn(`account ${account.id}: its breaker opened`);
        return { row: { ...row, ...breaker }, result: undefined };
      });
    })().catch((error: unknown) => {
      this.log.warn(`account ${account.id}: ${error instanceof Error ? error.message : 'unknown error'}`);
    });
    return mine.done;
  }

  /** For rows that got no permit: how long each of them waits, the transactional ones first. */
  async waits(account: Account, lane: Lane, rows: number, { waitMs, why }: Permit): Promise<number[]> {
    if (why === 'account_unavailable')
      return Array.from({ length: rows }, () => waitMs + comeBack(lane, this.random()));
    return this.change(account, (row, limit, now) => {
      if (!limit) return { row, result: Array.from({ length: rows }, () => waitMs) };
      const { bucket, firstMs, eachMs } = promiseTokens(row, limit, rows, waitMs, now);
      const spread = Array.from({ length: rows }, (_, i) => firstMs + (i + this.random()) * eachMs);
      return { row: { ...row, ...bucket }, result: spread };
    });
  }

  /** Gives back what is left of the slices. */
  async stop(): Promise<void> {
    await Promise.allSettled(
      [...this.shares].map(([key, share]) => {
        const [id = '', workspaceId = '', lane = ''] = key.split(' ');
        return this.giveBack({ id, workspaceId, rateLimit: null, troubled: false }, lane as Lane, share);
      }),
    );
  }

  private shareOf(account: Account, lane: Lane): Share {
    const key = `${account.id} ${account.workspaceId} ${lane}`;
    let share = this.shares.get(key);
    if (!share) {
      share = {
        tokens: 0,
        until: 0,
        demand: 0,
        demandSince: 0,
        waiting: [],
        leasing: false,
        giveBack: undefined,
      };
      this.shares.set(key, share);
    }
    return share;
  }

  private async lease(account: Account, lane: Lane, share: Share): Promise<void> {
    if (share.leasing) return;
    share.leasing = true;
    try {
      while (share.waiting.length > 0) {
        // Whoever asks in this turn asks with the others.
        await this.turn(`${account.id} ${lane}`);
        const asks = share.waiting.splice(0);
        const want = asks.reduce((sum, ask) => sum + ask.want, 0);
        const returned = share.tokens;
        share.tokens = 0;
        try {
          const permit = await this.change(account, (row, limit, now) => {
            const passed = admit(row, want, now);
            // The probes of a breaker are few and counted: nothing is asked for ahead of them.
            const ahead =
              breakerPhase(row, now) === 'closed' && limit ? aheadOf(limit, share.demand - want) : 0;
            if (!limit)
              return {
                row: { ...row, ...passed.breaker },
                result: {
                  granted: passed.granted,
                  waitMs: passed.waitMs,
                  why: 'account_unavailable' as const,
                },
              };
            const ask = { want: passed.granted + (passed.granted > 0 ? ahead : 0), lane, returned };
            const { bucket, granted, waitMs } = leaseTokens(row, limit, ask, now);
            // A probe that found no token is no probe.
            const idle = Math.max(0, passed.granted - granted);
            const probes = Math.max(0, passed.breaker.probes - (passed.breaker === row ? 0 : idle));
            const rated = granted < passed.granted;
            return {
              row: { ...row, ...passed.breaker, ...bucket, probes },
              result: {
                granted,
                waitMs: rated ? waitMs : passed.waitMs,
                why: rated ? ('account_rate' as const) : ('account_unavailable' as const),
              },
            };
          });
          let left = permit.granted;
          for (const ask of asks) {
            const granted = Math.min(ask.want, left);
            left -= granted;
            ask.resolve({ ...permit, granted, waitMs: granted === ask.want ? 0 : permit.waitMs });
          }
          this.keep(account, lane, share, left);
        } catch (error) {
          for (const ask of asks) ask.reject(error);
        }
      }
    } finally {
      share.leasing = false;
    }
  }

  private keep(account: Account, lane: Lane, share: Share, tokens: number): void {
    clearTimeout(share.giveBack);
    share.tokens = tokens;
    share.until = performance.now() + SLICE_MS;
    if (tokens > 0)
      share.giveBack = setTimeout(
        () => void this.giveBack(account, lane, share).catch(() => undefined),
        SLICE_MS,
      ).unref();
  }

  private async giveBack(account: Account, lane: Lane, share: Share): Promise<void> {
    clearTimeout(share.giveBack);
    const returned = share.tokens;
    share.tokens = 0;
    if (returned === 0) return;
    await this.change(account, (row, limit, now) => {
      const bucket = limit ? leaseTokens(row, limit, { want: 0, lane, returned }, now).bucket : {};
      return { row: { ...row, ...bucket }, result: undefined };
    });
  }

  private readonly turns = new Map<string, Promise<void>>();
  /** The next turn of the event loop, shared by all who wait for it. */
  private turn(key: string): Promise<void> {
    let turn = this.turns.get(key);
    if (!turn) {
      turn = new Promise<void>((resolve) => setImmediate(resolve)).then(() => void this.turns.delete(key));
      this.turns.set(key, turn);
    }
    return turn;
  }

  /** Reads the row under its lock, applies a rule, writes it. One statement more when the account has none yet. */
  private change<T>(
    { id, workspaceId }: Account,
    rule: (row: Row, limit: RateLimit | null, now: number) => { row: Row; result: T },
  ): Promise<T> {
    return this.database.inWorkspace(workspaceId, async (sql) => {
      const read = () =>
        sql.query<Stored & { now: Date; limit: RateLimit | null; warmUp: WarmUp | null }>(
          `SELECT f.failures_in_row AS "failuresInRow", f.window_at AS "windowAt", f.window_ok AS "windowOk", f.window_failed AS "windowFailed",
                  f.open_until AS "openUntil", f.opened_at AS "openedAt", f.open_reason AS "openReason", f.trips, f.probes, f.probes_at AS "probesAt",
                  f.held_until AS "heldUntil", f.hold_ms AS "holdMs", f.tokens, f.filled_at AS "filledAt", f.period_at AS "periodAt", f.used,
                  f.promised_until AS "promisedUntil", a.rate_limit AS "limit", a.warm_up AS "warmUp", clock_timestamp() AS now
             FROM account_flow f JOIN provider_accounts a ON a.id = f.account_id
            WHERE f.workspace_id = $1 AND f.account_id = $2 FOR UPDATE OF f`,
          [workspaceId, id],
        );
      let [found] = await read();
      if (!found) {
        await sql.execute(
          `INSERT INTO account_flow (workspace_id, account_id) SELECT workspace_id, id FROM provider_accounts WHERE workspace_id = $1 AND id = $2
           ON CONFLICT DO NOTHING`,
          [workspaceId, id],
        );
        [found] = await read();
        if (!found) throw new Error(`provider account ${id} is gone`);
      }
      const { now, limit, warmUp, ...stored } = found;
      const { row, result } = rule(toRow(stored), limitNow(limit, warmUp, now.getTime()), now.getTime());
      if (untroubled(row)) this.troubled.delete(id);
      const at = (ms: number | null) => (ms === null ? null : new Date(ms));
      await sql.execute(
        `UPDATE account_flow SET failures_in_row = $3, window_at = $4, window_ok = $5, window_failed = $6, open_until = $7, opened_at = $8, open_reason = $9,
                trips = $10, probes = $11, probes_at = $12, held_until = $13, hold_ms = $14, tokens = $15, filled_at = $16, period_at = $17, used = $18,
                promised_until = $19
          WHERE workspace_id = $1 AND account_id = $2`,
        [
          workspaceId,
          id,
          row.failuresInRow,
          at(row.windowAt),
          row.windowOk,
          row.windowFailed,
          at(row.openUntil),
          at(row.openedAt),
          row.openReason?.slice(0, 500) ?? null,
          row.trips,
          row.probes,
          at(row.probesAt),
          at(row.heldUntil),
          Math.round(row.holdMs),
          row.tokens,
          at(row.filledAt),
          at(row.periodAt),
          row.used,
          at(row.promisedUntil),
        ],
      );
      return result;
    });
  }
}

type Stored = {
  [K in keyof Row]: K extends `${string}At` | `${string}Until` ? Exclude<Row[K], number> | Date : Row[K];
};
const ms = <T extends Date | null>(at: T): T extends null ? number | null : number =>
  (at === null ? null : at.getTime()) as never;
const toRow = (s: Stored): Row => ({
  ...s,
  windowAt: ms(s.windowAt),
  openUntil: ms(s.openUntil),
  openedAt: ms(s.openedAt),
  probesAt: ms(s.probesAt),
  heldUntil: ms(s.heldUntil),
  filledAt: ms(s.filledAt),
  periodAt: ms(s.periodAt),
  promisedUntil: ms(s.promisedUntil),
});

/** Of a slow limit nothing is held back for messages that may not come. */
const aheadOf = (limit: RateLimit, demand: number): number => {
  const slice = Math.floor(perMs(limit) * SLICE_MS);
  return slice < 5 ? 0 : Math.max(0, Math.min(demand, slice));
};

/** After an outage everybody waits for the same moment: who is in no hurry comes later, and none with all the others. */
export const comeBack = (lane: Lane, random: number): number =>
  Math.round(lane === 'transactional' ? 200 + random * 1_800 : 2_000 + random * 18_000);
