/** One dispatcher: the three lanes of its channel, worked by one `Deliverer`. */
import { config } from '@carillon/config';
import { deliverQueue, lanes } from '@carillon/contracts';
import { Database } from '@carillon/database';
import type { Channel } from '@carillon/delivery-rules';
import {
  DeliveryCoreModule,
  DeliveryHints,
  inboxPort,
  links,
  RenderPool,
  SendContexts,
} from '@carillon/delivery-service';
import { Queues, workController } from '@carillon/queue';
import {
  Inject,
  Module,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { AccountFlow } from './account-flow.js';
import { Deliverer } from './deliver.js';
import { Leases } from './leases.js';

@Module({})
export class DispatcherModule implements OnApplicationBootstrap, OnApplicationShutdown {
  constructor(
    @Inject(SendContexts) private readonly contexts: SendContexts,
    @Inject(Leases) private readonly leases: Leases,
    @Inject(RenderPool) private readonly renderer: RenderPool,
    @Inject(AccountFlow) private readonly flow: AccountFlow,
  ) {}

  /** @param channels whose lanes this process works: one per dispatcher app, all in the standalone process */
  static forChannels(channels: readonly Channel[]): DynamicModule {
    const tokenOf = (channel: Channel) => `Deliverer ${channel.channel}`;
    return {
      module: DispatcherModule,
      imports: [DeliveryCoreModule],
      controllers: channels.map((channel) =>
        workController(
          lanes.map((lane) => deliverQueue(channel.channel, lane)),
          tokenOf(channel),
          (deliverer: Deliverer, payload, { signal }) => deliverer.deliver(payload.deliveryIds, signal),
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
          provide: tokenOf(channel),
          useFactory: (
            ...deps: [Database, Queues, Leases, SendContexts, DeliveryHints, RenderPool, AccountFlow]
          ) => new Deliverer(channel, ...deps),
          inject: [Database, Queues, Leases, SendContexts, DeliveryHints, RenderPool, AccountFlow],
        })),
      ],
    };
  }

  onApplicationBootstrap(): void {
    this.renderer.warm();
  }

  /** After the workers have drained: connections that providers kept. */
  async onApplicationShutdown(): Promise<void> {
    this.leases.stop();
    await this.flow.stop();
    await this.contexts.close();
  }
}
