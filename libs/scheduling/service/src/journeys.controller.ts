/** Journeys over HTTP. */
import { actorOf, audit } from '@carillon/audience-service';
import { SignalId } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { whoIs } from '@carillon/delivery-service';
import {
  notFound,
  Operation,
  ProblemException,
  type Call,
  type KeyCaller,
  type Result,
  type UserCaller,
} from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import type { Who } from './campaign-steps.js';
import {
  closeJourney,
  deleteJourney,
  goLive,
  pauseJourney,
  resumeJourney,
  saveJourney,
  stopJourney,
} from './change-journey.js';
import { enrollmentHistory, enrollmentsBefore, journeyNumbers } from './enrollment-rows.js';
import { explainFor } from './explain-journey.js';
import { signalEntry, tellBusinessEvent } from './let-in.js';
import { lintAnything } from './journey-findings.js';
import { insideOf, journeyByKey, journeysAfter, showJourney, toJourney, versionsOf } from './journey-rows.js';
import { moveInsiders } from './move-insiders.js';
import { parkedSignals, retrySignal, skipSignal, skipStep } from './parked-signals.js';

@Controller()
export class JourneysController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listJourneys')
  list({ query, caller }: Call<'listJourneys'>): Promise<Result<'listJourneys'>> {
    const { limit, cursor, state, search } = query;
    return this.in(caller, async (sql) => {
      const asked = { state, search, after: cursor, limit: limit + 1 };
      const rows = await journeysAfter(sql, caller.workspaceId, asked);
      const page = rows.slice(0, limit);
      const inside = await insideOf(
        sql,
        caller.workspaceId,
        page.map(({ id }) => id),
      );
      return {
        items: page.map((row) =>
          toJourney(
            row,
            inside.filter(({ id }) => id === row.id).reduce((sum, part) => sum + part.inside, 0),
          ),
        ),
        nextCursor: rows.length > limit ? (page.at(-1)?.key ?? null) : null,
      };
    });
  }

  @Operation('lintJourney')
  async lint({ body, caller }: Call<'lintJourney'>): Promise<Result<'lintJourney'>> {
    return {
      findings: await this.in(caller, (sql) => lintAnything(sql, caller.workspaceId, body.definition)),
    };
  }

  @Operation('saveJourney')
  save({ params, body, caller }: Call<'saveJourney'>): Promise<Result<'saveJourney'>> {
    return this.in(caller, async (sql) =>
      saveJourney(sql, caller.workspaceId, params.key, body, await who(sql, caller)),
    );
  }

  @Operation('getJourney')
  async get({ params, caller }: Call<'getJourney'>): Promise<Result<'getJourney'>> {
    return found(await this.in(caller, (sql) => showJourney(sql, caller.workspaceId, params.key)));
  }

  @Operation('deleteJourney')
  async delete({ params, caller }: Call<'deleteJourney'>): Promise<Result<'deleteJourney'>> {
    await this.in(caller, async (sql) => {
      const id = await deleteJourney(sql, caller.workspaceId, params.key);
      await audit(sql, caller, 'journey.deleted', id);
    });
  }

  @Operation('listJourneyVersions')
  versions({ params, caller }: Call<'listJourneyVersions'>): Promise<Result<'listJourneyVersions'>> {
    return this.in(caller, async (sql) => {
      const { id } = found(await journeyByKey(sql, caller.workspaceId, params.key));
      return { items: await versionsOf(sql, caller.workspaceId, id) };
    });
  }

  @Operation('goLiveJourney')
  goLive({ params, body, caller }: Call<'goLiveJourney'>): Promise<Result<'goLiveJourney'>> {
    return this.change(caller, 'journey.live', async (sql) =>
      goLive(sql, caller.workspaceId, params.key, body, await who(sql, caller)),
    );
  }

  @Operation('pauseJourney')
  pause({ params, body, caller }: Call<'pauseJourney'>): Promise<Result<'pauseJourney'>> {
    return this.change(caller, 'journey.paused', (sql) =>
      pauseJourney(sql, caller.workspaceId, params.key, body),
    );
  }

  @Operation('resumeJourney')
  resume({ params, caller }: Call<'resumeJourney'>): Promise<Result<'resumeJourney'>> {
    return this.change(caller, 'journey.resumed', (sql) =>
      resumeJourney(sql, caller.workspaceId, params.key),
    );
  }

  @Operation('closeJourney')
  close({ params, body, caller }: Call<'closeJourney'>): Promise<Result<'closeJourney'>> {
    return this.change(caller, 'journey.closed', (sql) =>
      closeJourney(sql, caller.workspaceId, params.key, body),
    );
  }

  @Operation('stopJourney')
  stop({ params, body, caller }: Call<'stopJourney'>): Promise<Result<'stopJourney'>> {
    return this.change(caller, 'journey.stopped', (sql) =>
      stopJourney(sql, caller.workspaceId, params.key, body),
    );
  }

  @Operation('listEnrollments')
  enrollments({ params, query, caller }: Call<'listEnrollments'>): Promise<Result<'listEnrollments'>> {
    const { limit, cursor, ...asked } = query;
    return this.in(caller, async (sql) => {
      const { id } = found(await journeyByKey(sql, caller.workspaceId, params.key));
      const rows = await enrollmentsBefore(sql, caller.workspaceId, id, {
        ...asked,
        cursor,
        limit: limit + 1,
      });
      const items = rows.slice(0, limit);
      return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    });
  }

  @Operation('enterJourney')
  async enter({ params, body, caller }: Call<'enterJourney'>): Promise<Result<'enterJourney'>> {
    return this.in(caller, async (sql) => ({
      signalled: await signalEntry(
        sql,
        caller.workspaceId,
        found(await journeyByKey(sql, caller.workspaceId, params.key)),
        body,
      ),
    }));
  }

  @Operation('tellBusinessEvent')
  businessEvent({ body, caller }: Call<'tellBusinessEvent'>): Promise<Result<'tellBusinessEvent'>> {
    return this.in(caller, (sql) => tellBusinessEvent(sql, caller.workspaceId, body));
  }

  @Operation('getEnrollment')
  async enrollment({ params, caller }: Call<'getEnrollment'>): Promise<Result<'getEnrollment'>> {
    return this.in(caller, async (sql) => {
      const { id } = found(await journeyByKey(sql, caller.workspaceId, params.key));
      return found(await enrollmentHistory(sql, caller.workspaceId, id, params.id), 'enrollment');
    });
  }

  /** The clock has the person leave, like anybody whose time is over: one way out, one count. */
  @Operation('endEnrollment')
  endEnrollment({ params, body, caller }: Call<'endEnrollment'>): Promise<Result<'endEnrollment'>> {
    return this.nudge(
      caller,
      params,
      `UPDATE enrollments SET leave_by = now(), due_at = now(), step_due_at = NULL, state = 'inside', reason = $4
        WHERE workspace_id = $1 AND journey_id = $2 AND id = $3 AND state <> 'ended'`,
      [body.reason ?? 'removed'],
      'It has ended already.',
    );
  }

  @Operation('retryEnrollment')
  retryEnrollment({ params, caller }: Call<'retryEnrollment'>): Promise<Result<'retryEnrollment'>> {
    return this.nudge(
      caller,
      params,
      `UPDATE enrollments SET state = 'inside', due_at = now(), tries = 0, reason = NULL
        WHERE workspace_id = $1 AND journey_id = $2 AND id = $3 AND state = 'parked'`,
      [],
      'Only what is parked can be tried again.',
    );
  }

  @Operation('moveInsiders')
  moveInsiders({ params, body, caller }: Call<'moveInsiders'>): Promise<Result<'moveInsiders'>> {
    return this.in(caller, async (sql) => {
      const journey = found(await journeyByKey(sql, caller.workspaceId, params.key, 'FOR UPDATE'));
      const moved = await moveInsiders(sql, caller.workspaceId, journey, body);
      if (body.apply)
        await audit(sql, caller, 'journey.insiders_moved', journey.id, { from: moved.from, to: moved.to });
      return moved;
    });
  }

  @Operation('skipEnrollment')
  skipEnrollment({ params, caller }: Call<'skipEnrollment'>): Promise<Result<'skipEnrollment'>> {
    return this.in(caller, async (sql) => {
      const journey = found(await journeyByKey(sql, caller.workspaceId, params.key));
      const skipped = await skipStep(sql, caller.workspaceId, journey.id, params.id);
      const history = await enrollmentHistory(sql, caller.workspaceId, journey.id, params.id);
      const { enrollment } = found(history, 'enrollment');
      if (!skipped)
        throw new ProblemException('conflict', 'Only the step of somebody who is parked can be skipped.');
      return enrollment;
    });
  }

  @Operation('explainJourney')
  explain({ params, query, caller }: Call<'explainJourney'>): Promise<Result<'explainJourney'>> {
    return this.in(caller, async (sql) => {
      const journey = found(await journeyByKey(sql, caller.workspaceId, params.key));
      return explainFor(sql, caller.workspaceId, journey, query);
    });
  }

  @Operation('listParkedSignals')
  parked({ query, caller }: Call<'listParkedSignals'>): Promise<Result<'listParkedSignals'>> {
    const { limit, cursor } = query;
    return this.in(caller, async (sql) => {
      const rows = await parkedSignals(sql, caller.workspaceId, { after: cursor, limit: limit + 1 });
      const items = rows.slice(0, limit);
      return { items, nextCursor: rows.length > limit ? (items.at(-1)?.id ?? null) : null };
    });
  }

  @Operation('retrySignal')
  async retrySignal({ params, caller }: Call<'retrySignal'>): Promise<Result<'retrySignal'>> {
    if (!(await this.in(caller, (sql) => retrySignal(sql, caller.workspaceId, params.id))))
      throw notFound('signal');
  }

  @Operation('skipSignal')
  async skipSignal({ params, caller }: Call<'skipSignal'>): Promise<Result<'skipSignal'>> {
    if (!(await this.in(caller, (sql) => skipSignal(sql, caller.workspaceId, params.id))))
      throw notFound('signal');
  }

  @Operation('getJourneyNumbers')
  numbers({ params, query, caller }: Call<'getJourneyNumbers'>): Promise<Result<'getJourneyNumbers'>> {
    return this.in(caller, async (sql) => {
      const { id } = found(await journeyByKey(sql, caller.workspaceId, params.key));
      return journeyNumbers(sql, caller.workspaceId, id, query.version);
    });
  }

  private nudge(
    caller: KeyCaller | UserCaller,
    { key, id }: { key: string; id: string },
    text: string,
    more: unknown[],
    refusal: string,
  ): Promise<Result<'endEnrollment'>> {
    return this.in(caller, async (sql) => {
      const journey = found(await journeyByKey(sql, caller.workspaceId, key));
      const changed = await sql.execute(text, [caller.workspaceId, journey.id, id, ...more]);
      const { enrollment } = found(
        await enrollmentHistory(sql, caller.workspaceId, journey.id, id),
        'enrollment',
      );
      if (changed === 0) throw new ProblemException('conflict', refusal);
      return enrollment;
    });
  }

  /** Taken together with its line in the audit log. */
  private change<J extends { id: string; version: number | null }>(
    caller: KeyCaller | UserCaller,
    action: Parameters<typeof audit>[2],
    take: (sql: Sql) => Promise<J>,
  ): Promise<J> {
    return this.in(caller, async (sql) => {
      const journey = await take(sql);
      await audit(sql, caller, action, journey.id, { version: journey.version });
      return journey;
    });
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

function found<T>(thing: T | null | undefined, what = 'journey'): T {
  if (!thing) throw notFound(what);
  return thing;
}

const who = async (sql: Sql, caller: KeyCaller | UserCaller): Promise<Who> => ({
  name: await whoIs(sql, caller),
  actor: actorOf(caller),
});
