/**
 * A definition as one statement of SQL with parameters: names and values are never text of it. People are read once;
 * each thing that clauses look at (events of one name, messages, words of consent) is one grouped derived table, joined
 * by hash, so that a million people cost a few scans and not a look-up each. With `profileIds` the same statement asks
 * about these people alone. Pure.
 */
import type {
  AudienceDefinition,
  Clause,
  DeviceClause,
  EventClause,
  MessageClause,
  Path,
  PropertyTest,
  Subject,
} from '@carillon/contracts';
import { activityCounts, activityTimes, textFields } from '@carillon/contracts';
import { comparable } from './comparable.js';
import { testSql, type Operand } from './compile-test.js';
import { Params } from './params.js';
import { secondsIn, shareBounds } from './spans.js';

export interface Scope {
  workspaceId: string;
  now: Date;
  /** The workspace's zone: last of the chain profile → phone → workspace. */
  zone: string;
  /** The zones that this PostgreSQL knows: another name on a profile counts as none. */
  zones: readonly string[];
  /** By key, the audiences that clauses name. */
  audiences: ReadonlyMap<string, NamedAudience>;
  /** By key, the topics that are described: each with those above it, the nearest first. Another stands alone. */
  topics?: ReadonlyMap<string, TopicPath>;
  /** Whether people of the workspace became part of others: the log still has what was sent to them by their old id. */
  merges?: boolean;
  /** Only these people. */
  profileIds?: readonly string[];
  /** Fewer than these are looked up one by one; more, and everybody is read in one go. */
  few?: number;
}
export interface NamedAudience {
  id: string;
  /** Where its members are not kept in rows: evaluated in place. */
  definition?: AudienceDefinition;
}
export interface TopicPath {
  path: readonly string[];
  /** A topic of transactional messages: what is said about all marketing is not about it. */
  transactional: boolean;
}
export interface Compiled {
  text: string;
  params: unknown[];
}

/**
 * @param also columns of profiles that are wanted beside it
 * @returns a statement whose first column is `profile_id`, each person once
 */
export function compileAudience(
  definition: AudienceDefinition,
  scope: Scope,
  also: readonly ('email' | 'phone')[] = [],
): Compiled {
  const params = new Params();
  return { text: new Statement(scope, params).select(definition, also), params: params.values };
}

/**
 * Several rules about the same people in one statement.
 * @returns a statement with a row per person of the scope that exists: `profile_id` and `holds`, the places (from 0) of
 *   the rules that hold. What is done after the rule (order, limit …) is not part of it.
 */
export function compileRules(rules: readonly Clause[], scope: Scope): Compiled {
  const params = new Params();
  const statement = new Statement(scope, params);
  const cases = rules.map((rule, i) => `CASE WHEN ${statement.clause(rule)} THEN ${i} END`);
  return {
    text: statement.from(
      `p.id AS profile_id, array_remove(ARRAY[${cases.join(', ')}]::integer[], NULL) AS holds`,
    ),
    params: params.values,
  };
}

const FEW = 20_000;

interface EventGroup {
  alias: string;
  /** Of its counts; a number follows. */
  column: string;
  /** What an event clause that everybody must meet asks of it, where there is one. */
  first?: string;
  name: string;
  counts: { condition: string; since: Date | undefined }[];
  zoned: boolean;
}

class Statement {
  private readonly joins = new Map<string, { alias: string; text: string }>();
  private readonly groups = new Map<string, EventGroup>();
  private readonly workspace: string;
  private readonly only: ((column: string) => string) | undefined;
  private usesActivity = false;
  private zoneUsed = false;

  constructor(
    private readonly scope: Scope,
    private readonly params: Params,
  ) {
    this.workspace = params.add(scope.workspaceId, 'uuid');
    const { profileIds } = scope;
    this.only = profileIds && ((column) => `${column} = ANY(${params.add(profileIds, 'uuid[]')})`);
  }

  select({ where, dedupe, order, sample, limit }: AudienceDefinition, also: readonly string[] = []): string {
    const holds = this.clause(where);
    this.begin(where);
    const wanted = ['profile_id', ...also];
    const columns = ['p.id AS profile_id', ...also.map((column) => `p.${column}`)];
    if (dedupe) columns.push(`${this.keyOf(dedupe)} AS key`);
    const orderBy: string[] = [];
    for (const { by, direction } of order ?? [])
      for (const sql of this.orderOf(by)) {
        columns.push(`${sql} AS o${orderBy.length}`);
        orderBy.push(`o${orderBy.length} ${direction === 'descending' ? 'DESC' : 'ASC'} NULLS LAST`);
      }
    orderBy.push('profile_id');
    let text = this.from(columns.join(', '), holds);
    if (dedupe) {
      const alone = 'CASE WHEN key IS NULL THEN profile_id END';
      text = `SELECT DISTINCT ON (key, ${alone}) * FROM (${text}) AS held ORDER BY key, ${alone}, ${orderBy.join(', ')}`;
    }
    if (sample && 'percent' in sample)
      text = `SELECT * FROM (${text}) AS one WHERE ${this.share({ from: 0, to: sample.percent, salt: sample.salt }, 'profile_id')}`;
    if (sample && 'count' in sample)
      text = `SELECT * FROM (${text}) AS one ORDER BY ${this.hash(sample.salt, 'profile_id')}, profile_id LIMIT ${this.params.add(sample.count, 'bigint')}`;
    if (limit !== undefined)
      text = `SELECT * FROM (${text}) AS part ORDER BY ${orderBy.join(', ')} LIMIT ${this.params.add(limit, 'bigint')}`;
    return columns.length > wanted.length ? `SELECT ${wanted.join(', ')} FROM (${text}) AS chosen` : text;
  }

  /** Where everybody must have done something, those who have are counted first: they may be few, and everybody is many. */
  private begin(where: Clause): void {
    if (this.only) return;
    const clause = alwaysAsked(where).find(
      (one): one is EventClause =>
        'event' in one &&
        !one.then &&
        !one.occurrence &&
        (one.atLeast ?? Number(one.atMost === undefined)) > 0,
    );
    const group = clause && this.groups.get(clause.event);
    if (group) group.first = this.event(clause, true);
  }

  /** People, with everything that the clauses so far look at. */
  from(columns: string, where = 'TRUE'): string {
    let [begin, people] = ['', 'profiles p'];
    const done = [...this.groups.values()];
    const joined = (group: EventGroup): string => {
      const { alias, first } = group;
      const select = this.eventGroup(group);
      const on = `${alias}.profile_id = p.id`;
      if (first === undefined) return `LEFT JOIN (${select}) AS ${alias} ON ${on}`;
      // Of the two halves of the union one is never begun. OFFSET 0 keeps each look-up one.
      begin = `WITH ${alias} AS MATERIALIZED (${select}), few AS MATERIALIZED (SELECT count(*) < ${this.params.add(this.scope.few ?? FEW, 'bigint')} AS yes FROM ${alias} WHERE ${first}) `;
      people = `(SELECT p.* FROM profiles p WHERE NOT (SELECT yes FROM few) UNION ALL SELECT p.* FROM ${alias} CROSS JOIN LATERAL
        (SELECT * FROM profiles WHERE workspace_id = ${this.workspace} AND id = ${alias}.profile_id OFFSET 0) AS p WHERE (SELECT yes FROM few) AND ${first}) AS p`;
      return `JOIN ${alias} ON ${on}`;
    };
    // What a few people did is read once, whatever is asked of it: each reading of it looks into every month for each of them.
    const groups =
      this.only && done.length > 0
        ? [`LEFT JOIN (${this.eventsOfFew(done)}) AS ev ON ev.profile_id = p.id`]
        : done.map(joined);
    const activity = this.usesActivity
      ? [`LEFT JOIN profile_activity act ON act.workspace_id = ${this.workspace} AND act.profile_id = p.id`]
      : [];
    const joins = [...activity, ...groups, ...[...this.joins.values()].map(({ text }) => text)];
    const restricted = this.only ? ` AND ${this.only('p.id')}` : '';
    return `${begin}SELECT ${columns} FROM ${people} ${joins.join(' ')} WHERE p.workspace_id = ${this.workspace}${restricted} AND ${where}`;
  }

  /**
   * @param plain nothing around it says `not`: a count of nothing may then be null, which does not hold either, and PostgreSQL
   * leaves out at once those who have none, or too few
   */
  clause(clause: Clause, plain = true): string {
    if ('and' in clause) return all(clause.and.map((inner) => this.clause(inner, plain)));
    if ('or' in clause) return `(${clause.or.map((inner) => this.clause(inner, plain)).join(' OR ')})`;
    if ('not' in clause) return `(NOT ${this.clause(clause.not, false)})`;
    if ('attribute' in clause) return this.test(this.attribute(clause.attribute), clause);
    if ('field' in clause) return this.test(this.field(clause.field), comparable(clause.field, clause));
    if ('activity' in clause) return this.test(this.activity(clause.activity), clause);
    if ('event' in clause) return this.event(clause, plain);
    if ('message' in clause) return this.message(clause, plain);
    if ('consent' in clause) return this.consent(clause.consent, clause.topic, clause.is);
    if ('suppressed' in clause) return this.suppressed(clause.suppressed, clause.reason);
    if ('device' in clause) return this.device(clause, plain);
    if ('audience' in clause) return this.member(clause.audience, plain);
    return this.share(clause.share, 'p.id');
  }

  // ── values of a person ──

  private test(operand: Operand, test: Parameters<typeof testSql>[1]): string {
    return testSql(operand, test, this.params, this.scope);
  }

  private readonly zone = (): string => {
    this.zoneUsed = true;
    const known = this.params.add(this.scope.zones, 'text[]');
    return `(CASE WHEN p.timezone = ANY(${known}) THEN p.timezone WHEN p.phone_zone = ANY(${known}) THEN p.phone_zone ELSE ${this.params.add(this.scope.zone, 'text')} END)`;
  };

  private json(root: string, path: Path): Operand {
    const steps = typeof path === 'string' ? [path] : path;
    return {
      kind: 'json',
      sql: `(${[root, ...steps.map((step) => this.params.add(step, 'text'))].join(' -> ')})`,
      zone: this.zone,
    };
  }

  private readonly attribute = (path: Path): Operand => this.json('p.attributes', path);

  private field(field: string): Operand {
    const kind = (textFields as readonly string[]).includes(field) ? 'text' : 'time';
    return { kind, sql: `p.${COLUMNS[field]}`, zone: this.zone };
  }

  private activity(field: string): Operand {
    this.usesActivity = true;
    if ((activityCounts as readonly string[]).includes(field))
      return { kind: 'count', sql: `coalesce(act.${COLUMNS[field]}, 0)`, zone: this.zone };
    return { kind: 'time', sql: `act.${COLUMNS[field]}`, zone: this.zone };
  }

  private subject(subject: Subject): Operand {
    if ('attribute' in subject) return this.attribute(subject.attribute);
    return 'field' in subject ? this.field(subject.field) : this.activity(subject.activity);
  }

  private keyOf(subject: Subject): string {
    const { kind, sql } = this.subject(subject);
    return kind === 'json' ? `nullif(${sql}, 'null'::jsonb)` : `to_jsonb(${sql})`;
  }

  private orderOf(subject: Subject): string[] {
    const { kind, sql } = this.subject(subject);
    if (kind === 'text') return [`(${sql} COLLATE "C")`];
    if (kind !== 'json') return [sql];
    return [
      `(CASE WHEN jsonb_typeof(${sql}) = 'number' THEN ${sql} END)`,
      `((CASE WHEN jsonb_typeof(${sql}) = 'string' THEN ${sql} #>> '{}' END) COLLATE "C")`,
    ];
  }

  // ── what people did ──

  private event(clause: EventClause, plain: boolean): string {
    if (clause.then) return this.sequence(clause, clause.then);
    if (clause.occurrence) return this.occurrence(clause, clause.occurrence);
    const group = this.groups.get(clause.event) ?? {
      alias: this.only ? 'ev' : `ev${this.groups.size}`,
      column: `c${this.groups.size}_`,
      name: clause.event,
      counts: [],
      zoned: false,
    };
    this.groups.set(clause.event, group);
    const { condition, zoned } = this.zonedly(() => this.eventConditions(clause, 'e'));
    group.zoned ||= zoned;
    const since = latest(
      clause.within === undefined ? undefined : this.ago(clause.within),
      clause.since === undefined ? undefined : new Date(clause.since),
    );
    let place = group.counts.findIndex((count) => count.condition === condition);
    if (place < 0) place = group.counts.push({ condition, since }) - 1;
    return this.howMany(`${group.alias}.${group.column}${place}`, clause, plain);
  }

  private eventGroup({ name, column, counts, zoned }: EventGroup): string {
    // A single condition narrows the scan.
    const [only] = counts.length === 1 ? counts : [];
    const columns = counts.map(({ condition }, i) =>
      only ? `count(*) AS ${column}${i}` : `count(*) FILTER (WHERE ${condition}) AS ${column}${i}`,
    );
    const bound = only ? ` AND ${only.condition}` : this.bound(counts);
    return `SELECT e.profile_id, ${columns.join(', ')} FROM ${this.events([name], zoned)}${bound} GROUP BY e.profile_id`;
  }

  private eventsOfFew(groups: readonly EventGroup[]): string {
    const columns = groups.flatMap(({ name, column, counts }) =>
      counts.map(
        ({ condition }, i) =>
          `count(*) FILTER (WHERE e.name = ${this.params.add(name, 'text')} AND ${condition}) AS ${column}${i}`,
      ),
    );
    const names = groups.map(({ name }) => name);
    const zoned = groups.some((group) => group.zoned);
    const bound = this.bound(groups.flatMap(({ counts }) => counts));
    return `SELECT e.profile_id, ${columns.join(', ')} FROM ${this.events(names, zoned)}${bound} GROUP BY e.profile_id`;
  }

  /** A span that all of them share bounds the scan. */
  private bound(counts: EventGroup['counts']): string {
    const starts = counts.map(({ since }) => since);
    if (!starts.every((since) => since !== undefined)) return '';
    const earliest = new Date(Math.min(...starts.map((since) => since.getTime())));
    return ` AND e.at >= ${this.params.add(earliest.toISOString(), 'timestamptz')}`;
  }

  /** `FROM` and `WHERE` of events by name; with their people where conditions ask for a zone. */
  private events(names: readonly string[], zoned: boolean): string {
    const [one] = names.length === 1 ? names : [];
    const named =
      one === undefined
        ? `e.name = ANY(${this.params.add(names, 'text[]')})`
        : `e.name = ${this.params.add(one, 'text')}`;
    const people = zoned
      ? ` JOIN profiles p ON p.workspace_id = ${this.workspace} AND p.id = e.profile_id`
      : '';
    return `events e${people} WHERE e.workspace_id = ${this.workspace} AND ${named}${this.only ? ` AND ${this.only('e.profile_id')}` : ''}`;
  }

  private eventConditions(
    clause: Pick<EventClause, 'within' | 'since' | 'before' | 'where'>,
    alias: string,
  ): string {
    const conditions: string[] = [];
    if (clause.within) conditions.push(`${alias}.at > ${this.time(this.ago(clause.within))}`);
    if (clause.since) conditions.push(`${alias}.at >= ${this.time(new Date(clause.since))}`);
    if (clause.before) conditions.push(`${alias}.at < ${this.time(new Date(clause.before))}`);
    conditions.push(...this.properties(clause.where ?? [], alias));
    return all(conditions);
  }

  private properties(tests: readonly PropertyTest[], alias: string): string[] {
    return tests.map((test) => this.test(this.json(`${alias}.properties`, test.property), test));
  }

  private occurrence(clause: EventClause, which: 'first' | 'last'): string {
    const direction = which === 'first' ? 'ASC' : 'DESC';
    const alias = this.join(
      `occurrence ${which} ${clause.event}`,
      () =>
        `SELECT DISTINCT ON (e.profile_id) e.profile_id, e.at, e.properties FROM ${this.events([clause.event], false)} ORDER BY e.profile_id, e.at ${direction}, e.id ${direction}`,
    );
    return `((${alias}.profile_id IS NOT NULL AND ${this.eventConditions(clause, alias)}) IS TRUE)`;
  }

  private sequence(clause: EventClause, then: NonNullable<EventClause['then']>): string {
    const alias = this.join(`sequence ${JSON.stringify(clause)}`, () => {
      const { condition: first, zoned: a } = this.zonedly(() => this.eventConditions(clause, 'e'));
      const { condition: second, zoned: b } = this.zonedly(() => all(this.properties(then.where ?? [], 'e')));
      // The nearest first event before each second one is the one that is nearest in time: no pairs are built.
      const inTime = then.within
        ? ` AND s.at <= s.earlier + make_interval(secs => ${this.params.add(secondsIn(then.within), 'double precision')})`
        : '';
      const [A, B] = [clause.event, then.event].map((name) => `e.name = ${this.params.add(name, 'text')}`);
      return (
        `SELECT DISTINCT s.profile_id FROM (SELECT e.profile_id, e.at, (${B} AND ${second}) AS second, ` +
        `max(e.at) FILTER (WHERE ${A} AND ${first}) OVER (PARTITION BY e.profile_id ORDER BY e.at GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier ` +
        `FROM ${this.events([...new Set([clause.event, then.event])], a || b)}) AS s WHERE s.second AND s.earlier IS NOT NULL${inTime}`
      );
    });
    return `(${alias}.profile_id IS NOT NULL)`;
  }

  /** Runs `build` and tells whether it asked for the person's zone. */
  private zonedly(build: () => string): { condition: string; zoned: boolean } {
    const before = this.zoneUsed;
    this.zoneUsed = false;
    const condition = build();
    const zoned = this.zoneUsed;
    this.zoneUsed ||= before;
    return { condition, zoned };
  }

  // ── what became of messages: read from the delivery log ──

  private message(clause: MessageClause, plain: boolean): string {
    const { params } = this;
    const { atLeast: _least, atMost: _most, ...what } = clause;
    const alias = this.join(`message ${JSON.stringify(what)}`, () => {
      const conditions = [`d.workspace_id = ${this.workspace}`, 'd.profile_id IS NOT NULL'];
      const { person, from } = this.toPerson();
      if (this.only)
        conditions.push(
          this.scope.merges ? `d.profile_id = ANY(${this.onlyAndMerged()})` : this.only('d.profile_id'),
        );
      if (clause.channel) conditions.push(`d.channel = ${params.add(clause.channel, 'text')}`);
      if (clause.class) conditions.push(`d.class = ${params.add(clause.class, 'text')}`);
      if (clause.topic) conditions.push(`d.topic = ${params.add(clause.topic, 'text')}`);
      if (clause.template)
        conditions.push(
          `d.template_id = (SELECT t.id FROM templates t WHERE t.workspace_id = ${this.workspace} AND t.key = ${params.add(clause.template, 'text')})`,
        );
      if (clause.campaign) {
        const id = params.add(clause.campaign, 'text');
        conditions.push(
          `d.source = 'campaign' AND (d.source_id = ${id} OR d.source_id IN (SELECT r.id::text FROM runs r WHERE r.workspace_id = ${this.workspace} AND r.source_id = ${id}))`,
        );
      }
      if (clause.journey)
        conditions.push(`d.source = 'journey' AND d.source_id = ${params.add(clause.journey, 'text')}`);
      conditions.push(...this.outcome(clause));
      return `SELECT ${person} AS profile_id, count(*) AS n FROM deliveries d${from} WHERE ${conditions.join(' AND ')} GROUP BY ${person}`;
    });
    return this.howMany(`${alias}.n`, clause, plain);
  }

  /** Who a row of the log is about now: whoever was merged counts for who stayed. */
  private toPerson(): { person: string; from: string } {
    if (!this.scope.merges) return { person: 'd.profile_id', from: '' };
    return {
      person: 'coalesce(m.kept_id, d.profile_id)',
      from: ` LEFT JOIN (${this.merged()}) AS m ON m.merged_id = d.profile_id`,
    };
  }

  /** Each profile that became part of another, with everybody that it led to since: of these one is there. */
  private merged(): string {
    const restricted = this.only ? ` AND ${this.only('x.kept_id')}` : '';
    return (
      `WITH RECURSIVE became AS (SELECT x.merged_id, x.kept_id FROM profile_merges x WHERE x.workspace_id = ${this.workspace}${restricted} ` +
      `UNION SELECT x.merged_id, b.kept_id FROM became b JOIN profile_merges x ON x.workspace_id = ${this.workspace} AND x.kept_id = b.merged_id) ` +
      'SELECT merged_id, kept_id FROM became'
    );
  }

  private onlyAndMerged(): string {
    const ids = this.params.add(this.scope.profileIds ?? [], 'uuid[]');
    return `${ids} || ARRAY(SELECT m.merged_id FROM (${this.merged()}) AS m)`;
  }

  private outcome({ message, within }: MessageClause): string[] {
    const cut = within && this.time(this.ago(within));
    const since = (column: string): string[] => (cut ? [`${column} > ${cut}`] : []);
    const told = (type: string, bounded: boolean): string =>
      `EXISTS (SELECT FROM delivery_events v WHERE v.day = d.day AND v.delivery_id = d.id AND v.workspace_id = ${this.workspace} AND v.type = ${this.params.add(type, 'text')}${cut && bounded ? ` AND v.at > ${cut}` : ''})`;
    switch (message) {
      case 'sent':
        return ['d.sent_at IS NOT NULL', ...since('d.sent_at')];
      case 'delivered':
        return ['d.delivered_at IS NOT NULL', ...since('d.delivered_at')];
      case 'notOpened':
      case 'notClicked':
        return [
          'd.sent_at IS NOT NULL',
          ...since('d.sent_at'),
          `NOT ${told(message === 'notOpened' ? 'opened' : 'clicked', false)}`,
        ];
      case 'failed':
      case 'suppressed':
      case 'unknown':
        return [
          `d.status = ${this.params.add(message, 'text')}`,
          ...since('coalesce(d.sent_at, d.created_at)'),
        ];
      case 'bounced':
        return [
          `d.status = 'failed' AND d.reason = 'bounced'`,
          ...since('coalesce(d.sent_at, d.created_at)'),
        ];
      default:
        return [told(message, true)];
    }
  }

  // ── what people said, have and belong to ──

  private consent(channel: string, topic: string | undefined, is: 'in' | 'out' | 'unknown'): string {
    const address = ADDRESSES[channel];
    // As the gate judges (delivery/rules): "out" of the channel is out; else the nearest word counts, once of the person
    // and once of the address; what waits for its confirmation is no word yet.
    const alias = this.join(`consent ${channel} ${topic ?? ''}`, () => {
      const path = this.params.add(topicPath(topic, this.scope.topics), 'text[]');
      const words = `c.workspace_id = ${this.workspace} AND c.channel = ${this.params.add(channel, 'text')} AND (c.topic = '' OR c.topic = ANY(${path}))`;
      const own = `SELECT c.profile_id, 0 AS about, c.topic, c.word FROM consents c WHERE ${words} AND c.address = ''${this.only ? ` AND ${this.only('c.profile_id')}` : ''}`;
      const atAddress = address
        ? ` UNION ALL SELECT p.id, 1, c.topic, c.word FROM consents c JOIN profiles p ON p.workspace_id = ${this.workspace} AND p.${address} = c.address WHERE ${words} AND c.address <> ''${this.only ? ` AND ${this.only('p.id')}` : ''}`
        : '';
      const nearest = `SELECT w.profile_id, (array_agg(w.word ORDER BY array_position(${path}, w.topic)) FILTER (WHERE w.topic <> ''))[1] AS word,
        bool_or(w.topic = '' AND w.word = 'out') AS blocked, bool_or(w.topic = '' AND w.word = 'in') AS open
        FROM (${own}${atAddress}) AS w GROUP BY w.profile_id, w.about`;
      return `SELECT n.profile_id, bool_or(n.blocked OR n.word IS NOT DISTINCT FROM 'out') AS said_out,
        bool_or(n.word IS NOT DISTINCT FROM 'in') OR (bool_or(n.open) AND NOT bool_or(n.word IS NOT DISTINCT FROM 'pending')) AS said_in
        FROM (${nearest}) AS n GROUP BY n.profile_id`;
    });
    if (is === 'out') return `(${alias}.said_out IS TRUE)`;
    const isIn = `(${alias}.said_in IS TRUE AND ${alias}.said_out IS FALSE)`;
    return is === 'in' ? isIn : `(NOT ${isIn} AND ${alias}.said_out IS NOT TRUE)`;
  }

  private suppressed(channel: 'email' | 'sms', reasons: readonly string[] | undefined): string {
    const alias = this.join(`suppressed ${channel} ${reasons?.join() ?? ''}`, () => {
      const why = reasons ? ` AND s.reason = ANY(${this.params.add(reasons, 'text[]')})` : '';
      return `SELECT p.id AS profile_id FROM suppressions s JOIN profiles p ON p.workspace_id = ${this.workspace} AND p.${ADDRESSES[channel]} = s.address WHERE s.workspace_id = ${this.workspace} AND s.channel = ${this.params.add(channel, 'text')}${why}${this.only ? ` AND ${this.only('p.id')}` : ''}`;
    });
    return `(${alias}.profile_id IS NOT NULL)`;
  }

  private device(clause: DeviceClause, plain: boolean): string {
    const { atLeast: _least, atMost: _most, ...what } = clause;
    const alias = this.join(`device ${JSON.stringify(what)}`, () => {
      const conditions = [`v.workspace_id = ${this.workspace}`];
      if (this.only) conditions.push(this.only('v.profile_id'));
      if (clause.device !== 'any') conditions.push(`v.platform = ${this.params.add(clause.device, 'text')}`);
      if (clause.app) conditions.push(`v.app = ${this.params.add(clause.app, 'text')}`);
      if (clause.seenWithin) conditions.push(`v.last_seen_at > ${this.time(this.ago(clause.seenWithin))}`);
      return `SELECT v.profile_id, count(*) AS n FROM devices v WHERE ${conditions.join(' AND ')} GROUP BY v.profile_id`;
    });
    return this.howMany(`${alias}.n`, clause, plain);
  }

  private member(key: string, plain: boolean): string {
    const named = this.scope.audiences.get(key);
    if (!named) return 'FALSE';
    const { id, definition } = named;
    if (definition && !selects(definition)) {
      const { sample } = definition;
      const part =
        sample && 'percent' in sample
          ? this.share({ ...sample, from: 0, to: sample.percent }, 'p.id')
          : 'TRUE';
      return all([this.clause(definition.where, plain), part]);
    }
    const alias = this.join(`audience ${id}`, () => {
      // What looks at everybody (one per key, a limit) must not be asked about a few.
      if (definition)
        return new Statement({ ...this.scope, profileIds: undefined }, this.params).select(definition);
      return `SELECT m.profile_id FROM audience_members m WHERE m.workspace_id = ${this.workspace} AND m.audience_id = ${this.params.add(id, 'uuid')}${this.only ? ` AND ${this.only('m.profile_id')}` : ''}`;
    });
    return `(${alias}.profile_id IS NOT NULL)`;
  }

  private share(share: { from: number; to: number; salt?: string | undefined }, id: string): string {
    const [from, to] = shareBounds(share).map((bound) => this.params.add(String(bound), 'bigint'));
    const place = `('x' || left(${this.hash(share.salt ?? '', id)}, 8))::bit(32)::bigint`;
    return `(${place} >= ${from} AND ${place} < ${to})`;
  }

  // ── pieces ──

  private readonly hash = (salt: string, id: string): string =>
    `md5(${this.params.add(`${salt}:`, 'text')} || ${id}::text)`;

  private readonly ago = (span: string): Date => new Date(this.scope.now.getTime() - secondsIn(span) * 1000);

  private readonly time = (at: Date): string => this.params.add(at.toISOString(), 'timestamptz');

  /** @param column null where there is nothing to count */
  private howMany(
    column: string,
    { atLeast, atMost }: { atLeast?: number; atMost?: number },
    plain: boolean,
  ): string {
    const least = atLeast ?? (atMost === undefined ? 1 : undefined);
    const count = plain && least !== undefined && least > 0 ? column : `coalesce(${column}, 0)`;
    return all([
      ...(least === undefined ? [] : [`${count} >= ${this.params.add(least, 'bigint')}`]),
      ...(atMost === undefined ? [] : [`${count} <= ${this.params.add(atMost, 'bigint')}`]),
    ]);
  }

  /** @param what names the table, so that clauses that ask for the same share it */
  private join(what: string, select: () => string): string {
    const known = this.joins.get(what);
    if (known) return known.alias;
    const table = select();
    const alias = `j${this.joins.size}`;
    this.joins.set(what, { alias, text: `LEFT JOIN (${table}) AS ${alias} ON ${alias}.profile_id = p.id` });
    return alias;
  }
}

/** The clauses that each have to hold. */
const alwaysAsked = (where: Clause): Clause[] => ('and' in where ? where.and.flatMap(alwaysAsked) : [where]);

/** Whether a definition looks at everybody to decide about one: one per key, so many, the first so many. */
export const selects = ({ dedupe, sample, limit }: AudienceDefinition): boolean =>
  dedupe !== undefined || (sample !== undefined && 'count' in sample) || limit !== undefined;

/** The topics whose words count for one, the nearest first. */
export const topicPath = (topic: string | undefined, topics: Scope['topics']): string[] => {
  const known = topic === undefined ? undefined : topics?.get(topic);
  if (known) return [...known.path, ...(known.transactional ? [] : ['marketing'])];
  return topic === undefined || topic === 'marketing' ? ['marketing'] : [topic, 'marketing'];
};

const all = (conditions: readonly string[]): string =>
  conditions.length === 0 ? 'TRUE' : `(${conditions.join(' AND ')})`;

const latest = (...times: (Date | undefined)[]): Date | undefined =>
  times.reduce((a, b) => (a && b ? (a > b ? a : b) : (a ?? b)), undefined);

const ADDRESSES: Readonly<Record<string, 'email' | 'phone'>> = { email: 'email', sms: 'phone' };
const COLUMNS: Readonly<Record<string, string>> = Object.fromEntries(
  [...textFields, 'createdAt', 'updatedAt', ...activityCounts, ...activityTimes].map((name) => [
    name,
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]),
);
