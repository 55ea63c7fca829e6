/**
 * `npm run bench -- bulk [count]`: a run to `count` people (100,000) through the bulk lane: snapshot, gate, a mail of 34 KB with 99 slots
 * rendered per person, an in-process provider, and the log; beside the INSERT of the same rows. Checks that the log is whole.
 */
import { machine, round, table } from './harness.mjs';
import { head, mailBytes, measured, withPeople } from './parts/campaign.mjs';

export const alone = true;

export default async function bulk({ more: [count = '100000'], profile }) {
  await withPeople(async (people) => {
    const { row, floor } = await measured(people, `${round(Number(count))} people`, Number(count), {
      profile,
    });
    console.log(
      `one dispatcher process, queues in PostgreSQL; mail of ${round(mailBytes)} bytes; ${machine()}`,
    );
    console.log(`floor: ${round(floor)} rows/s of the same log by unnest, one connection\n`);
    table([head, row]);
  });
}
