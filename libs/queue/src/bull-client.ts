/** The sending side in Nest's own shape, for code that is written against `ClientProxy`. `Queues` is the typed way. */
import type { QueueName } from '@carillon/contracts';
import { ClientProxy, type ReadPacket } from '@nestjs/microservices';
import type { Unstamped } from './payload.js';
import type { Queues } from './queues.js';

export class BullClient extends ClientProxy {
  constructor(private readonly queues: Queues) {
    super();
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  /** `Queues` belongs to the application and is closed with it. */
  close(): void {}

  unwrap<T>(): T {
    return this.queues as T;
  }

  protected publish(): never {
    throw new Error('A queue gives no answer: use emit().');
  }

  protected override async dispatchEvent<T>({ pattern, data }: ReadPacket): Promise<T> {
    await this.queues.send(pattern as QueueName, data as Unstamped<QueueName>);
    return undefined as T;
  }
}
