/** The runtime that all channels share: claim, gate, render, hand over, record. A dispatcher app is `runDispatcher(channel)`. */
import type { Channel } from '@carillon/delivery-rules';
import { runService } from '@carillon/server';
import { DispatcherModule } from './dispatcher.module.js';

export { DispatcherModule };
export { Deliverer } from './deliver.js';
export { PageDeliverer, SUB_BATCH } from './deliver-page.js';

/** Runs the dispatcher of one channel as its own process. */
export const runDispatcher = <Rendered>(channel: Channel<Rendered>): Promise<void> =>
  runService({
    name: `dispatcher-${channel.channel}`,
    module: DispatcherModule.forChannels([channel as Channel]),
    services: [`dispatcher-${channel.channel}`],
  });
