#!/usr/bin/env node
/**
 * `npm run start:services`: the same as `npm start`, with one process per service, as in production. Their lines
 * carry their names. Stops in order: the door first, so that nothing new comes in, then those who work, then what
 * they work with.
 */
import { readArguments } from './arguments.mjs';
import { dataFolder, Problem } from './data-folder.mjs';
import { claimInstance } from './instance.mjs';
import { startServices } from './service-processes.mjs';
import { prepare, runCommand } from './stack.mjs';
import { welcome } from './welcome.mjs';

const HELP = `npm run start:services   installs, builds and runs Carillon as one process per service; npm start: all in one

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
  const began = (pids) => instance.note({ children: pids });
  const services = await startServices({ env: stack.env, say, onLine: say, onStop, stopping, began });
  if (!services) return;
  const { running, development, urls } = services;
  instance.note({ urls, apiKey: development.apiKey });
  say(welcome({ ...development, urls, folder, milliseconds: performance.now() - started }));

  const first = await Promise.race(running.map(async ({ name, ended }) => ({ name, how: await ended })));
  if (!stopping()) throw new Problem(`${first.name} ended unexpectedly (${first.how}).`);
});
