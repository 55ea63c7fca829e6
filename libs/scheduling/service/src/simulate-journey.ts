/**
 * The simulator: people of the workspace, their consents, addresses and history are read in batches; the journey is played
 * with them in memory (`JourneyWorld`: the engine's own rules, the gate's own rules); the result is kept as rows. Nothing is sent,
 * and nothing about these people is changed. Long runs let the process do other things in between.
 */
import { hash32 } from '@carillon/audience-rules';
import {
  asAWhole,
  audienceByKey,
  audiencesOf,
  idsByExternalId,
  membersQuery,
  peopleInFull,
  scopeOf,
} from '@carillon/audience-service';
import {
  JourneyDefinition,
  type JourneySimulate,
  type JourneySimulation,
  type Leaf,
  type SimulatedPerson,
  type TopicFacts,
} from '@carillon/contracts';
import { newId, type Database, type Sql } from '@carillon/database';
import { checkContent, sentLately } from '@carillon/delivery-service';
import { ownRules } from '@carillon/delivery-rules';
import { durationMs, factsWanted, journeyNames } from '@carillon/scheduling-rules';
import {
  Behaviours,
  JourneyWorld,
  WorldContents,
  type Means,
  type Played,
  type Somebody,
  type Walker,
  type WorldDelivery,
  type WorldMessage,
  type WorldSettings,
  type WorldTemplate,
} from '@carillon/scheduling-rules/world';
import { notFound, ProblemException } from '@carillon/server';
import { findingsOf } from './journey-findings.js';
import { journeyByKey, versionsOf } from './journey-rows.js';

/** People read at once. */
const BATCH = 1000;
/** Things that happen between two looks at what else the process has to do. */
const TURN = 2000;
/** Ways that are kept to look at. */
const MOST_KEPT = 1000;
/** Runs of one journey that are kept. */
const RUNS_KEPT = 20;
/** What finding people may cost. */
const FIND_MS = 15_000;

/** What a message says, kept to be rendered when somebody looks. */
export interface Says {
  template: { id: string; version: number } | null;
  data: Record<string, unknown>;
  recipient: {
    externalId: string;
    email: string | null;
    phone: string | null;
    locale: string | null;
    timezone: string | null;
    attributes: Record<string, unknown>;
  };
}
/** A way as it is kept. */
export type KeptWay = {
  visits: {
    key: string;
    enteredAt: Date;
    endedAt: Date | null;
    outcome: string | null;
    reason: string | null;
    step: string | null;
    dueAt: Date | null;
    lines: Walker['lines'];
    messages: (Pick<
      WorldDelivery,
      'channel' | 'status' | 'reason' | 'said' | 'address' | 'sentAt' | 'timeline'
    > & {
      step: string;
      class: 'transactional' | 'marketing';
      acceptedAt: Date;
      dueAt: Date | null;
      says: Says | null;
    })[];
  }[];
  refused: { reason: string; at: Date }[];
};

/** @throws ProblemException for what is not there, and with findings for a journey that could not go live */
export async function simulateJourney(
  database: Database,
  workspaceId: string,
  key: string,
  asked: JourneySimulate,
  by: string,
): Promise<JourneySimulation> {
  const begun = performance.now();
  const set = await database.inWorkspace(workspaceId, (sql) => setting(sql, workspaceId, key, asked));
  const { played, version, ids, now, scope, templates } = set;
  const { definition } = played;
  const startAt = new Date(asked.startAt ?? now);
  const until = new Date(startAt.getTime() + durationMs(asked.within));

  const contents = new WorldContents(templates);
  const topics = new Map<string, TopicFacts>();
  const means: Means = {
    seed: asked.seed,
    journeys: [played],
    settings: set.settings,
    topics,
    audiences: scope.audiences,
    zones: new Set(scope.zones),
    others: set.others,
    refuses: (message) => contents.refuses(message),
    says(delivery, recipient) {
      const said = contents.of(delivery, recipient);
      if (!said) return { ok: false, reason: 'template_error', detail: 'Its template version is missing.' };
      const lacking = contents.lacks(delivery, said, recipient);
      if (lacking !== null) return { ok: false, reason: 'missing_variable', detail: lacking };
      const { externalId, email, phone, locale, timezone, attributes } = recipient;
      const template = said.template as StoredTemplate | null;
      const content: Says = {
        template: template && { id: template.id, version: template.version },
        data: delivery.message.ask.data,
        recipient: {
          externalId: externalId ?? '',
          email,
          phone,
          locale,
          timezone,
          attributes: { ...attributes },
        },
      };
      return { ok: true, content };
    },
    behaves: (delivery) => behaviours.of(delivery),
    answers: (_, __, { step }) => asked.calls[step] ?? { status: 200 },
  };
  const world = new JourneyWorld(means, startAt);
  const behaviours = new Behaviours(() => world, asked.outcomes, asked.steps);

  const people: Somebody[] = [];
  const leaves = leavesOf(definition);
  for (let n = 0; n < ids.length; n += BATCH)
    people.push(
      ...(await database.inWorkspace(workspaceId, async (sql) => {
        const some = ids.slice(n, n + BATCH);
        const found = await peopleInFull(sql, workspaceId, some, leaves, topicsOf(definition));
        for (const [topic, facts] of found.topics) topics.set(topic, facts);
        const sent = await sentTo(sql, workspaceId, some, set.settings, startAt);
        return found.people.map((person) => ({ ...person, counted: sent.get(person.id) ?? [] }));
      })),
    );
  const spread = asked.over === undefined ? 0 : durationMs(asked.over);
  people.forEach((person, n) => {
    world.add(person);
    comesIn(
      world,
      played,
      person,
      new Date(startAt.getTime() + Math.floor((spread * n) / people.length)),
      asked,
    );
  });
  while (!world.advance(until, TURN)) await new Promise(setImmediate);

  const counts = numbersOf(definition, world);
  const shown = people.map((person, no) => shownPerson(world, person, no));
  const result = {
    seed: asked.seed,
    startAt: startAt.toISOString(),
    until: until.toISOString(),
    people: people.length,
    ...counts,
    kept: Math.min(people.length, MOST_KEPT),
    ms: Math.round(performance.now() - begun),
  };
  const id = newId();
  const createdAt = await database.inWorkspace(workspaceId, (sql) =>
    keep(sql, workspaceId, {
      id,
      version,
      by,
      definition,
      journeyId: played.id,
      result,
      people,
      shown,
      world,
    }),
  );
  return { id, version, definition, createdBy: by, createdAt: createdAt.toISOString(), ...result };
}

// ── what it is played with ──

type StoredTemplate = WorldTemplate & { id: string };

async function setting(sql: Sql, workspaceId: string, key: string, asked: JourneySimulate) {
  const journey = await journeyByKey(sql, workspaceId, key);
  if (!journey) throw notFound('journey');
  const given =
    asked.version === undefined
      ? (asked.definition ?? journey.draft)
      : (await versionsOf(sql, workspaceId, journey.id)).find((v) => v.version === asked.version)?.definition;
  if (!given) throw notFound('version of this journey');
  const definition = JourneyDefinition.parse(given);
  const faults = (await findingsOf(sql, workspaceId, definition)).filter(({ level }) => level === 'error');
  if (faults.length > 0)
    throw new ProblemException('invalid_request', `It could not go live: ${faults[0]?.message}`, {
      errors: faults.map(({ at, code, message }) => ({ pointer: `/definition${at}`, code, message })),
    });
  for (const [step, one] of Object.entries(definition.steps))
    if (one.kind === 'send' && one.content)
      definition.steps[step] = { ...one, content: (await checkContent(one.content, {})).content };

  const [workspace] = await sql.query<{ settings: WorldSettings; now: Date }>(
    'SELECT settings, clock_timestamp() AS now FROM workspaces WHERE id = $1',
    [workspaceId],
  );
  const refs = journeyNames(definition).templates;
  const rows =
    refs.length === 0
      ? []
      : await sql.query<{
          id: string;
          key: string;
          version: number;
          compiled: Omit<WorldTemplate, 'key' | 'version'>;
        }>(
          `SELECT t.id, t.key, tv.version, tv.compiled FROM templates t JOIN template_versions tv ON tv.workspace_id = $1 AND tv.template_id = t.id
            WHERE t.workspace_id = $1 AND t.archived_at IS NULL AND (t.key, tv.version) IN
              (SELECT k, coalesce(v, t.version) FROM unnest($2::text[], $3::int[]) AS u(k, v))
            ORDER BY tv.version`,
          [workspaceId, refs.map((ref) => ref.key), refs.map(({ version }) => version)],
        );
  const others = await sql.query<{ key: string }>(
    `SELECT key FROM journeys WHERE workspace_id = $1 AND state IN ('live', 'paused')`,
    [workspaceId],
  );
  return {
    played: { id: journey.id, key, definition } satisfies Played,
    version: asked.version ?? null,
    ids: await chosen(sql, workspaceId, asked),
    now: workspace?.now ?? new Date(),
    settings: workspace?.settings ?? {},
    scope: await scopeOf(sql, workspaceId, await audiencesOf(sql, workspaceId)),
    templates: rows.map(({ compiled, ...row }): StoredTemplate => ({ ...row, ...compiled })),
    others: new Set(others.map((other) => other.key)),
  };
}

/** Those named, in their order; or so many of an audience or of all, drawn by the seed. */
async function chosen(
  sql: Sql,
  workspaceId: string,
  { profiles, audience: key, random, seed }: JourneySimulate,
): Promise<string[]> {
  if (profiles) {
    const found = await idsByExternalId(sql, workspaceId, profiles);
    const unknown = profiles.findIndex((name) => !found.has(name));
    if (unknown >= 0)
      throw refused(
        `/profiles/${unknown}`,
        'unknown_profile',
        `there is no profile ${JSON.stringify(profiles[unknown])}`,
      );
    return [...new Set(profiles.map((name) => found.get(name)!))];
  }
  await asAWhole(sql, FIND_MS);
  const drawn = hash32(seed);
  const most = random ?? 100;
  if (key === undefined) {
    const rows = await sql.query<{ id: string }>(
      `SELECT id FROM profiles WHERE workspace_id = $1 ORDER BY hashtextextended(id::text, $2), id LIMIT $3`,
      [workspaceId, drawn, most],
    );
    return rows.map(({ id }) => id);
  }
  const audience = await audienceByKey(sql, workspaceId, key);
  if (!audience || audience.archivedAt)
    throw refused('/audience', 'unknown_audience', `there is no audience “${key}”`);
  const { text, params } = await membersQuery(sql, workspaceId, audience);
  const rows = await sql.query<{ id: string }>(
    `SELECT profile_id AS id FROM (${text}) AS them ORDER BY hashtextextended(profile_id::text, $${params.length + 1}), profile_id LIMIT $${params.length + 2}`,
    [...params, drawn, most],
  );
  return rows.map(({ id }) => id);
}
const refused = (pointer: string, code: string, message: string): ProblemException =>
  new ProblemException('invalid_request', `The body is not valid: ${pointer}: ${message}`, {
    errors: [{ pointer, code, message }],
  });

/** Every clause about people that the journey may ask. */
function leavesOf(definition: JourneyDefinition): Leaf[] {
  return Object.keys(definition.steps).flatMap((step) => factsWanted(definition, { step, phase: 'arrived' }));
}
const topicsOf = (definition: JourneyDefinition): string[] => [
  ...new Set(
    Object.values(definition.steps).flatMap((step) =>
      step.kind === 'send' && step.topic !== undefined ? [step.topic] : [],
    ),
  ),
];

/** What they were sent lately: asked only where the workspace has caps. */
async function sentTo(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
  settings: WorldSettings,
  at: Date,
): Promise<Awaited<ReturnType<typeof sentLately>>> {
  const own = ownRules(settings);
  if (!own || own.rules.caps.length === 0) return new Map();
  const about = { channel: 'email', messageClass: 'marketing', topic: null, zone: 'UTC' } as const;
  const wanted = ids.map((profileId) => ({ ...about, id: newId(), profileId, caps: own.rules.caps }));
  return sentLately(sql, workspaceId, wanted, at);
}

/** What lets people into this journey happens to them, and later what else was asked for. */
function comesIn(
  world: JourneyWorld,
  { key, definition: { entry } }: Played,
  somebody: Somebody,
  at: Date,
  { data, events }: JourneySimulate,
): void {
  if (entry.kind === 'event') world.event(somebody.id, entry.event, data, at);
  else if (entry.kind === 'audience')
    world.change(somebody.id, entry.audience, entry.change === 'leave' ? 'leave' : 'enter', at, true);
  else world.enter(somebody.id, key, data, at);
  events.forEach(({ event, properties, after, share }, n) => {
    if (world.draw('event', n, somebody.externalId) < share)
      world.event(somebody.id, event, properties, new Date(at.getTime() + durationMs(after)));
  });
}

// ── what came of it ──

function numbersOf(definition: JourneyDefinition, { walkers, refused: notIn, messages }: JourneyWorld) {
  const ways = new Map<string, Map<string, number>>();
  const waiting = new Map<string, number>();
  const outcomes = new Map<string, number>();
  for (const { lines, state, step, outcome } of walkers) {
    for (const line of lines) add(mapOf(ways, line.step), line.way);
    if (state === 'ended') add(outcomes, outcome ?? 'done');
    else add(waiting, step);
  }
  const why = new Map<string, number>();
  for (const { reason } of notIn) add(why, reason);
  const sent = new Map<string, number>();
  const told = new Map<string, number>();
  for (const { deliveries, step } of messages)
    for (const { channel, status, reason, timeline } of deliveries) {
      add(sent, JSON.stringify({ step, channel, status, reason }));
      for (const type of new Set(timeline.map((line) => line.type)))
        add(told, JSON.stringify({ step, channel, type }));
    }
  const list = <K extends string>(name: K, counts: ReadonlyMap<string, number>) =>
    [...counts].map(([what, count]) => ({ [name]: what, count }) as Record<K, string> & { count: number });
  const parsed = <T>(counts: ReadonlyMap<string, number>) =>
    [...counts].sort().map(([what, count]) => ({ ...(JSON.parse(what) as T), count }));
  return {
    entered: walkers.length,
    inside: walkers.filter(({ state }) => state !== 'ended').length,
    outcomes: list('outcome', outcomes),
    refused: list('reason', why),
    steps: Object.keys(definition.steps).map((step) => {
      const mine = list('way', ways.get(step) ?? new Map());
      const left = mine.reduce((sum, { count }) => sum + count, 0);
      const here = waiting.get(step) ?? 0;
      const errors = ways.get(step)?.get('error') ?? 0;
      return { step, entered: left + here, waiting: here, errors, ways: mine };
    }),
    messages: parsed<Omit<JourneySimulation['messages'][number], 'count'>>(sent),
    told: parsed<Omit<JourneySimulation['told'][number], 'count'>>(told).filter(({ type }) =>
      TOLD.includes(type),
    ),
  };
}
const TOLD = ['delivered', 'opened', 'clicked', 'replied', 'complained', 'unsubscribed'];
const add = (counts: Map<string, number>, what: string): unknown =>
  counts.set(what, (counts.get(what) ?? 0) + 1);
function mapOf(maps: Map<string, Map<string, number>>, key: string): Map<string, number> {
  let map = maps.get(key);
  if (!map) maps.set(key, (map = new Map()));
  return map;
}

function shownPerson(world: JourneyWorld, { id, externalId }: Somebody, no: number): SimulatedPerson {
  const visits = world.visitsOf(id);
  const last = visits.at(-1);
  return {
    no,
    profile: externalId,
    outcome: last?.outcome ?? null,
    reason: last?.reason ?? (last ? null : (world.refusalsOf(id)[0]?.reason ?? null)),
    step: last && last.state !== 'ended' ? last.step : null,
    entered: visits.length,
    steps: visits.reduce((sum, { lines }) => sum + lines.length, 0),
    messages: visits
      .flatMap((visit) => world.messagesOf(visit))
      .flatMap(({ deliveries }) => deliveries)
      .filter(({ sentAt }) => sentAt !== null).length,
  };
}

const wayOf = (world: JourneyWorld, id: string): KeptWay => ({
  visits: world.visitsOf(id).map((visit) => ({
    key: visit.key,
    enteredAt: visit.enteredAt,
    endedAt: visit.endedAt,
    outcome: visit.outcome,
    reason: visit.reason,
    step: visit.state === 'ended' ? null : visit.step,
    dueAt: visit.dueAt,
    lines: visit.lines,
    messages: world.messagesOf(visit).flatMap(keptMessages),
  })),
  refused: world.refusalsOf(id).map(({ reason, at }) => ({ reason, at })),
});
const keptMessages = ({ step, ask, at, deliveries }: WorldMessage): KeptWay['visits'][number]['messages'] =>
  deliveries.map(({ channel, status, reason, said, address, sentAt, timeline, dueAt, content }) => ({
    step,
    channel,
    class: ask.class,
    status,
    reason,
    said,
    address,
    acceptedAt: at,
    sentAt,
    dueAt: status === 'scheduled' || status === 'queued' ? dueAt : null,
    timeline,
    says: content as Says | null,
  }));

async function keep(
  sql: Sql,
  workspaceId: string,
  run: {
    id: string;
    journeyId: string;
    version: number | null;
    by: string;
    definition: JourneyDefinition;
    result: object;
    people: readonly Somebody[];
    shown: readonly SimulatedPerson[];
    world: JourneyWorld;
  },
): Promise<Date> {
  const [row] = await sql.query<{ at: Date }>(
    `INSERT INTO journey_simulations (workspace_id, id, journey_id, version, definition, result, created_by)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING created_at AS at`,
    [
      workspaceId,
      run.id,
      run.journeyId,
      run.version,
      JSON.stringify(run.definition),
      JSON.stringify(run.result),
      run.by,
    ],
  );
  const kept = run.people.slice(0, MOST_KEPT);
  await sql.execute(
    // Who was deleted meanwhile is left out.
    `INSERT INTO simulated_people (workspace_id, simulation_id, no, profile_id, outcome, steps, shown, way)
     SELECT $1, $2, u.no, u.profile_id, u.shown->>'outcome', ARRAY(SELECT DISTINCT line->>'step' FROM jsonb_path_query(u.way, '$.visits[*].lines[*]') AS line
                UNION SELECT here #>> '{}' FROM jsonb_path_query(u.way, '$.visits[*].step') AS here WHERE here <> 'null'), u.shown, u.way
       FROM (SELECT no, profile_id, shown::jsonb, way::jsonb FROM unnest($3::int[], $4::uuid[], $5::text[], $6::text[]) AS t(no, profile_id, shown, way)) AS u
       JOIN profiles p ON p.workspace_id = $1 AND p.id = u.profile_id`,
    [
      workspaceId,
      run.id,
      kept.map((_, no) => no),
      kept.map(({ id }) => id),
      kept.map((_, no) => JSON.stringify(run.shown[no])),
      kept.map(({ id }) => JSON.stringify(wayOf(run.world, id))),
    ],
  );
  await sql.execute(
    `DELETE FROM journey_simulations WHERE workspace_id = $1 AND journey_id = $2 AND id IN (
       SELECT id FROM journey_simulations WHERE workspace_id = $1 AND journey_id = $2 ORDER BY id DESC OFFSET ${RUNS_KEPT})`,
    [workspaceId, run.journeyId],
  );
  return row!.at;
}
