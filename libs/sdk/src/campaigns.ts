/** Campaigns: written, prepared, started, watched. */
import type {
  BodyInputOf,
  Campaign,
  CampaignCalendar,
  CampaignEdit,
  CampaignFunnel,
  CampaignNumbers,
  CampaignProofs,
  CampaignState,
  CampaignChanges,
  CampaignTestResult,
} from '@carillon/contracts';
import { List } from './pages.js';
import type { CallOptions, Requests } from './requests.js';
import type { Paging } from './resources.js';
import { events } from './stream.js';

/** `ifVersion`: refused when somebody else has changed it since. */
export type CampaignStepInput = BodyInputOf<'startCampaign'>;

export class Campaigns {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** The newest first. */
  list(
    query: Paging & { state?: CampaignState; template?: 'true' | 'false' } = {},
    options?: CallOptions,
  ): List<Campaign> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listCampaigns', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /**
   * What went out and what is to, the earliest first: runs, and every occurrence of campaigns that recur.
   * @param query at most 62 days; refused when more than 2,000 would stand in it: ask for less, or for one `state`
   */
  calendar(
    query: { from: string; to: string; state?: CampaignState },
    options?: CallOptions,
  ): Promise<CampaignCalendar> {
    return this.requests.call('getCampaignCalendar', { query, options });
  }

  /** Writes a draft. */
  create(campaign: BodyInputOf<'createCampaign'>, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('createCampaign', { body: campaign, options });
  }

  get(id: string, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('getCampaign', { params: { id }, options });
  }

  /** Changes one that has not begun; it becomes a draft again. */
  save(id: string, campaign: BodyInputOf<'saveCampaign'>, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('saveCampaign', { params: { id }, body: campaign, options });
  }

  /** Counts its audience and looks for what would go wrong: see `report`. */
  prepare(id: string, step: CampaignStepInput = {}, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('prepareCampaign', { params: { id }, body: step, options });
  }

  /** Starts it, or schedules it for its time. It must have been prepared. */
  start(id: string, step: CampaignStepInput = {}, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('startCampaign', { params: { id }, body: step, options });
  }

  /** What is leaving leaves; nothing else does. */
  pause(id: string, step: CampaignStepInput = {}, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('pauseCampaign', { params: { id }, body: step, options });
  }

  resume(id: string, step: CampaignStepInput = {}, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('resumeCampaign', { params: { id }, body: step, options });
  }

  /** Ends it: nobody else gets it. */
  cancel(id: string, step: CampaignStepInput = {}, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('cancelCampaign', { params: { id }, body: step, options });
  }

  /** Of one that was prepared. Nobody approves of their own. */
  approve(
    id: string,
    approval: BodyInputOf<'approveCampaign'> = {},
    options?: CallOptions,
  ): Promise<Campaign> {
    return this.requests.call('approveCampaign', { params: { id }, body: approval, options });
  }

  /** Asks for changes: it is a draft again, with what is to be changed as its reason. */
  reject(id: string, rejection: BodyInputOf<'rejectCampaign'>, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('rejectCampaign', { params: { id }, body: rejection, options });
  }

  /** Sends what it says to a few people to look at; counts for nothing. */
  prove(id: string, profiles: readonly string[], options?: CallOptions): Promise<CampaignProofs> {
    return this.requests.call('proveCampaign', {
      params: { id },
      body: { profiles: [...profiles] },
      options,
    });
  }

  /** A new draft that says the same. */
  clone(id: string, copy: BodyInputOf<'cloneCampaign'> = {}, options?: CallOptions): Promise<Campaign> {
    return this.requests.call('cloneCampaign', { params: { id }, body: copy, options });
  }

  /** targeted = pending + sent + suppressed + failed + cancelled + expired + unknown, at every instant. */
  numbers(
    id: string,
    query: { no?: number; reasons?: boolean } = {},
    options?: CallOptions,
  ): Promise<CampaignNumbers> {
    const { no, reasons } = query;
    return this.requests.call('getCampaignNumbers', {
      params: { id },
      query: { no, ...(reasons ? { reasons: 'true' as const } : {}) },
      options,
    });
  }

  /** The numbers of each of its runs as CSV, by channel and variant. */
  async numbersCsv(id: string, options?: CallOptions): Promise<string> {
    const response = await this.requests.open('exportCampaignNumbers', {
      params: { id },
      options,
      headers: { accept: 'text/csv' },
    });
    return response.text();
  }

  /** What is not as it was the last time it, or the campaign it was cloned from, went out. */
  changes(
    id: string,
    query: { no?: number; against?: number } = {},
    options?: CallOptions,
  ): Promise<CampaignChanges> {
    return this.requests.call('getCampaignChanges', { params: { id }, query, options });
  }

  /** Its versions, the newest first: who wrote what, and when. */
  edits(id: string, query: Paging = {}, options?: CallOptions): List<CampaignEdit> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('listCampaignEdits', { params: { id }, query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** How the variants of its test do, and which one won. */
  test(id: string, query: { no?: number } = {}, options?: CallOptions): Promise<CampaignTestResult> {
    return this.requests.call('getCampaignTest', { params: { id }, query, options });
  }

  /** Ends the test: this variant goes to the rest. */
  choose(
    id: string,
    variant: string,
    step: { ifVersion?: number } = {},
    options?: CallOptions,
  ): Promise<CampaignTestResult> {
    return this.requests.call('chooseCampaignWinner', {
      params: { id },
      body: { variant, ...step },
      options,
    });
  }

  /**
   * Sent, delivered, opened, clicked, converted; clicks by link; and what it brought about beside those who were held out.
   * @param query `event` is what counts as conversion within `within` after it was sent; unless said those of its holdout, or `7d`
   */
  funnel(
    id: string,
    query: {
      no?: number;
      by?: 'variant' | 'channel' | 'domain' | 'zone';
      event?: string;
      within?: string;
    } = {},
    options?: CallOptions,
  ): Promise<CampaignFunnel> {
    return this.requests.call('getCampaignFunnel', { params: { id }, query, options });
  }

  /** The same as CSV: a line for each variant, channel, domain, zone or link. */
  async funnelCsv(
    id: string,
    query: {
      no?: number;
      by?: 'variant' | 'channel' | 'domain' | 'zone' | 'link';
      event?: string;
      within?: string;
    } = {},
    options?: CallOptions,
  ): Promise<string> {
    const response = await this.requests.open('exportCampaignFunnel', {
      params: { id },
      query,
      options,
      headers: { accept: 'text/csv' },
    });
    return response.text();
  }

  /** Its numbers while they change, at most once a second, until it is over or the signal aborts. */
  async *watch(id: string, options?: CallOptions): AsyncGenerator<CampaignNumbers, void, undefined> {
    let told = '';
    const open = (headers: Record<string, string>) =>
      this.requests.open('streamCampaign', { params: { id }, options, headers });
    for await (const { event, data } of events(open, options)) {
      // After a lost connection the same is told again.
      if (event !== 'numbers' || data === told) continue;
      told = data;
      const now = JSON.parse(data) as CampaignNumbers;
      yield now;
      if (now.state === 'completed' || now.state === 'cancelled' || now.state === 'failed') return;
    }
  }
}
