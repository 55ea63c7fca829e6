/** Reading the delivery log: search, one delivery, counts. Reads only. */
import { idsByExternalId, idsOfPerson } from '@carillon/audience-service';
import type {
  Counts,
  Delivery,
  DeliveryEvent,
  DeliveryFilter,
  DeliveryList,
  Page,
} from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';

interface Row extends Omit<
  Delivery,
  'profile' | 'template' | 'createdAt' | 'sentAt' | 'deliveredAt' | 'expiresAt' | 'dueAt'
> {
  profileId: string | null;
  externalId: string | null;
  templateKey: string | null;
  templateVersion: number | null;
  createdAt: Date;
  sentAt: Date | null;
  deliveredAt: Date | null;
  expiresAt: Date | null;
  dueAt: Date | null;
}

const COLUMNS = `d.id, d.message_id AS "messageId", d.channel, d.class, d.lane, d.source, d.status, d.reason, d.profile_id AS "profileId", p.external_id AS "externalId",
  d.address, t.key AS "templateKey", d.template_version AS "templateVersion", d.provider, d.provider_account_id AS "providerAccountId",
  d.provider_message_id AS "providerMessageId", d.tries AS attempts, d.possible_duplicate AS "possibleDuplicate", d.due_at AS "dueAt",
  d.created_at AS "createdAt", d.sent_at AS "sentAt", d.delivered_at AS "deliveredAt", d.expires_at AS "expiresAt"`;
const JOINS = `LEFT JOIN profiles p ON p.workspace_id = d.workspace_id AND p.id = d.profile_id
  LEFT JOIN templates t ON t.workspace_id = d.workspace_id AND t.id = d.template_id`;

/** How far back a search without `from` looks. */
const DEFAULT_DAYS = 90;
const DAY_MS = 86_400_000;

const iso = (d: Date | null) => d?.toISOString() ?? null;
const toDelivery = ({ profileId, externalId, templateKey, templateVersion, ...d }: Row): Delivery => ({
  ...d,
  profile: profileId && externalId ? { id: profileId, externalId } : null,
  template: templateKey && templateVersion ? { key: templateKey, version: templateVersion } : null,
  createdAt: d.createdAt.toISOString(),
  sentAt: iso(d.sentAt),
  deliveredAt: iso(d.deliveredAt),
  expiresAt: iso(d.expiresAt),
  dueAt: iso(d.dueAt),
});

/**
 * One page, newest first. Day partitions are walked from the newest and the walk stops when the page is full, so that
 * a page costs the same whether the log holds a day or a year.
 */
export async function listDeliveries(
  sql: Sql,
  workspaceId: string,
  filter: DeliveryFilter,
  page: { limit: number; cursor?: string | undefined },
): Promise<Page<Delivery>> {
  const now = Date.now();
  const to = filter.to ? Date.parse(filter.to) : now + DAY_MS;
  const newest = page.cursor ? Math.min(Date.parse(`${dayOf(page.cursor)}T00:00:00Z`), to) : to;
  const oldest = filter.from ? Date.parse(filter.from) : now - DEFAULT_DAYS * DAY_MS;
  const person = filter.profile === undefined ? null : await personNamed(sql, workspaceId, filter.profile);
  const [template] =
    filter.template === undefined
      ? []
      : await sql.query<{ id: string }>('SELECT id FROM templates WHERE workspace_id = $1 AND key = $2', [
          workspaceId,
          filter.template,
        ]);
  if ((filter.profile !== undefined && !person) || (filter.template !== undefined && !template))
    return { items: [], nextCursor: null };

  const rows = await sql.query<Row>(
    `SELECT ${COLUMNS}
       FROM generate_series($2::date, $3::date, interval '-1 day') AS days(day)
      CROSS JOIN LATERAL (
        SELECT * FROM deliveries d
         WHERE d.day = days.day::date AND d.workspace_id = $1
           AND ($4::uuid IS NULL OR d.id < $4)
           AND ($5::uuid[] IS NULL OR d.profile_id = ANY($5))
           AND ($6::text IS NULL OR d.address = $6)
           AND ($7::text[] IS NULL OR d.channel = ANY($7))
           AND ($8::text[] IS NULL OR d.status = ANY($8))
           AND ($9::text[] IS NULL OR d.reason = ANY($9))
           AND ($10::text IS NULL OR d.class = $10)
           AND ($11::uuid IS NULL OR d.template_id = $11)
           AND ($12::text[] IS NULL OR d.source = ANY($12))
           AND ($13::uuid IS NULL OR d.message_id = $13)
           AND ($14::timestamptz IS NULL OR d.created_at >= $14)
           AND ($15::timestamptz IS NULL OR d.created_at < $15)
         ORDER BY d.id DESC LIMIT $16
      ) AS d ${JOINS} LIMIT $16`,
    [
      workspaceId,
      new Date(newest),
      new Date(oldest),
      page.cursor ?? null,
      person?.ids ?? null,
      filter.address ?? null,
      filter.channel ?? null,
      filter.status ?? null,
      filter.reason ?? null,
      filter.class ?? null,
      template?.id ?? null,
      filter.source ?? null,
      filter.messageId ?? null,
      filter.from ?? null,
      filter.to ?? null,
      page.limit + 1,
    ],
  );
  const items = rows
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .map((row) =>
      // What was sent to a profile that became part of this one is shown as this one's.
      toDelivery(
        person && !row.externalId ? { ...row, profileId: person.id, externalId: person.externalId } : row,
      ),
    );
  const more = items.length > page.limit;
  return { items: items.slice(0, page.limit), nextCursor: more ? (items[page.limit - 1]?.id ?? null) : null };
}

/** The person behind an external id, present or merged, with all ids that the log may know them by. */
async function personNamed(
  sql: Sql,
  workspaceId: string,
  name: string,
): Promise<{ id: string; externalId: string; ids: string[] } | null> {
  const id = (await idsByExternalId(sql, workspaceId, [name])).get(name);
  if (id === undefined) return null;
  const [row] = await sql.query<{ externalId: string }>(
    'SELECT external_id AS "externalId" FROM profiles WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id],
  );
  return row ? { id, externalId: row.externalId, ids: await idsOfPerson(sql, workspaceId, id) } : null;
}

/** Deliveries by id, newest first; unknown ids are left out. */
export async function deliveriesById(
  sql: Sql,
  workspaceId: string,
  ids: readonly string[],
): Promise<Delivery[]> {
  const rows = await sql.query<Row>(
    `SELECT ${COLUMNS} FROM deliveries d ${JOINS} WHERE d.day = ANY($2::date[]) AND d.id = ANY($3::uuid[]) AND d.workspace_id = $1 ORDER BY d.id DESC`,
    [workspaceId, [...new Set(ids.map(dayOf))], ids],
  );
  return rows.map(toDelivery);
}

/**
 * The timeline, oldest first. A delivery of a run is entered with its outcome, so its row is also the record of what
 * went as planned; only what came otherwise, or later, has lines of its own.
 */
export async function timelineOf(sql: Sql, workspaceId: string, id: string): Promise<DeliveryEvent[]> {
  const lines = await linesOf(sql, workspaceId, id);
  if (lines.some((line) => line.type === 'accepted')) return lines;
  const [row] = await sql.query<ImplicitRow>(
    `SELECT d.status, d.reason, d.created_at AS "createdAt", d.handed_over_at AS "handedOverAt", d.sent_at AS "sentAt", d.delivered_at AS "deliveredAt", d.provider
       FROM deliveries d WHERE d.day = $2::date AND d.id = $3 AND d.workspace_id = $1`,
    [workspaceId, dayOf(id), id],
  );
  return row ? [...implicitLines(row, new Set(lines.map((line) => line.type))), ...lines] : lines;
}

interface ImplicitRow {
  status: Delivery['status'];
  reason: Delivery['reason'];
  createdAt: Date;
  handedOverAt: Date | null;
  sentAt: Date | null;
  deliveredAt: Date | null;
  provider: string | null;
}

/** What a row says without lines. @param told what lines say already */
function implicitLines(row: ImplicitRow, told: ReadonlySet<string>): DeliveryEvent[] {
  const { provider, status } = row;
  const line = (type: DeliveryEvent['type'], at: Date, more: Partial<DeliveryEvent> = {}): DeliveryEvent => ({
    at: at.toISOString(),
    type,
    attempt: null,
    reason: null,
    provider: null,
    detail: {},
    ...more,
  });
  const lines = [line('accepted', row.createdAt)];
  if (row.handedOverAt && !told.has('handed_over'))
    lines.push(line('handed_over', row.handedOverAt, { attempt: 1, provider }));
  const arrived = row.deliveredAt && !told.has('delivered') ? row.deliveredAt : null;
  if (arrived) lines.push(line('delivered', arrived, { attempt: 1, provider }));
  else if (row.sentAt && !told.has('sent')) lines.push(line('sent', row.sentAt, { attempt: 1, provider }));
  if ((status === 'suppressed' || status === 'expired') && !told.has(status))
    lines.push(line(status, row.createdAt, { reason: row.reason }));
  return lines;
}

async function linesOf(sql: Sql, workspaceId: string, id: string): Promise<DeliveryEvent[]> {
  const rows = await sql.query<
    Omit<DeliveryEvent, 'at' | 'detail'> & { at: Date; detail: DeliveryEvent['detail'] | null }
  >(
    `SELECT e.at, e.type, e.attempt, e.reason, a.provider, e.detail FROM delivery_events e
       LEFT JOIN provider_accounts a ON a.workspace_id = e.workspace_id AND a.id = e.provider_account_id
      WHERE e.day = $2::date AND e.delivery_id = $3 AND e.workspace_id = $1 ORDER BY e.at, e.id`,
    [workspaceId, dayOf(id), id],
  );
  return rows.map((r) => ({ ...r, at: r.at.toISOString(), detail: r.detail ?? {} }));
}

/** Counts by channel and status, in all and over time, by when the delivery was accepted. */
export async function countDeliveries(
  sql: Sql,
  workspaceId: string,
  query: { from?: string | undefined; to?: string | undefined; interval: 'hour' | 'day' },
): Promise<Counts> {
  const to = query.to ? new Date(query.to) : new Date();
  const from = query.from ? new Date(query.from) : new Date(to.getTime() - DAY_MS);
  const rows = await sql.query<{
    at: Date;
    channel: Delivery['channel'];
    status: Delivery['status'];
    count: number;
  }>(
    `SELECT date_trunc($4, created_at, 'UTC') AS at, channel, status, count(*) AS count FROM deliveries
      WHERE workspace_id = $1 AND day BETWEEN ($2::timestamptz AT TIME ZONE 'UTC')::date AND ($3::timestamptz AT TIME ZONE 'UTC')::date AND created_at >= $2 AND created_at < $3
      GROUP BY 1, 2, 3 ORDER BY 1`,
    [workspaceId, from, to, query.interval],
  );
  const totals = new Map<string, Counts['totals'][number]>();
  for (const { channel, status, count } of rows) {
    const total = totals.get(`${channel} ${status}`) ?? { channel, status, count: 0 };
    total.count += count;
    totals.set(`${channel} ${status}`, total);
  }
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    totals: [...totals.values()],
    series: rows.map((r) => ({ ...r, at: r.at.toISOString() })),
  };
}

export type { DeliveryList };
