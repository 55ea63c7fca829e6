#!/usr/bin/env node
/**
 * Says what waits in a database that is a copy of another (a restored backup, a clone, a standby that took over), and has it send
 * again once a person has decided: `npm run adopt-copy` tells and changes nothing; `-- --hold` or `-- --send` decides. In a
 * container it is the role `adopt-copy`. An operator's command, like rebuild-queues: it asks for the database's address.
 */
import { readArguments } from './arguments.mjs';
import { Problem } from './data-folder.mjs';
import { operatorsDatabase } from './operators-database.mjs';

const HELP = `npm run adopt-copy -- --hold   what waited may have been sent by the other database: it becomes unknown, for
                               people to decide, and campaigns that were under way are paused
npm run adopt-copy -- --send   the other database is gone and has sent nothing since: everything goes on
  --every-timeline             from now on a standby that takes over is no copy (synchronous replication)`;

try {
  const { values } = readArguments(HELP, {
    hold: { type: 'boolean' },
    send: { type: 'boolean' },
    'every-timeline': { type: 'boolean', default: false },
  });
  if (values.hold && values.send) throw new Problem('Either --hold or --send.');
  else await adopt(values);
} catch (error) {
  console.error(error instanceof Problem ? error.message : error);
  process.exitCode = 1;
}

async function adopt({ hold, send, 'every-timeline': anyTimeline }) {
  const { url, stop } = await operatorsDatabase();
  try {
    const { Database, copiedAt } = await import('@carillon/database');
    const { adoptCopy, copyReport } = await import('@carillon/delivery-service');
    const database = new Database({ url, max: 1, name: 'carillon adopt-copy' });
    try {
      const since = await copiedAt(database);
      if (!since && !anyTimeline)
        return console.log('This database is no copy: it is the one that was adopted, and it sends.');
      tell(await database.acrossWorkspaces((sql) => copyReport(sql, since)));
      if (!hold && !send) return console.log(`\nNothing is changed. Decide:\n\n${HELP}`);
      const { held, paused } = await database.acrossWorkspaces((sql) =>
        adoptCopy(sql, since, { waiting: hold ? 'hold' : 'send', anyTimeline }),
      );
      console.log(
        hold
          ? `\nAdopted. ${held} deliveries are unknown now, ${paused} runs are paused; everything else is sent.`
          : '\nAdopted: everything that waits is sent.',
      );
    } finally {
      await database.close();
    }
  } finally {
    await stop();
  }
}

function tell({ copiedAt, lastLineAt, doubtful, later, runs, webhooks }) {
  console.log(`A copy, in use since ${copiedAt?.toISOString() ?? 'now'}; nothing has been sent from it.`);
  if (lastLineAt) console.log(`The last line of its log: ${lastLineAt.toISOString()}.`);
  console.log('\nWaiting since before, so that the other database may have sent it:');
  for (const { workspace, channel, count } of doubtful)
    console.log(`  ${String(count).padStart(9)}  ${channel}, workspace ${workspace}`);
  console.log(`  ${String(runs).padStart(9)}  runs under way`);
  console.log(`  ${String(webhooks).padStart(9)}  webhooks (receivers know them by their id)`);
  console.log(`Planned for later, and not touched:\n  ${String(later).padStart(9)}  deliveries`);
}
