/**
 * Opens and clicks on their way into the ledger. They come one by one and by the thousand, so they are gathered for a
 * second and written together: counted per delivery, link and who it was (delivery-rules' judgeHit), and the first of a
 * person's is a line of the timeline, from where webhooks, audiences and journeys learn of it. Gathering also shows what a
 * single request does not: a scanner that asks for all links of a mail at once. What a killed process had gathered is lost.
 */
import { dayOf, Database, type Sql } from '@carillon/database';
import { judgeHit, type Hit } from '@carillon/delivery-rules';
import { BoundedLog, Queues } from '@carillon/queue';
import { Inject, Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { groupBy } from './group-by.js';
import { DeliveryHints } from './hints.js';

const GATHER_MS = 1_000;
/** Within which links count as asked for at once. */
const AT_ONCE_MS = 2_000;
/** Different hits kept. The same one again only counts up, so that nobody fills this with one link. */
const MOST_HITS = 20_000;
const MOST_AGENT = 300;

export interface NewHit extends Pick<Hit, 'kind' | 'method' | 'agent' | 'purpose'> {
  deliveryId: string;
  /** Empty for an open. */
  link: string;
  /** Of a click: what the timeline tells of the link. */
  about?: { label: string; href: string };
}
interface Gathered extends NewHit {
  at: number;
  count: number;
}
interface Counted {
  deliveryId: string;
  kind: Hit['kind'];
  link: string;
  by: string;
  count: number;
  first: number;
  last: number;
  detail: Record<string, string>;
}

@Injectable()
export class Engagement implements BeforeApplicationShutdown {
  private readonly trouble = new BoundedLog(new Logger('Engagement'), 'opens and clicks');
  private hits = new Map<string, Gathered>();
  /** Links asked for just before what is gathered now. */
  private before: Gathered[] = [];
  private timer: NodeJS.Timeout | undefined;
  private writing = Promise.resolve();

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
  ) {}

  /** Takes a hit. Never throws, and never waits. */
  note(hit: NewHit): void {
    const agent = hit.agent.slice(0, MOST_AGENT);
    this.keep({ ...hit, agent, at: Date.now(), count: 1 });
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.writing = this.writing.then(() => this.write());
    }, GATHER_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearTimeout(this.timer);
    await this.writing;
    await this.write();
  }

  private keep(hit: Gathered): void {
    const { deliveryId, kind, link, method, agent, purpose } = hit;
    const key = [deliveryId, kind, link, method, purpose, agent].join(' ');
    const known = this.hits.get(key);
    if (known) known.count += hit.count;
    else if (this.hits.size < MOST_HITS) this.hits.set(key, hit);
  }

  private async write(): Promise<void> {
    const hits = [...this.hits.values()];
    this.hits = new Map();
    if (hits.length === 0) return;
    const before = this.before;
    this.before = hits.filter((hit) => hit.kind === 'click');
    try {
      const sent = await this.database.acrossWorkspaces((sql) => deliveriesOf(sql, hits));
      for (const [workspaceId, own] of groupBy(
        hits.filter((hit) => sent.has(hit.deliveryId)),
        (hit) => sent.get(hit.deliveryId)!.workspaceId,
      )) {
        const counted = countHits(own, before, (id) => sent.get(id)?.sentAt ?? null);
        const lines = await this.database.inWorkspace(workspaceId, (sql) =>
          writeHits(sql, workspaceId, counted),
        );
        this.hints.changed(
          workspaceId,
          lines.map((line) => line.deliveryId),
        );
        if (lines.length > 0)
          await this.queues.offer(
            'route-event',
            lines.map((line) => `${line.deliveryId}:${line.id}`),
          );
      }
    } catch (error) {
      this.trouble.error('writing opens and clicks failed: they are tried again with the next', error);
      for (const hit of hits) this.keep(hit);
    }
  }
}

async function deliveriesOf(
  sql: Sql,
  hits: readonly Gathered[],
): Promise<Map<string, { workspaceId: string; sentAt: Date | null }>> {
  const ids = [...new Set(hits.map((hit) => hit.deliveryId))];
  const rows = await sql.query<{ id: string; workspaceId: string; sentAt: Date | null }>(
    `SELECT id, workspace_id AS "workspaceId", sent_at AS "sentAt" FROM deliveries WHERE day = ANY($1::date[]) AND id = ANY($2::uuid[])`,
    [[...new Set(ids.map(dayOf))], ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Judged, and summed up by whom and what. Whoever follows a link has the mail open, with or without its pictures. */
export function countHits(
  hits: readonly Gathered[],
  before: readonly Gathered[],
  sentAt: (deliveryId: string) => Date | null,
): Counted[] {
  const clicks = groupBy(
    [...before, ...hits].filter((hit) => hit.kind === 'click'),
    (hit) => hit.deliveryId,
  );
  const counted = new Map<string, Counted>();
  const add = (one: Counted) => {
    const key = [one.deliveryId, one.kind, one.link, one.by].join(' ');
    const known = counted.get(key);
    if (!known) return void counted.set(key, one);
    known.count += one.count;
    known.last = Math.max(known.last, one.last);
    known.first = Math.min(known.first, one.first);
  };
  for (const hit of hits) {
    const { deliveryId, kind, link, at, count, about } = hit;
    const near = (clicks.get(deliveryId) ?? []).filter((other) => Math.abs(other.at - at) <= AT_ONCE_MS);
    const linksAtOnce = kind === 'click' ? new Set(near.map((other) => other.link)).size : 1;
    const sent = sentAt(deliveryId);
    const { by, why } = judgeHit({ ...hit, sinceSentMs: sent && at - sent.getTime(), linksAtOnce });
    const one = { deliveryId, link, by, first: at, last: at };
    add({ ...one, kind, count, detail: { by, ...(by === 'proxy' ? { why } : {}), ...about } });
    if (kind === 'click' && by === 'person')
      add({ ...one, kind: 'open', link: '', count: 0, detail: { by, why: 'clicked' } });
  }
  return [...counted.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
const keyOf = (c: Counted): string => [c.deliveryId, c.kind, c.link, c.by].join(' ');

/** In one order, so that two processes wait for each other instead of blocking each other. @returns new lines */
export const writeHits = (
  sql: Sql,
  workspaceId: string,
  counted: readonly Counted[],
): Promise<{ deliveryId: string; id: number }[]> =>
  sql.query<{ deliveryId: string; id: number }>(
    `WITH told AS (
       INSERT INTO engagements AS e (workspace_id, day, delivery_id, kind, link, by, count, first_at, last_at)
       SELECT $1, d.day, d.id, u.kind, u.link, u.by, u.count, u.first, u.last
         FROM unnest($2::date[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[], $9::timestamptz[]) AS u(day, id, kind, link, by, count, first, last)
         JOIN deliveries d ON d.day = u.day AND d.id = u.id AND d.workspace_id = $1
        ORDER BY d.day, d.id, u.kind, u.link, u.by
       ON CONFLICT (day, delivery_id, kind, link, by)
       DO UPDATE SET count = e.count + excluded.count, last_at = greatest(e.last_at, excluded.last_at)
       RETURNING e.day, e.delivery_id, e.kind, e.link, e.by, xmax = 0 AS fresh
     ), first AS (
       SELECT DISTINCT ON (t.delivery_id, t.kind, t.link) t.* FROM told t
        WHERE t.fresh AND t.by <> 'machine'
          AND NOT EXISTS (SELECT FROM engagements o WHERE o.day = t.day AND o.delivery_id = t.delivery_id AND o.kind = t.kind AND o.link = t.link
                             AND o.by <> 'machine' AND o.workspace_id = $1)
        ORDER BY t.delivery_id, t.kind, t.link, t.by
     )
     INSERT INTO delivery_events (day, delivery_id, workspace_id, at, type, detail)
     SELECT f.day, f.delivery_id, $1, clock_timestamp(), CASE f.kind WHEN 'open' THEN 'opened' ELSE 'clicked' END, u.detail::jsonb
       FROM first f JOIN unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $10::text[]) AS u(id, kind, link, by, detail)
         ON u.id = f.delivery_id AND u.kind = f.kind AND u.link = f.link AND u.by = f.by
      ORDER BY f.delivery_id, f.kind DESC
     RETURNING delivery_id AS "deliveryId", id`,
    [
      workspaceId,
      counted.map((c) => dayOf(c.deliveryId)),
      counted.map((c) => c.deliveryId),
      counted.map((c) => c.kind),
      counted.map((c) => c.link),
      counted.map((c) => c.by),
      counted.map((c) => c.count),
      counted.map((c) => new Date(c.first)),
      counted.map((c) => new Date(c.last)),
      counted.map((c) => JSON.stringify(c.detail)),
    ],
  );
