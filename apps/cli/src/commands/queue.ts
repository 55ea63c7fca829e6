/** `carillon queue lanes|rebuild`. */
import type { Command } from 'commander';
import { type Context, examples } from '../command.js';
import { channelTitles, clock, number } from '../terminal.js';

export function queue(root: Command, context: Context): void {
  const group = root
    .command('queue')
    .summary('see what waits, and refill queues')
    .description('See what waits, and refill lost queues.');

  examples(
    group
      .command('lanes')
      .summary('show what waits in each lane')
      .description(
        'Show per channel and lane what waits, what is being sent, how fast, and when it is empty; and the runs of the bulk lanes with their share of the lane.',
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
        const runs = lanes.flatMap(({ channel, share, runs }) =>
          runs.map((run) => ({ ...run, channel, laneShare: share })),
        );
        if (runs.length === 0) return;
        context.terminal.say();
        context.terminal.table(
          [
            { title: 'RUN', narrow: 'cut' },
            { title: 'BY' },
            { title: 'DONE' },
            { title: 'OF' },
            { title: 'A MINUTE' },
            { title: 'SHARE' },
            { title: 'STATE', narrow: 'break' },
          ],
          runs.map((run) => [
            run.title ?? run.sourceId ?? run.id,
            channelTitles[run.channel],
            number(run.members - run.pending),
            number(run.members),
            number(run.perMinute),
            run.share === null ? '' : `${Math.round(run.share * (run.laneShare ?? 1) * 100)} %`,
            run.state === 'running'
              ? { text: 'running', style: 'green' }
              : { text: `paused: ${run.pausedReason ?? 'by a person'}`, style: 'yellow' },
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
