/** `carillon queue lanes|rebuild`. */
import type { Command } from 'commander';
import { type Context, examples } from '../command.js';
import { clock } from '../terminal.js';

export function queue(root: Command, context: Context): void {
  const group = root
    .command('queue')
    .summary('lanes and queues')
    .description('See what waits, and refill lost queues.');

  examples(
    group
      .command('lanes')
      .summary('what waits in each lane')
      .description(
        'Show per channel and lane what waits, what is being sent, how fast, and when it is empty.',
      )
      .action(async () => {
        const lanes = await context.carillon.lanes.list({ signal: context.stop });
        if (context.json) return context.terminal.json(lanes);
        context.terminal.table(
          [
            { title: 'LANE' },
            { title: 'QUEUED' },
            { title: 'LATER' },
            { title: 'SENDING' },
            { title: 'OLDEST' },
            { title: 'A MINUTE' },
            { title: 'EMPTY AT' },
          ],
          lanes.map((lane) => [
            `${lane.channel} ${lane.lane}`,
            String(lane.queued),
            String(lane.scheduled),
            String(lane.sending),
            lane.oldestWaitSeconds === null ? '' : `${Math.round(lane.oldestWaitSeconds)} s`,
            String(lane.perMinute),
            { text: lane.emptyAt ? clock(lane.emptyAt) : '', style: 'dim' },
          ]),
        );
      }),
    ['carillon queue lanes'],
  );

  examples(
    group
      .command('rebuild')
      .summary('refill the queues from the database')
      .description(
        'Offer everything that waits for a worker again, at once. The clock does the same by itself within half a minute; nothing is sent twice.',
      )
      .action(async () => {
        const rebuilt = await context.carillon.lanes.rebuild({ signal: context.stop });
        if (context.json) return context.terminal.json(rebuilt);
        context.terminal.say(
          `Offered again: ${rebuilt.deliveries} deliveries, ${rebuilt.pages} pages of runs.`,
        );
      }),
    ['carillon queue rebuild'],
  );
}
