/**
 * One dispatcher: the three lanes of its channel, worked by one `Deliverer`, by jobs and, for what this process accepts
 * itself, directly.
 */
import { config } from '@carillon/config';
import { deliverQueue, lanes, type Channel as ChannelName } from '@carillon/contracts';
import { Database } from '@carillon/database';
import type { Channel } from '@carillon/delivery-rules';
import {
  DeliveryCoreModule,
  DeliveryHints,
  inboxPort,
  links,
  LocalDispatchers,
  Precedence,
  RenderPool,
  SendContexts,
} from '@carillon/delivery-service';
import { Queues, workController } from '@carillon/queue';
import { Grace } from '@carillon/server';
import {
  Inject,
  Logger,
  Module,
  type DynamicModule,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { AccountFlow } from './account-flow.js';
import { Deliverer } from './deliver.js';
import { PageDeliverer } from './deliver-page.js';
import { DirectLane } from './direct-lane.js';
import { Leases } from './leases.js';

const DELIVERERS = Symbol('deliverers');

/** What works the queues of a channel: lists of deliveries, and pages of runs. */
interface Workers {
  lists: Deliverer;
  pages: PageDeliverer;
}

@Module({})
export class DispatcherModule
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly direct = new Map<ChannelName, DirectLane>();
  private readonly log = new Logger('Dispatcher');

  constructor(
    @Inject(SendContexts) private readonly contexts: SendContexts,
    @Inject(Leases) private readonly leases: Leases,
    @Inject(RenderPool) private readonly renderer: RenderPool,
    @Inject(AccountFlow) private readonly flow: AccountFlow,
    @Inject(LocalDispatchers) private readonly dispatchers: LocalDispatchers,
    @Inject(DELIVERERS) private readonly deliverers: readonly Deliverer[],
    @Inject(Grace) private readonly grace: Grace,
  ) {}

  /** @param channels whose lanes this process works: one per dispatcher app, all in the standalone process */
  static forChannels(channels: readonly Channel[]): DynamicModule {
    const tokenOf = (channel: Channel) => `Deliverer ${channel.channel}`;
    const pagesOf = (channel: Channel) => `PageDeliverer ${channel.channel}`;
    return {
      module: DispatcherModule,
      imports: [DeliveryCoreModule],
      controllers: channels.map((channel) =>
        workController(
          lanes.map((lane) => deliverQueue(channel.channel, lane)),
          `Worker ${channel.channel}`,
          ({ lists, pages }: Workers, payload, { signal, queue }) =>
            'pageId' in payload
              ? pages.deliver(payload.pageId, signal)
              : lists.deliver(payload.deliveryIds, signal, queue),
        ),
      ),
      providers: [
        {
          provide: AccountFlow,
          useFactory: (database: Database) => new AccountFlow(database),
          inject: [Database],
        },
        { provide: Leases, useFactory: (database: Database) => new Leases(database), inject: [Database] },
        {
          provide: SendContexts,
          useFactory: (database: Database) =>
            new SendContexts({
              links: links(),
              inboxFor: (workspaceId) => inboxPort(database, workspaceId),
              allowPrivateNetworks: config().out.allowPrivateNetworks,
            }),
          inject: [Database],
        },
        ...channels.map((channel) => ({
          provide: `Worker ${channel.channel}`,
          useFactory: (lists: Deliverer, pages: PageDeliverer): Workers => ({ lists, pages }),
          inject: [tokenOf(channel), pagesOf(channel)],
        })),
        ...channels.map((channel) => ({
          provide: pagesOf(channel),
          useFactory: (
            grace: Grace,
            precedence: Precedence,
            ...deps: [Database, Queues, SendContexts, DeliveryHints, RenderPool, AccountFlow]
          ) => new PageDeliverer(channel, ...deps, Math.random, precedence, () => grace.begun()),
          inject: [Grace, Precedence, Database, Queues, SendContexts, DeliveryHints, RenderPool, AccountFlow],
        })),
        ...channels.map((channel) => ({
          provide: tokenOf(channel),
          useFactory: (
            grace: Grace,
            precedence: Precedence,
            ...deps: [Database, Queues, Leases, SendContexts, DeliveryHints, RenderPool, AccountFlow]
          ) => new Deliverer(channel, ...deps, Math.random, precedence, () => grace.mayBegin()),
          inject: [
            Grace,
            Precedence,
            Database,
            Queues,
            Leases,
            SendContexts,
            DeliveryHints,
            RenderPool,
            AccountFlow,
          ],
        })),
        {
          provide: DELIVERERS,
          useFactory: (...deliverers: Deliverer[]) => deliverers,
          inject: channels.map(tokenOf),
        },
      ],
    };
  }

  onApplicationBootstrap(): void {
    this.renderer.warm();
    for (const deliverer of this.deliverers) {
      const lane = new DirectLane(deliverer, this.leases);
      this.direct.set(deliverer.channelName, lane);
      this.dispatchers.register(deliverer.channelName, lane);
    }
  }

  /** What is accepted from now on is queued, for another process or for the next start. */
  async beforeApplicationShutdown(): Promise<void> {
    const graceMs = this.grace.leftMs();
    await Promise.all(
      [...this.direct].map(([channel, lane]) => {
        this.dispatchers.withdraw(channel);
        return lane.close(graceMs);
      }),
    );
  }

  /** After the workers have drained: connections that providers kept. */
  async onApplicationShutdown(): Promise<void> {
    // Empty unless the grace was too short for what was in hand.
    await this.leases.handBack().catch((error: unknown) => {
      this.log.warn(
        `leases could not be given back, they run out: ${error instanceof Error ? error.message : 'unknown'}`,
      );
    });
    await this.flow.stop();
    await this.contexts.close();
  }
}
