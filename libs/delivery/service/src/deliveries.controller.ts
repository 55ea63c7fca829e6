/** The delivery log over HTTP: search, CSV, live changes, one delivery, what it said, why. */
import { DeliveryFilter, type Delivery } from '@carillon/contracts';
import { Database } from '@carillon/database';
import { explain, sentenceOf } from '@carillon/delivery-rules';
import {
  csvLine,
  notFound,
  Operation,
  ProblemException,
  type Call,
  type Result,
  type StreamEvent,
} from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';

import { countDeliveries, deliveriesById, listDeliveries, timelineOf } from './list.js';
import { RenderPool } from './render-pool.js';
import { showContent } from './show-content.js';
import { explainFacts } from './explain-facts.js';
import { HintListener } from './hint-listener.js';
import { DELIVERY_HINTS, DeliveryHints } from './hints.js';
import { resolveDelivery } from './resolve.js';
import { whoIs } from './who.js';

const CSV_PAGE = 200;
const CSV_COLUMNS = [
  'id',
  'messageId',
  'channel',
  'class',
  'source',
  'status',
  'reason',
  'profile',
  'address',
  'template',
  'provider',
  'providerMessageId',
  'attempts',
  'createdAt',
  'sentAt',
  'deliveredAt',
] as const;

@Controller()
export class DeliveriesController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(HintListener) private readonly listener: HintListener,
    @Inject(RenderPool) private readonly renderer: RenderPool,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
  ) {}

  @Operation('listDeliveries')
  list({
    query: { limit, cursor, ...filter },
    caller,
  }: Call<'listDeliveries'>): Promise<Result<'listDeliveries'>> {
    return this.database.inWorkspace(caller.workspaceId, (sql) =>
      listDeliveries(sql, caller.workspaceId, filter, { limit, cursor }),
    );
  }

  @Operation('exportDeliveries')
  async *export({ query, caller, reply, signal }: Call<'exportDeliveries'>): AsyncGenerator<string> {
    let cursor: string | undefined;
    do {
      // A transaction a page: a slow reader must not hold one open.
      const page = await this.database.inWorkspace(caller.workspaceId, (sql) =>
        listDeliveries(sql, caller.workspaceId, query, { limit: CSV_PAGE, cursor }),
      );
      if (cursor === undefined) {
        void reply.header('Content-Disposition', 'attachment; filename="deliveries.csv"');
        yield csvLine(CSV_COLUMNS);
      }
      for (const d of page.items) yield csvLine(CSV_COLUMNS.map((column) => cell(d, column)));
      cursor = page.nextCursor ?? undefined;
    } while (cursor && !signal.aborted);
  }

  @Operation('streamDeliveries')
  async *stream({ query, caller, signal }: Call<'streamDeliveries'>): AsyncGenerator<StreamEvent> {
    const matches = matcher(query);
    const watched = { channel: DELIVERY_HINTS, workspaceId: caller.workspaceId } as const;
    for await (const ids of this.listener.watch(watched, signal)) {
      if (ids === null) yield { event: 'changed', data: {} };
      else {
        const deliveries = await this.database.inWorkspace(caller.workspaceId, (sql) =>
          deliveriesById(sql, caller.workspaceId, ids),
        );
        for (const delivery of deliveries.reverse())
          if (matches(delivery)) yield { event: 'delivery', id: delivery.id, data: delivery };
      }
    }
  }

  @Operation('countDeliveries')
  count({ query, caller }: Call<'countDeliveries'>): Promise<Result<'countDeliveries'>> {
    return this.database.inWorkspace(caller.workspaceId, (sql) =>
      countDeliveries(sql, caller.workspaceId, query),
    );
  }

  @Operation('getDelivery')
  async get({ params, caller }: Call<'getDelivery'>): Promise<Result<'getDelivery'>> {
    const { delivery, timeline } = await this.read(caller.workspaceId, params.id);
    return { ...delivery, sentence: sentenceOf(delivery), timeline };
  }

  @Operation('getDeliveryContent')
  async content({ params, caller }: Call<'getDeliveryContent'>): Promise<Result<'getDeliveryContent'>> {
    const shown = await showContent(this.database, this.renderer, caller.workspaceId, params.id);
    if (!shown) throw notFound('delivery');
    if (!shown.ok)
      throw new ProblemException('invalid_request', `The content cannot be rendered: ${shown.detail}.`);
    return shown.content;
  }

  @Operation('explainDelivery')
  async explain({ params, caller }: Call<'explainDelivery'>): Promise<Result<'explainDelivery'>> {
    const { workspaceId } = caller;
    const { delivery, timeline } = await this.read(workspaceId, params.id);
    const facts = await this.database.inWorkspace(workspaceId, (sql) =>
      explainFacts(sql, workspaceId, delivery),
    );
    return explain({ ...facts, delivery, timeline }, new Date());
  }

  @Operation('resolveDelivery')
  async resolve({ params, body, caller }: Call<'resolveDelivery'>): Promise<Result<'resolveDelivery'>> {
    const { workspaceId } = caller;
    const resolved = await this.database.inWorkspace(workspaceId, async (sql) =>
      resolveDelivery(sql, workspaceId, params.id, body, await whoIs(sql, caller)),
    );
    const { delivery, timeline } = await this.read(workspaceId, params.id);
    if (!resolved)
      throw new ProblemException(
        'conflict',
        `It is ${delivery.status}: only a delivery whose outcome is unknown can be decided.`,
      );
    this.hints.changed(workspaceId, [params.id]);
    return { ...delivery, sentence: sentenceOf(delivery), timeline };
  }

  private read(workspaceId: string, id: string) {
    return this.database.inWorkspace(workspaceId, async (sql) => {
      const [delivery] = await deliveriesById(sql, workspaceId, [id]);
      if (!delivery) throw notFound('delivery');
      return { delivery, timeline: await timelineOf(sql, workspaceId, id) };
    });
  }
}

const cell = (d: Delivery, column: (typeof CSV_COLUMNS)[number]): string => {
  const value =
    column === 'profile'
      ? d.profile?.externalId
      : column === 'template'
        ? d.template && `${d.template.key} v${d.template.version}`
        : d[column];
  return value === null || value === undefined ? '' : String(value);
};

/** The same filter on a row in hand. */
function matcher(filter: DeliveryFilter): (d: Delivery) => boolean {
  return (d) =>
    (filter.profile === undefined || d.profile?.externalId === filter.profile) &&
    (filter.address === undefined || d.address === filter.address) &&
    (filter.channel?.includes(d.channel) ?? true) &&
    (filter.status?.includes(d.status) ?? true) &&
    (filter.reason === undefined || (d.reason !== null && filter.reason.includes(d.reason))) &&
    (filter.class === undefined || d.class === filter.class) &&
    (filter.template === undefined || d.template?.key === filter.template) &&
    (filter.source?.includes(d.source) ?? true) &&
    (filter.messageId === undefined || d.messageId === filter.messageId);
}
