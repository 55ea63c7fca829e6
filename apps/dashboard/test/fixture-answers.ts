/**
 * What the fixture server answers to each operation: small imitations of the API on data held in memory. The server
 * checks what goes in and out against the contracts.
 */
import type { ServerResponse } from 'node:http';
import {
  roleScopes,
  type Campaign,
  type CampaignSave,
  type ChannelRetry,
  type Delivery,
  type Gate,
  type GateChange,
  type Journey,
  type JourneyDefinition,
  type JourneySave,
  type Me,
  type OperationName,
  type Policies,
  type Preview,
  type PreviewRequest,
  type ProblemCode,
  type ProblemError,
  type ProviderAccount,
  type Redrive,
  type Role,
  type TemplateDetail,
  type TemplateSave,
  type WebhookEndpoint,
} from '@carillon/contracts';
import type { z } from 'zod';
import * as who from './fixture-audiences.js';
import * as log from './fixture-deliveries.js';
import * as ways from './fixture-journeys.js';
import * as fixtures from './fixtures.js';

export class Refusal extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly errors: ProblemError[] = [],
  ) {
    super(detail);
  }
}
export const refuse = (code: ProblemCode, detail: string, errors?: ProblemError[]): never => {
  throw new Refusal(code, detail, errors);
};
export interface Call {
  params: Record<string, string>;
  query: Record<string, unknown>;
  body: Record<string, unknown>;
  role: Role;
  response: ServerResponse;
}

export type Answers = Partial<Record<OperationName, (call: Call) => unknown>>;

/** `deliveries` and `streams` are the server's own, so that a spec can let something arrive. */
export const makeAnswers = (
  deliveries: Delivery[],
  streams: Set<ServerResponse>,
  empty: boolean,
): Answers => {
  const { profiles, providers } = fixtures;
  const templates = [...fixtures.templates];
  const endpoints = fixtures.webhookEndpoints.map((endpoint) => ({ ...endpoint }));
  const audiences = empty ? [] : [...who.audiences];
  const keys = fixtures.keys.map((key) => ({ ...key }));
  const redrives: Redrive[] = [];
  const retries = fixtures.retries.map((retry) => ({ ...retry }));
  const campaigns = empty ? [] : who.campaigns.map((one) => ({ ...one }));
  const journeys = empty ? [] : ways.journeys();
  let gate: Gate = empty ? who.noGate : who.gate;
  let policies: Policies = { unknown: { transactional: 'retry', marketing: 'hold' } };
  let accounts = fixtures.accounts.map((account) => ({ ...account }));

  const find = <T>(items: readonly T[], test: (item: T) => boolean): T =>
    items.find(test) ?? refuse('not_found', 'Nothing here goes by that name.');
  const campaignBy = (id: string | undefined) => find(campaigns, (each) => each.id === id);
  const simulations: ReturnType<typeof ways.simulationOf>[] = [];
  const journeyBy = (key: string | undefined) => find(journeys, (each) => each.key === key);
  const setJourney = (key: string | undefined, change: Partial<Journey>) =>
    Object.assign(journeyBy(key), change);
  const me = (role: Role): Me => ({
    user: {
      id: fixtures.userId,
      email: `${role}@example.com`,
      name: role === 'owner' ? 'Dana Bell' : 'Vic Ewer',
      role,
    },
    workspace: { id: fixtures.newId(), name: 'Bell Street Shop', slug: 'bell-street' },
    scopes: [...roleScopes[role]],
    csrfToken: 'csrf',
  });
  const paged = <T>(items: readonly T[], query: Record<string, unknown>) => {
    // A cursor as most lists have them: an id.
    const cursorAt = (place: number) => `00000000-0000-0000-0000-${String(place).padStart(12, '0')}`;
    const from = Number(String(query.cursor ?? 0).slice(-12));
    const limit = Number(query.limit);
    return {
      items: items.slice(from, from + limit),
      nextCursor: from + limit < items.length ? cursorAt(from + limit) : null,
    };
  };
  const filtered = (query: Record<string, unknown>) =>
    deliveries.filter(
      (each) =>
        (['channel', 'status', 'reason', 'source'] as const).every(
          (name) => !query[name] || (query[name] as unknown[]).includes(each[name]),
        ) &&
        (!query.profile || each.profile?.externalId === query.profile) &&
        (!query.address || each.address === query.address) &&
        (!query.template || each.template?.key === query.template) &&
        (!query.messageId || each.messageId === query.messageId) &&
        (!query.class || each.class === query.class) &&
        (!query.from || Date.parse(each.createdAt) >= Date.parse(String(query.from))) &&
        (!query.to || Date.parse(each.createdAt) < Date.parse(String(query.to))),
    );
  const setAccount = (id: string, change: (account: ProviderAccount) => ProviderAccount) => {
    const changed = change(find(accounts, (each) => each.id === id));
    accounts = accounts.map((each) => (each.id === id ? changed : each));
    return changed;
  };
  const split = (channel: string, provider: string, settings: Record<string, unknown>) => {
    const info = find(providers, (each) => each.channel === channel && each.name === provider);
    const properties = info.settings.properties as Record<string, Record<string, unknown>>;
    const errors: ProblemError[] = [];
    const open: ProviderAccount['settings'] = {};
    const secrets: string[] = [];
    const cleared: string[] = [];
    for (const [name, value] of Object.entries(settings)) {
      if (!properties[name])
        errors.push({
          pointer: `/settings/${name}`,
          code: 'unknown',
          message: 'This provider has no such setting.',
        });
      else if (properties[name]['x-secret']) (value === null ? cleared : secrets).push(name);
      else open[name] = value as ProviderAccount['settings'][string];
    }
    if (settings.host === 'localhost')
      errors.push({
        pointer: '/settings/host',
        code: 'private_address',
        message: 'Must be reachable from outside: this one leads to this machine.',
      });
    if (errors.length) refuse('invalid_request', 'The settings are not valid.', errors);
    return { open, secrets, cleared };
  };
  const preview = (request: z.infer<typeof PreviewRequest>, stored?: TemplateDetail): Preview => {
    const content = request.content?.[request.channel] ?? stored?.current.content[request.channel];
    if (!content)
      return {
        rendered: null,
        errors: [
          {
            pointer: `/content/${request.channel}`,
            code: 'missing',
            message: `There is no content for ${request.channel}.`,
          },
        ],
        warnings: [],
      };
    const profile = profiles.find((each) => each.externalId === request.profile);
    const data = { ...profile?.attributes, ...request.data };
    const errors: Preview['errors'] = [];
    const texts: Record<string, string> = {};
    for (const [name, value] of Object.entries(content)) {
      if (typeof value !== 'string') continue;
      const pointer = `/content/${request.channel}/${name}`;
      const open = value.lastIndexOf('{{');
      if (open >= 0 && value.indexOf('}}', open) < 0) {
        const before = value.slice(0, open).split('\n');
        errors.push({
          pointer,
          code: 'template_error',
          message: `This output is never closed: write }} after it (line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}).`,
        });
      }
      const { text, missing } = log.fill(value, data);
      if (missing)
        errors.push({
          pointer,
          code: 'missing_variable',
          message: `“${missing}” is not given: add it to the data.`,
        });
      texts[name] = text;
    }
    if (errors.length) return { rendered: null, errors, warnings: [] };
    const { title = '', body = '', subject = '', html, text } = texts;
    const card = { title, body, url: texts.url ?? null, imageUrl: texts.imageUrl ?? null };
    const rendered: Preview['rendered'] =
      request.channel === 'email'
        ? {
            channel: 'email',
            email: {
              from: texts.from ?? null,
              to: profile?.email ?? null,
              subject,
              html: html ?? null,
              text: text ?? (html ?? '').replace(/<style[\s\S]*?<\/style>|<[^>]+>/g, '').trim(),
            },
          }
        : request.channel === 'sms'
          ? {
              channel: 'sms',
              sms: {
                body,
                encoding: /^[\x20-\x7e\n]*$/.test(body) ? 'GSM-7' : 'UCS-2',
                segments: Math.ceil(body.length / 153),
              },
            }
          : { channel: request.channel, [request.channel]: card };
    return {
      rendered,
      errors: [],
      warnings:
        request.channel === 'sms' && body.length > 153
          ? ['It takes more than one segment: each is paid for.']
          : [],
    };
  };
  const counts = (query: Record<string, unknown>) => {
    const step = query.interval === 'day' ? 86_400_000 : 3_600_000;
    const to = Date.parse(String(query.to ?? new Date().toISOString()));
    const from = Date.parse(String(query.from ?? new Date(to - 86_400_000).toISOString()));
    const series: { at: string; channel: Delivery['channel']; status: Delivery['status']; count: number }[] =
      [];
    if (!empty)
      for (let at = Math.floor(from / step) * step; at < to; at += step)
        for (const channel of ['email', 'sms', 'push', 'in-app'] as const) {
          const hour = new Date(at).getUTCHours();
          const wave =
            step === 3_600_000
              ? 0.35 + Math.max(0, Math.sin(((hour - 5) / 24) * 2 * Math.PI))
              : 0.6 + ((at / step) % 7) * 0.13;
          const size =
            { email: 900, sms: 260, push: 420, 'in-app': 310 }[channel] *
            wave *
            (step === 3_600_000 ? 1 : 18);
          const shares = {
            delivered: channel === 'email' ? 0.2 : 0.72,
            sent: channel === 'email' ? 0.7 : 0.2,
            failed: 0.021,
            suppressed: 0.034,
            unknown: 0.0008,
            cancelled: 0.002,
            scheduled: at > to - 2 * step ? 0.06 : 0,
          };
          for (const [status, share] of Object.entries(shares)) {
            const count = Math.round(size * share);
            if (count)
              series.push({
                at: new Date(at).toISOString(),
                channel,
                status: status as Delivery['status'],
                count,
              });
          }
        }
    const totals = new Map<
      string,
      { channel: Delivery['channel']; status: Delivery['status']; count: number }
    >();
    for (const { channel, status, count } of series) {
      const name = `${channel} ${status}`;
      totals.set(name, { channel, status, count: (totals.get(name)?.count ?? 0) + count });
    }
    return {
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      totals: [...totals.values()],
      series,
    };
  };

  const answers: Answers = {
    me: ({ role }) => me(role),
    signIn: ({ body, response }) => {
      const role = (['owner', 'editor', 'viewer'] as const).find(
        (name) => body.email === `${name}@example.com`,
      );
      if (!role || body.password !== 'bell-tower-bell')
        return refuse('unauthenticated', 'This email address and password do not belong together.');
      response.setHeader('set-cookie', `session=${role}; Path=/; HttpOnly; SameSite=Lax`);
      return me(role);
    },
    signOut: ({ response }) => void response.setHeader('set-cookie', 'session=; Path=/; Max-Age=0'),
    changePassword: ({ body }) =>
      body.current === 'bell-tower-bell'
        ? undefined
        : refuse('unauthenticated', 'Email or password is wrong.'),
    listDeliveries: ({ query }) => paged(filtered(query), query),
    countDeliveries: ({ query }) => counts(query),
    getDelivery: ({ params }) => log.detailOf(find(deliveries, (each) => each.id === params.id)),
    getDeliveryContent: ({ params }) => log.contentOf(find(deliveries, (each) => each.id === params.id)),
    resolveDelivery: ({ params, body }) => {
      const it = find(deliveries, (each) => each.id === params.id);
      it.status = body.as === 'resend' ? 'scheduled' : (body.as as 'sent' | 'failed');
      it.reason = body.as === 'resend' ? 'redriven' : body.as === 'failed' ? 'decided_by_person' : null;
      return log.detailOf(it);
    },
    listLanes: () => ({ items: empty ? [] : fixtures.lanes }),
    rebuildQueues: () => ({ deliveries: 1204, pages: 3 }),
    getPolicies: () => policies,
    setPolicies: ({ body }) => (policies = body as Policies),
    listCampaigns: () => ({ items: campaigns, nextCursor: null }),
    getCampaignCalendar: () => ({ items: empty ? [] : who.campaignCalendar(campaigns) }),
    createCampaign: ({ body }) => {
      const { definition, name } = body as unknown as CampaignSave;
      const made: Campaign = { ...who.draftCampaign, id: who.newCampaignId, name, definition };
      campaigns.unshift(made);
      return made;
    },
    saveCampaign: ({ params, body }) =>
      Object.assign(campaignBy(params.id), body, { state: 'draft', report: null, ifVersion: undefined }),
    getCampaign: ({ params }) => campaignBy(params.id),
    prepareCampaign: ({ params }) =>
      Object.assign(campaignBy(params.id), { state: 'prepared', report: who.campaignReport }),
    startCampaign: ({ params }) =>
      Object.assign(campaignBy(params.id), { state: 'scheduled', startsAt: fixtures.ago(-3600) }),
    pauseCampaign: ({ params }) =>
      Object.assign(campaignBy(params.id), { state: 'paused', reason: 'Somebody paused it.' }),
    resumeCampaign: ({ params }) => Object.assign(campaignBy(params.id), { state: 'running', reason: null }),
    cancelCampaign: ({ params }) => Object.assign(campaignBy(params.id), { state: 'cancelled' }),
    getCampaignNumbers: ({ params }) => who.campaignNumbers(campaignBy(params.id)),
    // A little later, 1,234 more have been written to.
    streamCampaign: ({ params, response }) => {
      const now = who.campaignNumbers(campaignBy(params.id));
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(
        `event: numbers\ndata: ${JSON.stringify({ ...now, pending: now.pending - 1234, sent: now.sent + 1234 })}\n\n`,
      );
      streams.add(response);
      response.on('close', () => streams.delete(response));
    },
    getCampaignTest: () => who.campaignTest,
    rejectCampaign: ({ params, body }) =>
      Object.assign(campaignBy(params.id), {
        state: 'draft',
        reason: `Ada Lovelace asks for changes: ${String(body.comment)}`,
      }),
    getCampaignChanges: ({ params }) => who.campaignChanges(campaignBy(params.id)),
    listCampaignEdits: ({ params }) => {
      const campaign = find(campaigns, (each) => each.id === params.id);
      return { items: who.campaignEdits(campaign), nextCursor: null };
    },
    chooseCampaignWinner: ({ body }) => ({
      ...who.campaignTest,
      waiting: 0,
      decidesAt: null,
      decision: {
        winner: String(body.variant),
        why: 'person',
        by: 'Dana Bell',
        at: fixtures.ago(0),
        variants: who.campaignTest.variants,
      },
    }),
    listJourneys: ({ query }) =>
      paged(
        journeys.filter((each) =>
          `${each.key} ${each.name}`.toLowerCase().includes(String(query.search ?? '').toLowerCase()),
        ),
        query,
      ),
    lintJourney: ({ body }) => ({ findings: ways.findingsOf(body.definition as JourneyDefinition) }),
    getJourney: ({ params }) => journeyBy(params.key),
    saveJourney: ({ params, body }) => {
      const { name, description, definition, ifRevision } = body as unknown as JourneySave;
      const before = journeys.find((each) => each.key === params.key);
      if (ifRevision !== undefined && ifRevision !== (before?.revision ?? 0))
        refuse('conflict', 'It has been changed meanwhile. Read it again.');
      const made: Journey = {
        ...(before ?? { ...(ways.journeys()[2] as Journey), id: fixtures.newId(), key: String(params.key) }),
        name,
        description,
        definition,
        revision: (before?.revision ?? 0) + 1,
        changed: true,
      };
      if (before) Object.assign(before, made);
      else journeys.push(made);
      return made;
    },
    deleteJourney: ({ params }) => void journeys.splice(journeys.indexOf(journeyBy(params.key)), 1),
    listJourneyVersions: ({ params }) => ({ items: ways.versionsOf(journeyBy(params.key)) }),
    goLiveJourney: ({ params, body }) => {
      const newest = journeyBy(params.key).newest + (body.version === undefined ? 1 : 0);
      return setJourney(params.key, {
        state: 'live',
        newest,
        version: body.version === undefined ? newest : Number(body.version),
        changed: false,
      });
    },
    pauseJourney: ({ params, body }) =>
      setJourney(params.key, {
        state: 'paused',
        whilePaused: body.insiders as 'hold',
        reason: (body.reason as string | undefined) ?? null,
      }),
    resumeJourney: ({ params }) => setJourney(params.key, { state: 'live', whilePaused: null, reason: null }),
    closeJourney: ({ params }) => setJourney(params.key, { state: 'closed' }),
    stopJourney: ({ params }) => setJourney(params.key, { state: 'stopped', inside: 0 }),
    getJourneyNumbers: ({ params, query }) =>
      ways.numbersOf(journeyBy(params.key), (query.version as number | undefined) ?? null),
    simulateJourney: ({ params }) => {
      const run = ways.simulationOf(journeyBy(params.key));
      simulations.unshift(run);
      return run;
    },
    listJourneySimulations: () => ({ items: simulations }),
    getJourneySimulation: ({ params }) => find(simulations, (each) => each.id === params.id),
    listSimulatedPeople: ({ query }) => paged(ways.simulatedPeople, query),
    getSimulatedWay: ({ params }) =>
      ways.simulatedWay(find(ways.simulatedPeople, (each) => each.no === Number(params.no))),
    listEnrollments: ({ query }) =>
      paged(
        ways.enrollments.filter(
          (each) =>
            (!query.step || each.step === query.step) &&
            (!query.state || each.state === query.state) &&
            (!query.profile || each.profile.externalId === query.profile),
        ),
        query,
      ),
    getEnrollment: ({ params }) => ways.historyOf(find(ways.enrollments, (each) => each.id === params.id)),
    retryEnrollment: ({ params }) => find(ways.enrollments, (each) => each.id === params.id),
    moveInsiders: ({ body }) => ({
      from: Number(body.from),
      to: 2,
      steps: ways.movedFrom((body.steps ?? {}) as Record<string, string>),
      moving: body.apply === true,
    }),
    skipEnrollment: ({ params }) => find(ways.enrollments, (each) => each.id === params.id),
    explainJourney: ({ params, query }) => ways.explained(journeyBy(params.key), String(query.profile)),
    listParkedSignals: ({ query }) => paged(ways.parked, query),
    retrySignal: ({ params }) =>
      void ways.parked.splice(
        ways.parked.findIndex((one) => one.id === params.id),
        1,
      ),
    skipSignal: ({ params }) =>
      void ways.parked.splice(
        ways.parked.findIndex((one) => one.id === params.id),
        1,
      ),
    endEnrollment: ({ params }) => find(ways.enrollments, (each) => each.id === params.id),
    getCampaignFunnel: ({ query }) => who.campaignFunnel(query),
    getGate: () => gate,
    listGateVersions: () => ({ items: [gate] }),
    setGate: ({ body }) => {
      const { ifVersion, note, ...rules } = body as unknown as GateChange;
      if (ifVersion !== gate.version) refuse('conflict', 'The rules have been changed. Read them again.');
      return (gate = { version: gate.version + 1, rules, note, by: 'Ada Lovelace', at: fixtures.ago(0) });
    },
    tryGate: ({ body }) =>
      body.profile === 'ada' ? who.triedGate : refuse('not_found', 'There is no such profile.'),
    getInstallation: () => ({
      retentionDays: 90,
      eventRetentionDays: 365,
      idempotencyHours: 48,
      backlogLimit: 200_000,
    }),
    listRetryPolicies: () => ({ items: retries }),
    updateRetryPolicy: ({ params, body }) => {
      const retry = find(retries, (each) => each.channel === params.channel);
      if (
        Number(body.backoffSeconds ?? 0) > Number(body.maxBackoffSeconds ?? retry.defaults.maxBackoffSeconds)
      )
        refuse('invalid_request', 'The body is not valid.', [
          {
            pointer: '/maxBackoffSeconds',
            code: 'out_of_range',
            message: 'must be at least backoffSeconds: the longest wait is not shorter than the first',
          },
        ]);
      const own = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
      return Object.assign(retry, retry.defaults, own, {
        changed: Object.keys(own) as ChannelRetry['changed'],
      });
    },
    listFailures: () => ({
      from: new Date(Date.now() - 86_400_000).toISOString(),
      to: new Date().toISOString(),
      total: empty ? 0 : 1301,
      truncated: false,
      groups: empty ? [] : fixtures.failures,
    }),
    redrive: ({ body }) => {
      if (!body.dryRun) {
        redrives.unshift({
          ...fixtures.redrive(true),
          state: 'running',
          done: 420,
          redriven: 418,
          skipped: 2,
        });
        return redrives[0];
      }
      return fixtures.redrive(body.includeUnknown === true);
    },
    listRedrives: () => ({ items: redrives }),
    cancelRedrive: ({ params }) => {
      const it = find(redrives, (each) => each.id === params.id);
      it.state = 'cancelled';
      return it;
    },
    explainDelivery: ({ params }) => {
      const it = log.detailOf(find(deliveries, (each) => each.id === params.id));
      return {
        id: it.id,
        verdict: it.status === 'delivered' ? 'Yes, it arrived.' : 'Not as far as we know.',
        because: [
          it.sentence,
          'The address is not suppressed.',
          'Transactional messages pass quiet hours and frequency caps.',
        ],
        next: it.dueAt
          ? 'It goes on by itself at the time in the timeline.'
          : 'Nothing more happens by itself.',
        youCan:
          it.status === 'failed' ? ['Read what the provider said, mend the cause, then send it again.'] : [],
      };
    },
    getMessage: ({ params }) => {
      const it = find(deliveries, (each) => each.messageId === params.id);
      return {
        id: it.messageId,
        class: it.class,
        source: it.source,
        topic: null,
        template: it.template,
        sendAt: it.dueAt,
        expiresAt: null,
        metadata: {},
        createdAt: it.createdAt,
        deliveries: [it, it].map(({ id, channel, status, reason }) => ({ id, channel, status, reason })),
      };
    },
    cancelMessage: ({ params }) => {
      const at = deliveries.findIndex((each) => each.messageId === params.id);
      const it = deliveries[at];
      if (it) deliveries[at] = { ...it, status: 'cancelled', reason: 'cancelled_by_request', dueAt: null };
      return { id: params.id, cancelled: 1, alreadyLeft: 0 };
    },
    rescheduleMessage: ({ params, body }) => ({
      id: params.id,
      rescheduled: 1,
      alreadyLeft: 0,
      sendAt: body.sendAt,
    }),
    listProfiles: ({ query }) =>
      paged(
        empty
          ? []
          : profiles.filter(
              (each) =>
                !query.search ||
                [each.externalId, each.email, each.phone].some((text) =>
                  text?.startsWith(String(query.search)),
                ),
            ),
        query,
      ),
    getProfile: ({ params }) => find(profiles, (each) => each.externalId === params.externalId),
    getProfileState: ({ params }) => {
      const it = find(profiles, (each) => each.externalId === params.externalId);
      const { id, externalId, email, phone, locale, attributes, activity } = it;
      const none = externalId === 'no-address';
      return {
        ...{ id, externalId, email, phone, locale, attributes, activity },
        zone: { name: 'Europe/London', source: 'phone' as const },
        consents: none
          ? []
          : [
              {
                channel: 'email',
                topic: 'news',
                word: 'in' as const,
                about: 'profile' as const,
                at: it.createdAt,
              },
              {
                channel: 'email',
                topic: 'offers',
                word: 'out' as const,
                about: 'profile' as const,
                at: it.createdAt,
              },
              {
                channel: 'email',
                topic: 'offers',
                word: 'out' as const,
                about: 'address' as const,
                at: it.createdAt,
              },
            ],
        suppressed: none ? [] : [{ channel: 'sms', reason: 'complained' }],
        audiences: none ? [] : [{ id, key: 'vips', since: it.createdAt }],
        devices: it.devices.length,
        version: 3,
      };
    },
    getTimeline: ({ params, query }) =>
      paged(
        params.externalId === 'no-address'
          ? []
          : fixtures.timeline.filter(({ kind }) => !query.kind || (query.kind as string[]).includes(kind)),
        query,
      ),
    mergeProfiles: ({ params, body }) => ({
      profile: find(profiles, (each) => each.externalId === params.externalId),
      outcome: body.from === 'ada-from-the-shop' ? ('already' as const) : ('merged' as const),
      rule: 'kept-wins',
      from: {},
      moved: { devices: 1, identities: 0, events: 12, consents: 1, inboxItems: 0, lists: 0 },
    }),
    addIdentity: ({ params }) => find(profiles, (each) => each.externalId === params.externalId),
    removeIdentity: () => undefined,
    deleteProfile: () => undefined,
    removeDevice: () => undefined,
    listAudiences: ({ query }) =>
      paged(
        audiences.filter(
          (each) =>
            !query.search ||
            `${each.key} ${each.name}`.toLowerCase().includes(String(query.search).toLowerCase()),
        ),
        query,
      ),
    getAudienceVocabulary: () => who.vocabulary,
    previewAudience: () => who.preview,
    getAudience: ({ params }) => find(audiences, (each) => each.key === params.key),
    saveAudience: ({ params, body }) => {
      const key = params.key ?? '';
      const at = audiences.findIndex((each) => each.key === key);
      const saved = who.savedAs(key, body as never, audiences[at]);
      if (at >= 0) audiences[at] = saved;
      else audiences.push(saved);
      return saved;
    },
    archiveAudience: ({ params }) =>
      void audiences.splice(
        audiences.findIndex((each) => each.key === params.key),
        1,
      ),
    explainAudience: () => who.explanation,
    listMembers: ({ query }) => paged(who.members, query),
    changeMembers: ({ body }) => ({
      entered: body.add?.length ?? 0,
      left: body.remove?.length ?? 0,
      unknown: [],
      size: 3,
      lastSeq: 9,
    }),
    listTemplates: ({ query }) =>
      paged(
        empty
          ? []
          : templates.filter(
              (each) =>
                !query.search ||
                `${each.key} ${each.name.toLowerCase()}`.includes(String(query.search).toLowerCase()),
            ),
        query,
      ),
    getTemplate: ({ params }) => find(templates, (each) => each.key === params.key),
    getTemplateVersion: ({ params }) => ({
      ...find(templates, (each) => each.key === params.key).current,
      version: Number(params.version),
    }),
    saveTemplate: ({ params, body }) => {
      const saved = body as z.infer<typeof TemplateSave>;
      const before = templates.find((each) => each.key === params.key);
      const version = (before?.version ?? 0) + 1;
      const now = new Date().toISOString();
      const current = {
        version,
        content: saved.content,
        locales: saved.locales ?? {},
        variables: before?.variables ?? [],
        createdAt: now,
      };
      const detail: TemplateDetail = {
        id: before?.id ?? fixtures.newId(),
        key: String(params.key),
        name: saved.name ?? String(params.key),
        version,
        channels: (['email', 'sms', 'push', 'in-app'] as const).filter((channel) => saved.content[channel]),
        variables: current.variables,
        createdAt: now,
        updatedAt: now,
        current,
        rendering: before?.rendering ?? 'fast',
        warnings: before?.warnings ?? [],
        versions: [...(before?.versions ?? []), { version, createdAt: now }],
      };
      if (before) templates.splice(templates.indexOf(before), 1, detail);
      else templates.push(detail);
      return detail;
    },
    previewTemplate: ({ params, body }) =>
      preview(
        body as z.infer<typeof PreviewRequest>,
        templates.find((each) => each.key === params.key),
      ),
    archiveTemplate: () => undefined,
    listProviders: () => ({ items: providers }),
    listUnreadBounces: () => ({ items: [] }),
    getCapacity: () => ({ items: [] }),
    listAccounts: () => ({ items: empty ? [] : accounts }),
    getAccount: ({ params }) => find(accounts, (each) => each.id === params.id),
    createAccount: ({ body }) => {
      const { channel, provider, name, position, settings } = body as {
        channel: Delivery['channel'];
        provider: string;
        name: string;
        position: number;
        settings: Record<string, unknown>;
      };
      const { open, secrets } = split(channel, provider, settings);
      const base = fixtures.accounts[1] as ProviderAccount;
      const made: ProviderAccount = {
        ...base,
        id: fixtures.newId(),
        channel,
        provider,
        name,
        position,
        settings: open,
        secretsSet: secrets,
      };
      accounts.push(made);
      return made;
    },
    updateAccount: ({ params, body }) =>
      setAccount(String(params.id), (account) => {
        const { open, secrets, cleared } = split(
          account.channel,
          account.provider,
          (body.settings ?? {}) as Record<string, unknown>,
        );
        return {
          ...account,
          name: String(body.name ?? account.name),
          position: Number(body.position ?? account.position),
          weight: Number(body.weight ?? account.weight),
          ...(body.rateLimit !== undefined && { rateLimit: body.rateLimit as ProviderAccount['rateLimit'] }),
          settings: { ...account.settings, ...open },
          secretsSet: [...new Set([...account.secretsSet, ...secrets])].filter(
            (name) => !cleared.includes(name),
          ),
        };
      }),
    deleteAccount: ({ params }) => void (accounts = accounts.filter((each) => each.id !== params.id)),
    testAccount: ({ body }) =>
      body.to === 'bad@example.com'
        ? { ok: false, sentence: '550 5.1.1 The server does not know this recipient.' }
        : {
            ok: true,
            sentence: body.to
              ? 'The server took the test message: 250 2.0.0 Ok.'
              : 'Signed in to smtp.example.com:587 with STARTTLS.',
          },
    pauseAccount: ({ params }) =>
      setAccount(String(params.id), (account) => ({
        ...account,
        paused: true,
        health: { ...account.health, state: 'paused', sentence: 'Paused by a person.' },
      })),
    resumeAccount: ({ params }) =>
      setAccount(String(params.id), (account) => ({
        ...account,
        paused: false,
        pausedReason: null,
        health: {
          ...account.health,
          state: 'idle',
          sentence: 'Nothing was sent through it in the last hour.',
        },
      })),
    listWebhookEndpoints: () => ({ items: empty ? [] : endpoints }),
    createWebhookEndpoint: ({ body }) => {
      if (String(body.url).includes('localhost'))
        refuse('invalid_request', 'The body is not valid.', [
          {
            pointer: '/url',
            code: 'url_refused',
            message: 'The host is not on the public internet (loopback).',
          },
        ]);
      const made = { ...(fixtures.webhookEndpoints[0] as WebhookEndpoint), ...body, id: fixtures.newId() };
      endpoints.push(made);
      return { ...made, secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' };
    },
    getWebhookEndpoint: ({ params }) => find(endpoints, (each) => each.id === params.id),
    updateWebhookEndpoint: ({ params, body }) =>
      Object.assign(
        find(endpoints, (each) => each.id === params.id),
        body,
        body.enabled === true ? { disabledReason: null, failingSince: null } : {},
      ),
    testWebhookEndpoint: () => fixtures.webhookMessages[1],
    replayWebhooks: () => ({ replayed: 12 }),
    listWebhookMessages: ({ query }) =>
      paged(
        fixtures.webhookMessages.filter((each) => !query.status || each.status === query.status),
        query,
      ),
    listImports: () => ({ items: empty ? [] : fixtures.imports, nextCursor: null }),
    previewImport: ({ body }) => ({
      ...fixtures.importPreview,
      mapping:
        (body as { mapping?: typeof fixtures.importPreview.mapping }).mapping ??
        fixtures.importPreview.mapping,
    }),
    createImport: ({ body }) => ({
      ...fixtures.imports[0],
      name: String(body.name),
      state: 'uploading',
      parts: 0,
    }),
    putImportPart: () => fixtures.imports[0],
    startImport: () => fixtures.imports[0],
    cancelImport: () => ({ ...fixtures.imports[0], state: 'cancelled' }),
    listTopics: () => ({ items: empty ? [] : fixtures.topics }),
    saveTopic: ({ params, body }) => ({ ...fixtures.topics[0], ...body, key: params.key }),
    archiveTopic: () => undefined,
    getConsentPolicy: () => fixtures.consentPolicy,
    setConsentPolicy: ({ body }) => body,
    listSuppressions: ({ query }) =>
      paged(
        empty
          ? []
          : fixtures.suppressions.filter(
              ({ reason, address }) =>
                (!query.reason || reason === query.reason) && address.includes(query.search ?? ''),
            ),
        query,
      ),
    addSuppressions: ({ body }) => ({ added: (body.suppressions as unknown[]).length }),
    releaseSuppressions: ({ body }) => ({
      dryRun: Boolean(body.dryRun),
      matching: 214,
      released: body.dryRun ? 0 : 214,
    }),
    erasePerson: () => ({ profileId: fixtures.newId(), deliveries: 14, messages: 12, addresses: 2 }),
    listAudit: ({ query }) => paged(empty ? [] : fixtures.auditLog, query),
    verifyAudit: () => ({
      intact: true,
      lines: fixtures.auditLog.length,
      brokenAt: null,
      head: { seq: fixtures.auditLog.length, hash: 'c'.repeat(64) },
    }),
    listKeys: () => ({ items: empty ? [] : keys }),
    createKey: ({ body }) => ({
      ...(keys[0] as (typeof keys)[0]),
      id: fixtures.newId(),
      name: String(body.name),
      scopes: body.scopes,
      lastUsedAt: null,
      key: 'ck_live_7fQ2mXo0bE1rT5uYpA8sD3gH6jK9lZ4xC',
    }),
    rotateKey: ({ params }) => ({
      ...find(keys, (each) => each.id === params.id),
      key: 'ck_live_9pL3kJ7hG2fD6sA1qW5eR8tY4uI0oP',
    }),
    revokeKey: ({ params }) =>
      void (find(keys, (each) => each.id === params.id).revokedAt = new Date().toISOString()),
    streamDeliveries: ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': hello\n\n');
      streams.add(response);
      response.on('close', () => streams.delete(response));
    },
    exportDeliveries: ({ response }) =>
      void response.writeHead(200, { 'content-type': 'text/csv' }).end('id,channel\n'),
  };
  return answers;
};
