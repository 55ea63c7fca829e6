/**
 * Carillon with one process per service, as in production: which there are, how they start, and when they are ready.
 * Called by services.mjs and, for measurements, by stack.mjs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from './data-folder.mjs';
import { choosePorts, startService } from './service-process.mjs';

/** In the order they start; they stop in the opposite one. `port` and `asks`: where it says whether it is ready. */
const SERVICES = [
  { name: 'sandbox', port: ['SANDBOX_PORT', 3100], asks: '/' },
  { name: 'dispatcher-email', port: ['DISPATCHER_EMAIL_PORT', 3011] },
  { name: 'dispatcher-sms', port: ['DISPATCHER_SMS_PORT', 3012] },
  { name: 'dispatcher-push', port: ['DISPATCHER_PUSH_PORT', 3013] },
  { name: 'dispatcher-in-app', port: ['DISPATCHER_IN_APP_PORT', 3014] },
  { name: 'audience', port: ['AUDIENCE_PORT', 3015] },
  { name: 'scheduling', port: ['SCHEDULING_PORT', 3016] },
  { name: 'api', port: ['API_PORT', 3000] },
];
const PORTS = { ...Object.fromEntries(SERVICES.map(({ port }) => port)), SANDBOX_SMTP_PORT: 3125 };
const ASK_EVERY_MS = 100;

/**
 * Starts all, and waits until each is ready.
 * @param {{ env: Record<string, string>, say: (line: string) => void, onLine: (line: string) => void, anyPorts?: boolean,
 * onStop: (stop: () => Promise<void>) => void, stopping: () => boolean, began?: (pids: number[]) => void }} options
 * `anyPorts`: free ones instead of the usual; `began`: told the pids before they are ready
 * @returns the services, what a new installation starts with, and the addresses
 */
export async function startServices({
  env: given,
  say,
  onLine,
  anyPorts = false,
  onStop,
  stopping,
  began = () => {},
}) {
  const wanted = anyPorts ? Object.fromEntries(Object.keys(PORTS).map((name) => [name, 0])) : PORTS;
  const env = { ...given, ...(await choosePorts(wanted, anyPorts ? () => {} : say)) };
  if (stopping()) return undefined;
  const width = Math.max(...SERVICES.map(({ name }) => name.length));
  const development = await seedOnce(env);
  const running = SERVICES.map((service) => ({
    ...service,
    ...startService({
      entry: `apps/${service.name}/dist/main.js`,
      env,
      onLine: (line) => onLine(`${service.name.padEnd(width)} | ${line}`),
    }),
  }));
  for (const service of running) onStop(service.stop);
  began(running.map(({ pid }) => pid));
  await Promise.all(running.map((service) => untilReady(service, env, stopping)));
  const at = (variable) => `http://localhost:${env[variable]}`;
  const urls = { dashboard: at('API_PORT'), docs: `${at('API_PORT')}/docs`, sandbox: at('SANDBOX_PORT') };
  return { running, development, urls };
}

/** What a new installation starts with. Ends by itself. */
async function seedOnce(env) {
  const lines = [];
  const seed = startService({
    entry: 'apps/standalone/dist/seed-once.js',
    env,
    onLine: (line) => lines.push(line),
  });
  const report = await seed.ready.catch((error) => {
    throw new Problem([...lines, error.message].join('\n'));
  });
  await seed.ended;
  return report;
}

async function untilReady({ name, port: [variable], asks = '/health/ready', ended }, env, stopping) {
  let over;
  void ended.then((how) => (over = how));
  while (!stopping()) {
    if (over) throw new Problem(`${name} ended before it was ready (${over}).`);
    if (await answers(`http://127.0.0.1:${env[variable]}${asks}`)) return;
    await sleep(ASK_EVERY_MS);
  }
}

/** Whether an address answers with success, soon. Not listening yet, or busy with starting, is a no. */
async function answers(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
