/** Compares what a process handles with the contracts of the services it serves, so that no queue lies unworked. Pure. */
import { queueNames, queues, queuesOf, type QueueName, type Service } from '@carillon/contracts';

/**
 * @param services what this process serves
 * @param handlers name of the queue of every handler found, repeated when there are several
 * @throws when a queue has none or several, or a handler is for something else: a sentence each, saying what to write
 */
export function checkHandlers(services: readonly Service[], handlers: readonly string[]): void {
  const served = new Set<string>(services.flatMap(queuesOf));
  const count = (queue: string) => handlers.filter((handler) => handler === queue).length;
  const problems = [
    ...[...served]
      .filter((queue) => count(queue) === 0)
      .map(
        (queue) =>
          `Nothing works the queue "${queue}", which ${queues[queue as QueueName].workedBy} serves: ` +
          `add @Work('${queue}') to a method of a controller in its module.`,
      ),
    ...[...new Set(handlers)].flatMap((queue) => {
      if (!isQueue(queue))
        return `There is no queue "${queue}": add it to libs/contracts/src/queues.ts, or correct the name in @Work.`;
      if (!served.has(queue))
        return (
          `The queue "${queue}" belongs to ${queues[queue].workedBy}, and this process serves ` +
          `${services.join(', ') || 'no service'}: leave its module out, or serve ${queues[queue].workedBy} too.`
        );
      return count(queue) > 1
        ? `The queue "${queue}" has ${count(queue)} handlers, and a job goes to one: keep one @Work('${queue}').`
        : [];
    }),
  ];
  if (problems.length) throw new Error(problems.join('\n'));
}

const isQueue = (name: string): name is QueueName => (queueNames as string[]).includes(name);
