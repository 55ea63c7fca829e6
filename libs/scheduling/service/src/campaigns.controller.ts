/** Campaigns over HTTP. */
import { actorOf, audit } from '@carillon/audience-service';
import type { Campaign } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { Acceptance, readPolicies, RenderPool, whoIs } from '@carillon/delivery-service';
import {
  csvLine,
  notFound,
  Operation,
  type KeyCaller,
  type UserCaller,
  type Call,
  type Result,
  type StreamEvent,
} from '@carillon/server';
import type { Approver } from '@carillon/scheduling-rules';
import { Controller, Inject } from '@nestjs/common';
import { setTimeout } from 'node:timers/promises';
import { campaignCalendar } from './campaign-calendar.js';
import { campaignFunnel, funnelNames } from './campaign-funnel.js';
import { campaignChanges } from './campaign-changes.js';
import { campaignEdits } from './campaign-edits.js';
import { campaignNumbers, tallyNames } from './campaign-numbers.js';
import { chooseWinner, showTest } from './campaign-test.js';
import { campaignById, campaignsBefore, isOver, runsOf, showCampaign, toCampaign } from './campaign-rows.js';
import { proofsOf, sendProofs } from './prove-campaign.js';
import { toTry, tryCampaign } from './try-campaign.js';
import {
  approveCampaign,
  cancelCampaign,
  cloneCampaign,
  createCampaign,
  pauseCampaign,
  prepareCampaign,
  rejectCampaign,
  resumeCampaign,
  saveCampaign,
  startCampaign,
  type Who,
} from './campaign-steps.js';

/** How often a stream looks. */
const LOOK_MS = 1000;

@Controller()
export class CampaignsController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Acceptance) private readonly acceptance: Acceptance,
    @Inject(RenderPool) private readonly renderer: RenderPool,
  ) {}

  @Operation('listCampaigns')
  async list({ query, caller }: Call<'listCampaigns'>): Promise<Result<'listCampaigns'>> {
    const { workspaceId } = caller;
    const { limit, cursor, state, template } = query;
    return this.in(caller, async (sql) => {
      const rows = await campaignsBefore(sql, workspaceId, {
        state,
        cursor,
        limit: limit + 1,
        template: template === 'true',
      });
      const page = rows.slice(0, limit);
      const runs = await runsOf(
        sql,
        workspaceId,
        page.map((row) => row.id),
      );
      const policies = await readPolicies(sql, workspaceId);
      return {
        items: page.map((row) => toCampaign(row, runs.get(row.id) ?? [], policies)),
        nextCursor: rows.length > limit ? (page.at(-1)?.id ?? null) : null,
      };
    });
  }

  @Operation('getCampaignCalendar')
  async calendar({ query, caller }: Call<'getCampaignCalendar'>): Promise<Result<'getCampaignCalendar'>> {
    const { from, to, state } = query;
    const asked = { from: new Date(from), to: new Date(to), state };
    return { items: await this.in(caller, (sql) => campaignCalendar(sql, caller.workspaceId, asked)) };
  }

  @Operation('createCampaign')
  create({ body, caller }: Call<'createCampaign'>): Promise<Result<'createCampaign'>> {
    return this.in(caller, async (sql) =>
      createCampaign(sql, caller.workspaceId, body, await who(sql, caller)),
    );
  }

  @Operation('getCampaign')
  async get({ params, caller }: Call<'getCampaign'>): Promise<Result<'getCampaign'>> {
    return found(await this.in(caller, (sql) => showCampaign(sql, caller.workspaceId, params.id)));
  }

  @Operation('saveCampaign')
  save({ params, body, caller }: Call<'saveCampaign'>): Promise<Result<'saveCampaign'>> {
    return this.in(caller, async (sql) =>
      saveCampaign(sql, caller.workspaceId, params.id, body, await who(sql, caller)),
    );
  }

  @Operation('prepareCampaign')
  async prepare({ params, body, caller }: Call<'prepareCampaign'>): Promise<Result<'prepareCampaign'>> {
    const { workspaceId } = caller;
    const { version, trial } = await this.in(caller, async (sql) => {
      const row = found(await campaignById(sql, workspaceId, params.id));
      return { version: row.version, trial: await toTry(sql, workspaceId, row) };
    });
    const tried = await tryCampaign(this.database, this.renderer, workspaceId, trial);
    return this.in(caller, (sql) =>
      prepareCampaign(sql, workspaceId, params.id, { ifVersion: version, ...body }, tried),
    );
  }

  @Operation('getCampaignChanges')
  async changes({
    params,
    query,
    caller,
  }: Call<'getCampaignChanges'>): Promise<Result<'getCampaignChanges'>> {
    return found(await this.in(caller, (sql) => campaignChanges(sql, caller.workspaceId, params.id, query)));
  }

  @Operation('listCampaignEdits')
  async edits({ params, query, caller }: Call<'listCampaignEdits'>): Promise<Result<'listCampaignEdits'>> {
    const { cursor, limit } = query;
    const before = cursor === undefined ? undefined : Number(cursor);
    const { items, next } = found(
      await this.in(caller, (sql) => campaignEdits(sql, caller.workspaceId, params.id, { before, limit })),
    );
    return { items, nextCursor: next === null ? null : String(next) };
  }

  @Operation('startCampaign')
  start({ params, body, caller }: Call<'startCampaign'>): Promise<Result<'startCampaign'>> {
    return this.step(caller, 'campaign.started', params.id, body, startCampaign);
  }

  @Operation('pauseCampaign')
  pause({ params, body, caller }: Call<'pauseCampaign'>): Promise<Result<'pauseCampaign'>> {
    return this.step(caller, 'campaign.paused', params.id, body, pauseCampaign);
  }

  @Operation('resumeCampaign')
  resume({ params, body, caller }: Call<'resumeCampaign'>): Promise<Result<'resumeCampaign'>> {
    return this.step(caller, 'campaign.resumed', params.id, body, resumeCampaign);
  }

  @Operation('cancelCampaign')
  cancel({ params, body, caller }: Call<'cancelCampaign'>): Promise<Result<'cancelCampaign'>> {
    return this.step(caller, 'campaign.cancelled', params.id, body, cancelCampaign);
  }

  @Operation('cloneCampaign')
  clone({ params, body, caller }: Call<'cloneCampaign'>): Promise<Result<'cloneCampaign'>> {
    return this.in(caller, async (sql) =>
      cloneCampaign(sql, caller.workspaceId, params.id, body, await who(sql, caller)),
    );
  }

  @Operation('approveCampaign')
  approve({ params, body, caller }: Call<'approveCampaign'>): Promise<Result<'approveCampaign'>> {
    return this.in(caller, async (sql) => {
      await audit(sql, caller, 'campaign.approved', params.id);
      const approver = { ...(await who(sql, caller)), ...(await standingOf(sql, caller)) };
      return approveCampaign(sql, caller.workspaceId, params.id, body, approver);
    });
  }

  @Operation('rejectCampaign')
  reject({ params, body, caller }: Call<'rejectCampaign'>): Promise<Result<'rejectCampaign'>> {
    return this.in(caller, async (sql) => {
      await audit(sql, caller, 'campaign.rejected', params.id);
      return rejectCampaign(sql, caller.workspaceId, params.id, body, await who(sql, caller));
    });
  }

  @Operation('proveCampaign')
  async prove({ params, body, caller }: Call<'proveCampaign'>): Promise<Result<'proveCampaign'>> {
    const { workspaceId } = caller;
    const asked = await this.in(caller, (sql) => proofsOf(sql, workspaceId, params.id, body.profiles));
    return sendProofs(this.acceptance, workspaceId, params.id, found(asked));
  }

  @Operation('getCampaignNumbers')
  async numbers({
    params,
    query,
    caller,
  }: Call<'getCampaignNumbers'>): Promise<Result<'getCampaignNumbers'>> {
    const asked = { no: query.no, reasons: query.reasons === 'true' };
    return found(await this.in(caller, (sql) => campaignNumbers(sql, caller.workspaceId, params.id, asked)));
  }

  @Operation('exportCampaignNumbers')
  async *export({ params, caller, reply }: Call<'exportCampaignNumbers'>): AsyncGenerator<string> {
    const { id } = params;
    const { runs } = found(await this.in(caller, (sql) => showCampaign(sql, caller.workspaceId, id)));
    void reply.header('Content-Disposition', 'attachment; filename="campaign.csv"');
    yield csvLine(['run', 'startedAt', 'channel', 'variant', ...tallyNames]);
    for (const { no, startedAt } of runs) {
      const numbers = await this.in(caller, (sql) => campaignNumbers(sql, caller.workspaceId, id, { no }));
      for (const part of numbers?.parts ?? [])
        yield csvLine([
          String(no),
          startedAt,
          part.channel,
          part.variant ?? '',
          ...tallyNames.map((name) => String(part[name])),
        ]);
    }
  }

  @Operation('getCampaignTest')
  async test({ params, query, caller }: Call<'getCampaignTest'>): Promise<Result<'getCampaignTest'>> {
    return found(await this.in(caller, (sql) => showTest(sql, caller.workspaceId, params.id, query.no)));
  }

  @Operation('chooseCampaignWinner')
  choose({ params, body, caller }: Call<'chooseCampaignWinner'>): Promise<Result<'chooseCampaignWinner'>> {
    return this.in(caller, async (sql) => {
      const { name } = await who(sql, caller);
      const chosen = found(await chooseWinner(sql, caller.workspaceId, params.id, body, name));
      await audit(sql, caller, 'campaign.chosen', params.id, { variant: body.variant });
      return chosen;
    });
  }

  @Operation('getCampaignFunnel')
  async funnel({ params, query, caller }: Call<'getCampaignFunnel'>): Promise<Result<'getCampaignFunnel'>> {
    return found(await this.in(caller, (sql) => campaignFunnel(sql, caller.workspaceId, params.id, query)));
  }

  @Operation('exportCampaignFunnel')
  async *exportFunnel({
    params,
    query,
    caller,
    reply,
  }: Call<'exportCampaignFunnel'>): AsyncGenerator<string> {
    const { by, ...rest } = query;
    const asked = by === 'link' ? rest : { ...rest, by };
    const { groups, links, event, total } = found(
      await this.in(caller, (sql) => campaignFunnel(sql, caller.workspaceId, params.id, asked)),
    );
    void reply.header('Content-Disposition', 'attachment; filename="campaign-funnel.csv"');
    if (by === 'link') {
      yield csvLine(['link', 'label', 'sent', 'clicked', 'clicks', 'clickedByMachine']);
      for (const { href, label, clicked, clicks, clickedByMachine } of links)
        yield csvLine([href, label, ...[total.sent, clicked, clicks, clickedByMachine].map(String)]);
      return;
    }
    const names = funnelNames.filter((name) => name !== 'converted' || event !== null);
    yield csvLine([by, ...names]);
    for (const group of groups) yield csvLine([group.name, ...names.map((name) => String(group[name]))]);
  }

  @Operation('streamCampaign')
  async stream({ params, caller, signal }: Call<'streamCampaign'>): Promise<AsyncGenerator<StreamEvent>> {
    const read = () => this.in(caller, (sql) => campaignNumbers(sql, caller.workspaceId, params.id));
    const first = found(await read());
    return (async function* () {
      let told = '';
      for (let now: typeof first | null = first; now && !signal.aborted; now = await read()) {
        const text = JSON.stringify(now);
        if (text !== told) yield { event: 'numbers', data: now };
        told = text;
        if (isOver(now.state)) return;
        await setTimeout(LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
    })();
  }

  /** Taken together with its line in the audit log. */
  private step<Body>(
    caller: KeyCaller | UserCaller,
    action: Parameters<typeof audit>[2],
    id: string,
    body: Body,
    take: (sql: Sql, workspaceId: string, id: string, body: Body) => Promise<Campaign>,
  ): Promise<Campaign> {
    return this.in(caller, async (sql) => {
      await audit(sql, caller, action, id);
      return take(sql, caller.workspaceId, id, body);
    });
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

function found<T>(thing: T | null): T {
  if (!thing) throw notFound('campaign');
  return thing;
}

const who = async (sql: Sql, caller: KeyCaller | UserCaller): Promise<Who> => ({
  name: await whoIs(sql, caller),
  actor: actorOf(caller),
});

/** What rules about approving ask for. */
async function standingOf(
  sql: Sql,
  caller: KeyCaller | UserCaller,
): Promise<Pick<Approver, 'role' | 'email'>> {
  if (caller.kind === 'key') return { role: null, email: null };
  const [user] = await sql.query<{ email: string }>(
    'SELECT email FROM users WHERE workspace_id = $1 AND id = $2',
    [caller.workspaceId, caller.userId],
  );
  return { role: caller.role, email: user?.email ?? null };
}
