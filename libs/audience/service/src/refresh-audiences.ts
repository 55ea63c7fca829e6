/**
 * Keeps live audiences right. Two loops in each audience process, sharing the work by SKIP LOCKED: one takes people who may
 * have come to belong elsewhere (`stale_profiles`) and asks the rules that mention what changed about these people alone;
 * one evaluates as a whole what is due: rules that are new or changed, and those that time moves.
 */
import { compileAudience, compileRules, selects } from '@carillon/audience-rules';
import type { AudienceDefinition } from '@carillon/contracts';
import { Database, kept, type Sql } from '@carillon/database';
import { ProblemException, Rounds } from '@carillon/server';
import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { AUDIENCE_COLUMNS, audiencesOf, keepsMembers, scopeOf, type AudienceRow } from './audience-rows.js';
import { asAWhole, capped, countAudience, EVALUATION_MS } from './evaluate.js';
import { aloneWith, freeAudiences, tellWebhooks, writeChanges, type MemberChange } from './members.js';
import { amongWriters, EVERYTHING, liveMentions, markStale } from './stale.js';

const TICK_MS = 100;
/** People of one transaction. */
const SLICE = 1000;
/** Rules of one statement: more save scans, fewer save planning. */
const RULES = 40;
/** Whoever evaluates as a whole has this long; then another may. */
const LEASE_S = 120;
const STALE_IN = kept(
  'stale-in',
  'SELECT DISTINCT workspace_id AS "workspaceId" FROM (SELECT workspace_id FROM stale_profiles ORDER BY id LIMIT $1) AS s',
);
/** Rules that time moves are evaluated this often; all of a workspace together take a quarter of a worker's time at most. */
const SWEEP_S = 60;
/** Changes that others hear of person by person; more, and they are evaluated as a whole. */
const MOST_STALE = 10_000;

type RuleRow = AudienceRow & { definition: AudienceDefinition };
interface Stale {
  id: number;
  profileId: string;
  mentions: string[];
}

@Injectable()
export class AudienceRefresher implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('AudienceRefresher');
  private readonly some = this.inRounds(() => this.refreshStale());
  private readonly whole = this.inRounds(() => this.evaluateDue());

  constructor(@Inject(Database) private readonly database: Database) {}

  onApplicationBootstrap(): void {
    this.some.start();
    this.whole.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.some.stop(), this.whole.stop()]);
  }

  /** Asks again about everybody who waits for it. @returns how many rows were taken */
  async refreshStale(): Promise<number> {
    let all = 0;
    for (let full = true; full && !this.some.stopping;) {
      const busy = await this.database.acrossWorkspaces(({ last }) =>
        last.query<{ workspaceId: string }>(STALE_IN, [SLICE * 4]),
      );
      full = false;
      for (const { workspaceId } of busy) {
        const { taken, again } = await this.database.inWorkspace(workspaceId, (sql) =>
          refresh(sql, workspaceId),
        );
        all += taken;
        full ||= taken - again >= SLICE / 2;
      }
    }
    return all;
  }

  /** Evaluates what is due as a whole. @returns how many audiences */
  async evaluateDue(): Promise<number> {
    let done = 0;
    for (;;) {
      const due = this.whole.stopping
        ? undefined
        : await this.database.acrossWorkspaces(({ last }) => claimDue(last));
      if (!due) return done;
      await this.evaluate(due.workspaceId, due.audience);
      done++;
    }
  }

  private async evaluate(workspaceId: string, audience: RuleRow): Promise<void> {
    const begun = performance.now();
    const passed = (): number => Math.round(performance.now() - begun);
    try {
      await capped(EVALUATION_MS, () =>
        this.database.inWorkspace(workspaceId, async (sql) => {
          if (audience.live) {
            await evaluateMembers(sql, workspaceId, audience);
          } else {
            const size = await countAudience(sql, workspaceId, audience);
            await sql.execute(
              `UPDATE audiences SET size = $3 WHERE workspace_id = $1 AND id = $2 AND version = $4`,
              [workspaceId, audience.id, size, audience.version],
            );
          }
          await finish(sql, workspaceId, audience, passed(), null);
        }),
      );
    } catch (error) {
      if (!(error instanceof ProblemException)) throw error;
      await this.database.inWorkspace(workspaceId, (sql) =>
        finish(sql, workspaceId, audience, passed(), error.detail),
      );
    }
  }

  private inRounds(work: () => Promise<unknown>): Rounds {
    return new Rounds(work, { restMs: TICK_MS, log: this.log, trouble: 'audiences were not refreshed' });
  }
}

// ── some people ──

/**
 * One slice in one transaction: the rows are gone when, and only when, what they asked for is written. Each rule is asked
 * after its audience is ours, so what is written is never older than what stands there.
 */
async function refresh(sql: Sql, workspaceId: string): Promise<{ taken: number; again: number }> {
  await amongWriters(sql, workspaceId);
  const rows = await sql.query<Stale>(
    `DELETE FROM stale_profiles WHERE id = ANY(ARRAY(
       SELECT id FROM stale_profiles WHERE workspace_id = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))
     RETURNING id, profile_id AS "profileId", mentions`,
    [workspaceId, SLICE],
  );
  if (rows.length === 0) return { taken: 0, again: 0 };
  const audiences = await audiencesOf(sql, workspaceId);
  const asked = whomToAsk([...audiences.values()], rows);
  const free = await freeAudiences(sql, [...asked.keys()].map(({ id }) => id).sort());
  // One that is being evaluated as a whole may have read before these changes: asked again when it is done.
  const busy = [...asked].filter(([{ id }]) => !free.has(id));
  const again = busy.flatMap(([{ id }, people]) =>
    [...people.keys()].map((profileId) => ({ profileId, mentions: [`again:${id}`] })),
  );
  await leaveAgain(sql, workspaceId, again);
  const ours = [...asked].filter(([{ id }]) => free.has(id));
  const scope = await scopeOf(sql, workspaceId, audiences);
  for (let i = 0; i < ours.length; i += RULES) {
    const part = ours.slice(i, i + RULES);
    await refreshSome(sql, workspaceId, part, scope);
  }
  return { taken: rows.length, again: again.length };
}

type Asked = [RuleRow, Map<string, string>];

/** Which live rules are concerned, with the people and the cause. */
function whomToAsk(
  audiences: readonly AudienceRow[],
  rows: readonly Stale[],
): Map<RuleRow, Map<string, string>> {
  const byMention = new Map<string, RuleRow[]>();
  const live: RuleRow[] = [];
  for (const audience of audiences) {
    const { definition, live: isLive } = audience;
    // What looks at everybody is evaluated as a whole only.
    if (!isLive || !definition || selects(definition)) continue;
    const rule = { ...audience, definition };
    live.push(rule);
    for (const mention of [...audience.mentions, `again:${audience.id}`])
      byMention.set(mention, [...(byMention.get(mention) ?? []), rule]);
  }
  const asked = new Map<RuleRow, Map<string, string>>();
  for (const { profileId, mentions } of rows)
    for (const mention of mentions)
      for (const rule of mention === EVERYTHING ? live : (byMention.get(mention) ?? [])) {
        const people = asked.get(rule) ?? new Map<string, string>();
        asked.set(rule, people.set(profileId, causeOf(mention)));
      }
  return asked;
}

const causeOf = (mention: string): string =>
  /^(event|message):/.test(mention) ? 'event' : /^(audience|again):/.test(mention) ? 'audience' : 'profile';

async function refreshSome(
  sql: Sql,
  workspaceId: string,
  asked: readonly Asked[],
  scope: Awaited<ReturnType<typeof scopeOf>>,
): Promise<void> {
  const profileIds = [...new Set(asked.flatMap(([, people]) => [...people.keys()]))].sort();
  const { text, params } = compileRules(
    asked.map(([{ definition }]) => withShare(definition)),
    { ...scope, profileIds },
  );
  const rows = await sql.query<{ profile_id: string; holds: number[] }>(text, params);
  const holds = new Map(rows.map((row) => [row.profile_id, new Set(row.holds)]));
  const current = await sql.query<{ audienceId: string; profileId: string }>(
    `SELECT audience_id AS "audienceId", profile_id AS "profileId" FROM audience_members
     WHERE workspace_id = $1 AND profile_id = ANY($2::uuid[]) AND audience_id = ANY($3::uuid[])`,
    [workspaceId, profileIds, asked.map(([{ id }]) => id)],
  );
  const members = new Set(current.map(({ audienceId, profileId }) => `${audienceId} ${profileId}`));
  const changes = new Map<string, MemberChange[]>();
  asked.forEach(([{ id }, people], place) => {
    for (const [profileId, cause] of people) {
      const belongs = holds.get(profileId);
      // Gone meanwhile: what it had went with it.
      if (!belongs || belongs.has(place) === members.has(`${id} ${profileId}`)) continue;
      const change = belongs.has(place) ? 'enter' : 'leave';
      changes.set(cause, [...(changes.get(cause) ?? []), { audienceId: id, profileId, change }]);
    }
  });
  for (const [cause, list] of changes) await writeChanges(sql, workspaceId, list, cause);
}

/** A rule with the share that is taken of it, as one clause. */
const withShare = ({ where, sample }: AudienceDefinition): AudienceDefinition['where'] =>
  sample && 'percent' in sample
    ? { and: [where, { share: { from: 0, to: sample.percent, salt: sample.salt } }] }
    : where;

const leaveAgain = (
  sql: Sql,
  workspaceId: string,
  rows: readonly { profileId: string; mentions: string[] }[],
): Promise<number> =>
  rows.length === 0
    ? Promise.resolve(0)
    : sql.execute(
        `INSERT INTO stale_profiles (workspace_id, profile_id, mentions)
         SELECT $1, profile_id, ARRAY[mention] FROM unnest($2::uuid[], $3::text[]) AS u(profile_id, mention)`,
        [workspaceId, rows.map((row) => row.profileId), rows.map((row) => row.mentions[0])],
      );

// ── everybody ──

/** The next that is due, ours for a while. */
async function claimDue(sql: Sql): Promise<{ workspaceId: string; audience: RuleRow } | undefined> {
  const [row] = await sql.query<RuleRow & { workspaceId: string }>(CLAIM_DUE, [LEASE_S]);
  return row && { workspaceId: row.workspaceId, audience: row };
}
const CLAIM_DUE = kept(
  'claim-due-audience',
  `UPDATE audiences SET due_at = now() + make_interval(secs => $1)
    WHERE id = (SELECT id FROM audiences WHERE due_at <= now() AND archived_at IS NULL ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
   RETURNING ${AUDIENCE_COLUMNS}, workspace_id AS "workspaceId"`,
);

/** Writes the difference between the members and what the rule says now. */
async function evaluateMembers(sql: Sql, workspaceId: string, audience: RuleRow): Promise<void> {
  await aloneWith(sql, audience.id);
  const audiences = await audiencesOf(sql, workspaceId);
  const now = audiences.get(audience.key);
  // It was changed since it was claimed, and is due again.
  if (!now || now.version !== audience.version || !keepsMembers(now)) return;
  await asAWhole(sql, EVALUATION_MS);
  const { text, params } = compileAudience(audience.definition, await scopeOf(sql, workspaceId, audiences));
  await sql.query('CREATE TEMP TABLE evaluated (profile_id uuid) ON COMMIT DROP');
  await sql.execute(`INSERT INTO evaluated ${text}`, params);
  const cause =
    audience.evaluatedAt === null || audience.evaluatedAt < audience.updatedAt ? 'definition' : 'time';
  const of = [workspaceId, audience.id];
  const base = now.lastSeq;
  const entered = await sql.execute(
    `WITH entering AS MATERIALIZED (
       SELECT e.profile_id, $3::bigint + row_number() OVER (ORDER BY e.profile_id) AS seq FROM evaluated e
        WHERE NOT EXISTS (SELECT FROM audience_members m WHERE m.workspace_id = $1 AND m.audience_id = $2 AND m.profile_id = e.profile_id)),
     told AS (
       INSERT INTO audience_changes (workspace_id, audience_id, seq, profile_id, change, cause)
       SELECT $1, $2, seq, profile_id, 'enter', $4 FROM entering)
     INSERT INTO audience_members (workspace_id, audience_id, profile_id, seq) SELECT $1, $2, profile_id, seq FROM entering`,
    [...of, base, cause],
  );
  // From here on nobody is deleted or merged; who was while we evaluated is taken out again.
  await amongWriters(sql, workspaceId);
  const gone = await sql.execute(
    `DELETE FROM audience_members m WHERE m.workspace_id = $1 AND m.audience_id = $2 AND m.seq > $3
        AND NOT EXISTS (SELECT FROM profiles p WHERE p.workspace_id = $1 AND p.id = m.profile_id)`,
    [...of, base],
  );
  if (gone > 0)
    await sql.execute(
      `DELETE FROM audience_changes c WHERE c.workspace_id = $1 AND c.audience_id = $2 AND c.seq > $3
          AND NOT EXISTS (SELECT FROM profiles p WHERE p.workspace_id = $1 AND p.id = c.profile_id)`,
      [...of, base],
    );
  const left = await sql.execute(
    `WITH leaving AS (
       DELETE FROM audience_members m WHERE m.workspace_id = $1 AND m.audience_id = $2 AND m.seq <= $3
          AND NOT EXISTS (SELECT FROM evaluated e WHERE e.profile_id = m.profile_id) RETURNING m.profile_id)
     INSERT INTO audience_changes (workspace_id, audience_id, seq, profile_id, change, cause)
     SELECT $1, $2, $4::bigint + row_number() OVER (ORDER BY profile_id), profile_id, 'leave', $5 FROM leaving`,
    [...of, base, base + entered, cause],
  );
  if (entered + left === 0) return;
  await sql.execute(
    `UPDATE audiences SET last_seq = $3, size = size + $4 WHERE workspace_id = $1 AND id = $2`,
    [...of, base + entered + left, entered - gone - left],
  );
  await tellWebhooks(sql, workspaceId, [{ id: audience.id, seq: base }]);
  await tellOthers(sql, workspaceId, audience.id, base, entered + left);
}

/** Rules that name this audience are asked about who entered or left. */
async function tellOthers(
  sql: Sql,
  workspaceId: string,
  id: string,
  after: number,
  changes: number,
): Promise<void> {
  const mention = `audience:${id}`;
  if (!(await liveMentions(sql, workspaceId)).has(mention)) return;
  if (changes > MOST_STALE) {
    await sql.execute(
      `UPDATE audiences SET due_at = now() WHERE workspace_id = $1 AND live AND archived_at IS NULL AND $2 = ANY(mentions)`,
      [workspaceId, mention],
    );
    return;
  }
  const rows = await sql.query<{ profileId: string }>(
    `SELECT DISTINCT profile_id AS "profileId" FROM audience_changes WHERE workspace_id = $1 AND audience_id = $2 AND seq > $3`,
    [workspaceId, id, after],
  );
  await markStale(
    sql,
    workspaceId,
    rows.map(({ profileId }) => ({ profileId, mentions: [mention] })),
  );
}

/** Says when it was evaluated and when it is due again; nothing when it was changed meanwhile. */
const finish = (
  sql: Sql,
  workspaceId: string,
  audience: RuleRow,
  ms: number,
  problem: string | null,
): Promise<number> =>
  sql.execute(
    `UPDATE audiences SET evaluated_at = clock_timestamp(), evaluation_ms = $4::integer, problem = $5::text,
       due_at = CASE WHEN due_at <= now() THEN due_at WHEN live AND (swept OR $5::text IS NOT NULL) THEN now() + make_interval(secs => greatest($6::integer,
           (SELECT sum(s.evaluation_ms) / 250 FROM audiences s WHERE s.workspace_id = $1 AND s.live AND s.swept)::integer)) END
     WHERE workspace_id = $1 AND id = $2 AND version = $3`,
    [workspaceId, audience.id, audience.version, ms, problem, SWEEP_S],
  );
