#!/usr/bin/env node
/**
 * `npm start`: the whole of Carillon in one command on a machine with Node and npm. Installs, builds, starts the
 * embedded PostgreSQL (or uses DATABASE_URL), migrates, and runs every service in one process; then says where
 * everything is. Later starts skip what has not changed. `npm run start:services` runs one process per service.
 * Node's own modules only, because at first there are no others.
 */
import { readArguments } from './arguments.mjs';
import { dataFolder, Problem } from './data-folder.mjs';
import { claimInstance } from './instance.mjs';
import { choosePorts, startService } from './service-process.mjs';
import { prepare, runCommand, STANDALONE } from './stack.mjs';
import { welcome } from './welcome.mjs';

/** As libs/config has them. */
const PORTS = { API_PORT: 3000, SANDBOX_PORT: 3100, SANDBOX_SMTP_PORT: 3125 };

const HELP = `npm start   installs, builds and runs the whole of Carillon in one process; npm run start:services: one per service

  CARILLON_DATA_DIR   where everything is kept (.data); another folder is another Carillon
  API_PORT            of the API and the dashboard (3000); the next free one when it is taken
  DATABASE_URL        a PostgreSQL of your own instead of the embedded one
  QUEUE_URL           redis://…: queues in Redis instead of PostgreSQL

docs/configuration.md has the others.`;

const started = performance.now();
const say = (line) => console.log(line);

await runCommand(async ({ onStop, stopping }) => {
  readArguments(HELP);
  const folder = dataFolder();
  const instance = await claimInstance(folder, say);
  onStop(async () => instance.release());
  const stack = await prepare({ folder, say });
  onStop(stack.stop);
  const ports = await choosePorts(PORTS, say);
  if (stopping()) return;

  // Until it is ready its lines are kept back: they matter only if it does not get there.
  let kept = [];
  const service = startService({
    entry: STANDALONE,
    env: { ...stack.env, ...ports },
    onLine: (line) => (kept ? kept.push(line) : say(line)),
  });
  onStop(async () => {
    if (!kept) say('Stopping.');
    await service.stop();
  });
  instance.note({ children: [service.pid] });
  const report = await service.ready.catch((error) => {
    throw stopping() ? error : new Problem([...kept, error.message].join('\n'));
  });
  instance.note({ urls: report.urls, apiKey: report.apiKey });
  say(welcome({ ...report, folder, milliseconds: performance.now() - started }));
  kept = undefined;

  const how = await service.ended;
  if (!stopping()) throw new Problem(`Carillon ended unexpectedly (${how}).`);
});
