/**
 * `npm run bench -- http [count]`: a run of texts to `count` people (60,000) through the bulk lane and a provider that is nothing but
 * one HTTP call per message, to a sink in a process of its own; beside the raw HTTP floor of the same run. Checks that the log is whole.
 */
import { costCells, costHead, httpFloor, machine, measure, round, startPart, table } from './harness.mjs';
import { SERVICE_FLAGS } from '../service-process.mjs';
import { campaign, withPeople } from './parts/campaign.mjs';

export const alone = true;

export default async function http({ more: [count = '60000'], profile }) {
  const sink = await startPart('sink');
  try {
    await withPeople(async (people) => {
      const { owner, workspaceId } = people;
      await owner.query(
        `INSERT INTO provider_accounts (id, workspace_id, channel, provider, name, settings) VALUES (gen_random_uuid(), $1, 'sms', 'bare-http', 'Bare', $2)`,
        [workspaceId, { endpoint: sink.ready.url }],
      );
      const worker = await startPart('bulk', {}, SERVICE_FLAGS);
      try {
        await campaign(people, 10_000, { channel: 'sms' });
        await httpFloor(sink.ready.url, 2000);
        const floor = await httpFloor(sink.ready.url);
        if (profile) await worker.ask({ profile });
        let went = 0;
        const processes = { dispatcher: worker.pid, sink: sink.pid };
        const cost = await measure({ owner, processes }, async () => {
          const { members, seconds } = await campaign(people, Number(count), { channel: 'sms' });
          went = seconds;
          return members;
        });
        if (profile) await worker.ask({ profiled: 'http' });
        const perSecond = cost.messages / went;
        console.log(`one dispatcher process, queues in PostgreSQL; ${machine()}\n`);
        table([
          ['HTTP', 'messages/s', 'of the floor', ...costHead],
          ['floor: undici to the sink, 16 connections', round(floor), '', '', '', '', ''],
          [
            `a run to ${round(Number(count))} people, one call each`,
            round(perSecond),
            (perSecond / floor).toFixed(2),
            ...costCells(cost),
          ],
        ]);
      } finally {
        await worker.stop();
      }
    });
  } finally {
    await sink.stop();
  }
}
