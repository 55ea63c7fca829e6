/** One scenario on a stage: load, faults meanwhile, rest, and the checker's row. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { check, verdict } from './checker.mjs';
import { dumpLog, untilAtRest, untilTold } from './dump.mjs';
import { openLedger, readLedger } from './ledger.mjs';
import { Neighbours } from './neighbours.mjs';
import { randomFrom } from './random.mjs';
import { TOLD } from './stage.mjs';

/**
 * What a kill may leave in doubt per channel and lane: of what comes by jobs 4 lists of 100, or 2 pages with 250 under way
 * each; where accepting and dispatching are one process, 6 lists of 100 besides.
 */
const UNKNOWN_AT_MOST = { apart: 500, together: 1100 };
/** For a webhook whose sender was killed: its lease of 30 s, and the call. */
const TOLD_WITHIN_MS = 60_000;

/**
 * @param {import('./stage.mjs').Stage} stage with its services running
 * @param {object} scenario see scenarios.mjs
 * @param {{ seed: number, rate: number, say: (line: string) => void, slack?: number }} options `slack`: times the bound of recovery
 * @returns {Promise<object>} the row: figures, `ok`, `why` when not
 */
export async function runScenario(stage, scenario, { seed, rate, say, slack = 1 }) {
  const run = `${scenario.name}-${seed.toString(36)}-${Date.now().toString(36)}`.replaceAll(/[^\w-]/g, '');
  const folder = path.join(stage.folder, run);
  fs.mkdirSync(folder);
  const file = (letter) => path.join(folder, `${letter}.jsonl`);
  const faults = openLedger(file('f'));
  stage.onFault = (fault) => {
    faults.add(fault);
    say(`    ${fault.what}`);
  };
  stage.downMs = 0;
  const neighbours = new Neighbours();
  await stage.tellSink({
    behave: scenario.providers ?? {},
    ledgers: { arrivals: file('b'), receipts: file('e'), webhooks: file('d') },
  });
  if (scenario.webhooks !== false) await stage.listenToWebhooks();

  const seconds = scenario.seconds ?? 12;
  const load = fork(
    fileURLToPath(new URL('load.mjs', import.meta.url)),
    [
      JSON.stringify({
        url: stage.url,
        apiKey: stage.apiKey,
        databaseUrl: stage.ownerUrl,
        run,
        seed,
        rate: scenario.rate ?? rate,
        seconds,
        ledger: file('a'),
        whenClaimed: scenario.whenClaimed,
        runs: scenario.runs !== false,
        burst: scenario.burst,
        messageClass: scenario.messageClass,
        members: scenario.members,
        campaign: scenario.campaign,
        journey: scenario.journey,
      }),
    ],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...stage.env } },
  );
  const ended = once(load, 'exit');
  await Promise.race([once(load, 'message'), ended]);
  // Faults strike while the load lasts; the rest is for coming to rest.
  const over = { yet: false };
  setTimeout(() => (over.yet = true), seconds * 1000).unref();

  const meanwhile = { seed, random: randomFrom(seed), sleep, folder, seconds, over };
  let trouble;
  try {
    await scenario.during?.(stage, meanwhile);
  } catch (error) {
    trouble = error;
  }
  await ended;
  const atRest = await untilAtRest(stage.ownerUrl, run, scenario.patienceMs ?? 100_000);
  for (let n = 0; n < 60 && (await stage.tellSink({})) > 0; n++) await sleep(500);
  if (scenario.webhooks !== false) await untilTold(stage.ownerUrl, TOLD_WITHIN_MS);
  await scenario.after?.(stage, meanwhile);
  const busy = neighbours.stop();
  // Before the log: a receipt that comes while it is read, and what is told of it then, is none that it leaves out.
  const receipts = readLedger(file('e'));
  const toldBefore = readLedger(file('d')).length;
  const { log, runs, inbox, enrollments, counts } = await dumpLog(stage.ownerUrl, run);
  stage.onFault = () => {};
  fs.writeFileSync(file('c'), log.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const rows = new Set(log.map((row) => row.delivery));
  const lines = new Set(log.flatMap((row) => row.timeline.map((line) => `${row.delivery}:${line.id}`)));
  const struck = readLedger(file('f'));
  const promised = readLedger(file('a'));
  const { figures, examples } = check({
    promised,
    arrived: [...readLedger(file('b')), ...inbox],
    log,
    runs,
    enrollments,
    counts,
    receipts,
    // What a journey sends is not marked with its run: it is known by its rows.
    webhooks: readLedger(file('d')).filter(
      (told, n) =>
        (told.run === run || rows.has(told.id.split(':')[0])) && (n < toldBefore || lines.has(told.id)),
    ),
    told: scenario.webhooks === false ? [] : TOLD,
    unknownAtMost: UNKNOWN_AT_MOST[stage.apart ? 'apart' : 'together'],
    faults: struck,
  });
  const downSeconds = stage.downMs / 1000;
  const judged = verdict(figures, {
    ...scenario,
    // Where another process of the same works on, nobody has to wait for the one that died.
    downSeconds: scenario.othersWorkOn ? undefined : downSeconds,
    slack,
  });
  const slow = judged.slow.map((one) => `${one} (${examples.slowest})`);
  const why = [
    ...judged.why,
    ...(atRest ? [] : ['it did not come to rest']),
    ...(scenario.campaign && !promised.some((p) => p.kind === 'campaignOver')
      ? ['the campaign did not come to its end']
      : []),
    ...(scenario.journey && !promised.some((p) => p.kind === 'began') ? ['the journey was never begun'] : []),
    ...(busy ? [] : slow),
    ...(trouble ? [`the play failed: ${trouble.stack}`] : []),
  ];
  return {
    scenario: scenario.name,
    queue: stage.queue,
    processes: stage.apart ? 'one per service' : 'one',
    ...figures,
    downSeconds: Math.round(downSeconds * 10) / 10,
    ...(slow.length > 0 && busy ? { busy } : {}),
    seed,
    ok: why.length === 0,
    ...(slow.length > 0 && why.length === 1 && !busy ? { onlySlow: true } : {}),
    ...(why.length > 0 ? { why, examples, ledgers: folder } : {}),
  };
}
