/**
 * The engine of journeys: takes what happened to people, moves those who are due, makes calls, lets people in by schedule. A
 * round of its own beside the clock's. Several may run: rows that one of them holds are skipped by the others. All waiting
 * is in rows (an index that holds only what waits for a time), so a million who wait cost nothing but their place.
 */
import { amongWriters, knownZones } from '@carillon/audience-service';
import { failpoint } from '@carillon/config';
import { Database, ensurePartitions, isMissingPartition, kept, type Sql } from '@carillon/database';
import { ownRules, type GateSettings } from '@carillon/delivery-rules';
import { Acceptance } from '@carillon/delivery-service';
import { afterEffect, journeyStep, type Done } from '@carillon/scheduling-rules';
import { leanHeap, Rounds, Turns } from '@carillon/server';
import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { advance, type Means, type WorkspaceClocks } from './advance-journey.js';
import { CallRoom, CALLS_AT_ONCE } from './call-room.js';
import { enterBySchedule, MAY_ENTER } from './enter-by-schedule.js';
import { JourneyCalls } from './journey-calls.js';
import { holding, NOBODY, UNREADABLE, Versions, Work, type Call } from './journey-work.js';
import { moveSlice } from './move-insiders.js';
import { takeSignals } from './take-signals.js';

const TICK_MS = 50;
/** Where no journey has anybody inside or listens, this often is enough. */
const QUIET_MS = 500;
/** People moved in one transaction. */
const SLICE = 500;
const LIVES = kept('any-journey', `SELECT EXISTS (SELECT FROM journeys WHERE state <> 'draft') AS lives`);
/** Of those who have to leave a journey that was stopped, in one transaction; and so many due, before more of them are. */
const LEAVING = 1000;
/** So many full slices one after the other. */
const STORM = 10;
/** What failed so often by itself is set aside for somebody to look at. */
const MOST_TRIES = 5;
/** Of one round that failed as a whole: each by itself. */
const APART = 50;
/** How long what a workspace has set is taken for known. */
const SETTINGS_MS = 5000;

/**
 * What there is to do, and where: the one statement that looks when there is nothing. It touches what is due, not who waits, and
 * of journeys that were stopped only those that somebody may still have to leave.
 */
export const LOOK = `SELECT workspace_id AS "workspaceId", bool_or(what = 's') AS signals, bool_or(what = 'd') AS due, bool_or(what = 'e') AS entries, bool_or(what = 'l') AS leaving, bool_or(what = 'm') AS moving FROM (
    (SELECT workspace_id, 's' AS what FROM journey_signals WHERE NOT held ORDER BY id LIMIT ${SLICE})
    UNION ALL (SELECT workspace_id, 'd' FROM enrollments WHERE due_at <= now() ORDER BY due_at LIMIT ${SLICE})
    UNION ALL (SELECT workspace_id, 'e' FROM journeys WHERE ${MAY_ENTER})
    UNION ALL (SELECT workspace_id, 'm' FROM journeys WHERE moving IS NOT NULL)
    UNION ALL (SELECT workspace_id, 'l' FROM journeys WHERE leaving IS NOT NULL)
  ) AS what GROUP BY workspace_id`;

type Begun = (work: Work) => Work;

const LOOKED = kept('journeys-look', LOOK);
const DUE = holding(
  'due',
  `AND e.due_at <= now() AND ($2::uuid IS NULL OR e.id = $2) ORDER BY e.due_at LIMIT ${SLICE} FOR UPDATE SKIP LOCKED`,
);
const MINE = `AND e.id = $2 AND e.no = $3 AND e.tries = $4 AND e.phase = 'calling' AND e.state = 'inside'`;
const CALLING = holding('calling', MINE);
const CALLED = holding('called', `${MINE} FOR UPDATE`);
const LEAVES = `SELECT id, leaving AS after, (SELECT count(*) >= ${LEAVING} FROM (SELECT FROM enrollments WHERE workspace_id = $1 AND due_at <= now() LIMIT ${LEAVING}) AS d) AS busy
  FROM journeys WHERE workspace_id = $1 AND leaving IS NOT NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`;
const LEAVE = `WITH these AS (
    SELECT id FROM enrollments WHERE workspace_id = $1 AND journey_id = $2 AND id > $3 AND state <> 'ended' ORDER BY id LIMIT ${LEAVING} FOR UPDATE SKIP LOCKED),
  due AS (UPDATE enrollments e SET state = 'inside', reason = CASE WHEN e.state = 'parked' THEN NULL ELSE e.reason END, due_at = now() - interval '1 millisecond' FROM these WHERE e.workspace_id = $1 AND e.id = these.id)
  SELECT id FROM these ORDER BY id`;
/** At the end of all it begins anew, until nobody is left. */
const LEFT = `UPDATE journeys SET leaving = coalesce($3::uuid, CASE WHEN EXISTS (
    SELECT FROM enrollments WHERE workspace_id = $1 AND journey_id = $2 AND state IN ('inside', 'held')) THEN $4::uuid END)
  WHERE workspace_id = $1 AND id = $2`;

@Injectable()
export class JourneyClock implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('JourneyClock');
  private readonly rounds = new Rounds(() => this.round(), {
    restMs: TICK_MS,
    log: this.log,
    trouble: 'journeys could not be moved',
  });
  private readonly versions = new Versions();
  private readonly underway = new Set<Promise<void>>();
  private readonly turns = new Turns(CALLS_AT_ONCE);
  private readonly room = new CallRoom();
  private quietUntil = 0;
  private woken = false;
  private fullRounds = 0;
  private stormEnds: (() => void) | undefined;
  private readonly clocksOf = new Map<string, { set: WorkspaceClocks; until: number }>();
  private readonly means: Means;

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Acceptance) acceptance: Pick<Acceptance, 'acceptWithin'>,
    @Inject(JourneyCalls) private readonly calls: Pick<JourneyCalls, 'call'>,
  ) {
    this.means = {
      acceptance,
      calls: this.room,
      clocks: (sql, workspaceId) => this.clocks(sql, workspaceId),
    };
  }

  onApplicationBootstrap(): void {
    this.rounds.start();
  }
  async beforeApplicationShutdown(): Promise<void> {
    await this.rounds.stop();
    this.weather(0);
    await Promise.all(this.underway);
  }

  /** Once at the start, which may be that of a newer release: what could not be read before is looked at again. */
  async wake(): Promise<void> {
    const workspaces = await this.database.acrossWorkspaces((sql) =>
      sql.query<{ id: string }>(`SELECT DISTINCT workspace_id AS id FROM journeys WHERE state <> 'draft'`),
    );
    for (const { id } of workspaces)
      await this.database.inWorkspace(id, async (sql) => {
        await sql.execute(
          `UPDATE journey_signals s SET held = false FROM journeys j
            WHERE s.workspace_id = $1 AND s.held AND NOT s.payload ? 'problem' AND j.workspace_id = $1 AND j.id = s.journey_id AND j.state = 'live'`,
          [id],
        );
        await sql.execute(
          // Both by an index that holds no others.
          `UPDATE enrollments SET state = 'inside', due_at = now(), reason = NULL WHERE workspace_id = $1 AND state = 'parked' AND reason = $2`,
          [id, UNREADABLE],
        );
      });
  }

  private async round(): Promise<void> {
    if (!this.woken) await this.wake();
    this.woken = true;
    if (Date.now() < this.quietUntil) return;
    const moved = await this.tick();
    this.weather(moved);
    if (moved > 0) this.rounds.hurry();
    else if (!(await this.anythingLives())) this.quietUntil = Date.now() + QUIET_MS;
  }

  /** Where one full slice follows another for long, what they leave behind is not left lying about. */
  private weather(moved: number): void {
    this.fullRounds = moved >= SLICE ? this.fullRounds + 1 : 0;
    if (this.fullRounds >= STORM) this.stormEnds ??= leanHeap();
    else if (this.fullRounds === 0) {
      this.stormEnds?.();
      this.stormEnds = undefined;
    }
  }

  /** Does what is to be done now. @returns how much that was */
  async tick(): Promise<number> {
    const busy = await this.database.acrossWorkspaces(({ last }) =>
      last.query<{
        workspaceId: string;
        signals: boolean;
        due: boolean;
        entries: boolean;
        leaving: boolean;
        moving: boolean;
      }>(LOOKED, []),
    );
    let done = 0;
    for (const { workspaceId, signals, due, entries, leaving, moving } of busy) {
      if (this.rounds.stopping) break;
      if (entries)
        done += await this.database.inWorkspace(workspaceId, (sql) => enterBySchedule(sql, workspaceId));
      if (signals) done += await this.signals(workspaceId);
      if (due) done += await this.due(workspaceId);
      if (leaving) done += await this.leave(workspaceId);
      if (moving)
        done += await this.database.inWorkspace(workspaceId, (sql) =>
          moveSlice(sql, workspaceId, this.versions),
        );
    }
    return done;
  }

  /** Resolves when the calls that are under way have been recorded. */
  async settled(): Promise<void> {
    while (this.underway.size > 0) await Promise.all(this.underway);
  }

  private async anythingLives(): Promise<boolean> {
    const [row] = await this.database.acrossWorkspaces(({ last }) => last.query<{ lives: boolean }>(LIVES));
    return row?.lives ?? false;
  }

  private async signals(workspaceId: string): Promise<number> {
    return this.inOneOrApart(
      workspaceId,
      (sql, begun, only) =>
        takeSignals(sql, workspaceId, this.versions, this.means, begun, only as number | undefined),
      `SELECT id FROM journey_signals WHERE workspace_id = $1 AND NOT held ORDER BY id LIMIT ${APART}`,
      (sql, id, why, counts) =>
        sql.execute(
          // Held, not lost: nobody takes it until somebody has looked.
          `UPDATE journey_signals SET tries = tries + $3, held = tries + $3 >= ${MOST_TRIES}, payload = CASE WHEN tries + $3 >= ${MOST_TRIES} THEN payload || jsonb_build_object('problem', $4::text) ELSE payload END
            WHERE workspace_id = $1 AND id = $2`,
          [workspaceId, id, counts ? 1 : 0, why],
        ),
    );
  }

  private async due(workspaceId: string): Promise<number> {
    return this.inOneOrApart(
      workspaceId,
      async (sql, begun, only) => {
        const [, [clock]] = await Promise.all([
          amongWriters(sql, workspaceId),
          sql.query<{ now: Date }>('SELECT clock_timestamp() AS now'),
        ]);
        const work = begun(new Work(workspaceId, clock!.now, this.versions));
        const rows = await work.hold(sql, DUE, [only ?? null]);
        // Whoever is looked at now: a look too early changes nothing.
        for (const row of rows) if (row.dueAt === null || row.dueAt > work.now) row.dueAt = work.now;
        if (rows.length > 0) await advance(sql, work, this.means, only === undefined ? undefined : 1);
        await work.write(sql);
        return { taken: rows.length };
      },
      `SELECT id FROM enrollments WHERE workspace_id = $1 AND due_at <= now() ORDER BY due_at LIMIT ${APART}`,
      (sql, id, why, counts) =>
        sql.execute(
          `UPDATE enrollments SET tries = tries + $3,
                  state = CASE WHEN tries + $3 >= ${MOST_TRIES} THEN 'parked' ELSE state END,
                  reason = CASE WHEN tries + $3 >= ${MOST_TRIES} THEN $4 ELSE reason END,
                  due_at = CASE WHEN tries + $3 >= ${MOST_TRIES} THEN NULL ELSE now() + (tries + 1) * interval '5 seconds' END
            WHERE workspace_id = $1 AND id = $2 AND state = 'inside' AND due_at <= now()`,
          [workspaceId, id, counts ? 1 : 0, why.slice(0, 500)],
        ),
    );
  }

  /**
   * Many in one transaction; when that fails, each by itself and one step at a time, so that one that cannot be worked keeps
   * nobody else waiting: it is tried again a few times, then set aside at the step that fails, with the reason.
   */
  private async inOneOrApart(
    workspaceId: string,
    take: (sql: Sql, begun: Begun, only?: number | string) => Promise<{ taken: number } | null>,
    some: string,
    failed: (sql: Sql, id: number | string, why: string, counts: boolean) => Promise<unknown>,
  ): Promise<number> {
    try {
      return await this.commit(workspaceId, (sql, begun) => take(sql, begun));
    } catch (error) {
      if (isMissingPartition(error)) await ensurePartitions(this.database);
      this.log.warn(`a slice of journeys is worked one by one: ${messageOf(error)}`);
    }
    const ids = await this.database.inWorkspace(workspaceId, (sql) =>
      sql.query<{ id: number | string }>(some, [workspaceId]),
    );
    let done = 0;
    for (const { id } of ids) {
      if (this.rounds.stopping) break;
      try {
        done += await this.commit(workspaceId, (sql, begun) => take(sql, begun, id));
      } catch (error) {
        const why = messageOf(error);
        this.log.error(`${id} could not be moved: ${why}`);
        await this.database.inWorkspace(workspaceId, (sql) => failed(sql, id, why, !passes(error)));
      }
    }
    return done;
  }

  private async commit(
    workspaceId: string,
    take: (sql: Sql, begun: Begun) => Promise<{ taken: number } | null>,
  ): Promise<number> {
    let work: Work | undefined;
    // Known from its beginning: what it has taken hold of is given back whatever fails.
    const begun: Begun = (one) => (work = one);
    try {
      const taken = await this.database.inWorkspace(workspaceId, async (sql) => {
        const result = await take(sql, begun);
        if (result?.taken) failpoint('journey-before-commit');
        return result?.taken ?? 0;
      });
      if (taken > 0) failpoint('journey-after-commit');
      for (const then of work?.committed ?? []) then();
      for (const call of work?.calls ?? []) this.makeCall(workspaceId, call);
      return taken;
    } catch (error) {
      for (const then of work?.givenUp ?? []) then();
      throw error;
    }
  }

  // ── calls ──

  private makeCall(workspaceId: string, call: Call): void {
    let ms: number | undefined;
    const under = this.turns
      .take(async () => {
        const from = performance.now();
        await this.callAndRecord(workspaceId, call);
        ms = performance.now() - from;
      })
      .catch((error: unknown) => this.log.error(`a call was not recorded: ${messageOf(error)}`))
      .finally(() => {
        this.room.giveBack(ms);
        this.underway.delete(under);
      });
    this.underway.add(under);
  }

  private async callAndRecord(workspaceId: string, call: Call): Promise<void> {
    const at = [call.enrollmentId, call.no, call.tries];
    const asked = await this.database.inWorkspace(workspaceId, async (sql) => {
      const work = new Work(workspaceId, new Date(), this.versions);
      const [row] = await work.hold(sql, CALLING, at);
      const step = row?.definition.steps[row.step];
      if (!row || step?.kind !== 'call') return null;
      const [person] = await sql.query<{
        externalId: string;
        email: string | null;
        phone: string | null;
        attributes: unknown;
      }>(
        `SELECT external_id AS "externalId", email, phone, attributes FROM profiles WHERE workspace_id = $1 AND id = $2`,
        [workspaceId, row.profileId],
      );
      const effect = journeyStep(row.definition, { ...row, phase: 'arrived' }, NO_FACTS, new Date(0));
      const body = effect.kind === 'do' && effect.effect.kind === 'call' ? effect.effect.body : null;
      return {
        step,
        body: body ?? {
          journey: row.journey.key,
          step: row.step,
          enrollment: row.id,
          profile: person,
          event: row.data.event,
          vars: row.data.vars,
        },
      };
    });
    if (!asked) return;
    const answer = await this.calls.call(asked.step, `${call.enrollmentId}-${call.no}`, asked.body);
    const { again, ...done }: Done & { again: boolean } = answer;
    await this.commit(workspaceId, async (sql, begun) => {
      await amongWriters(sql, workspaceId);
      const [clock] = await sql.query<{ now: Date }>('SELECT clock_timestamp() AS now');
      const work = begun(new Work(workspaceId, clock!.now, this.versions));
      const [row] = await work.hold(sql, CALLED, at);
      if (!row) return null;
      if (!done.ok && again && row.tries < asked.step.tries) {
        // Once more, later: twice as long each time, a minute at most.
        row.phase = 'arrived';
        row.dueAt = new Date(work.now.getTime() + Math.min(60_000, 1000 * 2 ** (row.tries - 1)));
        row.changed = true;
      } else {
        const move = afterEffect(row.definition, row, done);
        if (move.kind !== 'do') work.move(row, move);
        await advance(sql, work, this.means);
      }
      await work.write(sql);
      return { taken: 1 };
    });
  }

  // ── the end ──

  /**
   * Makes those due who are still in a journey that was stopped: a slice, when the one before has left, so that others are
   * moved meanwhile. How far it has come stands in the journey's row; who was held by somebody is met again.
   */
  private leave(workspaceId: string): Promise<number> {
    return this.database.inWorkspace(workspaceId, async (sql) => {
      const [journey] = await sql.query<{ id: string; after: string; busy: boolean }>(LEAVES, [workspaceId]);
      if (!journey || journey.busy) return 0;
      const rows = await sql.query<{ id: string }>(LEAVE, [workspaceId, journey.id, journey.after]);
      await sql.execute(LEFT, [workspaceId, journey.id, rows.at(-1)?.id ?? null, NOBODY]);
      return rows.length;
    });
  }

  /** Of a workspace, for a while: settings that hardly ever change. */
  private async clocks(
    sql: Sql,
    workspaceId: string,
  ): Promise<WorkspaceClocks & { known: ReadonlySet<string> }> {
    const known = await knownZones(sql);
    const before = this.clocksOf.get(workspaceId);
    if (before && before.until > Date.now()) return { ...before.set, known };
    const [row] = await sql.query<{ settings: GateSettings }>(
      'SELECT settings FROM workspaces WHERE id = $1',
      [workspaceId],
    );
    const given = row?.settings.timezone;
    const own = given && known.has(given) ? given : null;
    const set = {
      zone: own ?? 'UTC',
      workspaceZone: own,
      quietHours: ownRules(row?.settings ?? {})?.rules.quietHours ?? [],
    };
    this.clocksOf.set(workspaceId, { set, until: Date.now() + SETTINGS_MS });
    return { ...set, known };
  }
}

const NO_FACTS = { zone: 'UTC', attributes: {}, holds: () => false, quietEnds: () => null };
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown error');

/** Trouble of the moment, of which the row is not to blame: connections, locks, resources. */
const passes = (error: unknown): boolean => {
  const { code } = error as { code?: unknown };
  return (typeof code === 'string' && /^(08|40|53|55|57)/.test(code)) || isMissingPartition(error);
};
