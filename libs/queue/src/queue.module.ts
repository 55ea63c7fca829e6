/** Gives a Nest application its `Queues`, and closes them after the workers have drained. */
import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { QueueBackend } from './backend.js';
import { Queues } from './queues.js';

@Module({})
export class QueueModule {
  /**
   * @param backend of this process; also handed to its `BullServer`, and closed with the application
   */
  static forRoot(backend: QueueBackend): DynamicModule {
    const queues = new Queues(backend);
    const closing: OnApplicationShutdown = {
      async onApplicationShutdown() {
        await queues.close();
        await backend.close();
      },
    };
    return {
      module: QueueModule,
      global: true,
      providers: [
        { provide: Queues, useValue: queues },
        { provide: 'QueueClosing', useValue: closing },
      ],
      exports: [Queues],
    };
  }
}
