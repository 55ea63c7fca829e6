/**
 * Every address that the one HTTP door answers (S40): the operations of the contract, and what stands here by name. A
 * new way in is a decision, and this is where it is written down.
 */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadConfig, useConfig } from '@carillon/config';
import { operations } from '@carillon/contracts';
import { startApi, type Running } from '@carillon/server';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { api } from './index.js';

/** Beside the operations. Who may ask: anyone, unless it says so. */
const beside = [
  'GET /', // the dashboard's page, which holds nothing
  'GET /*', // the same, for every address that a person may open
  'GET /docs',
  'GET /docs/ui/swagger-ui-bundle.js',
  'GET /docs/ui/swagger-ui.css',
  'GET /openapi.json',
  'GET /health/live',
  'GET /health/ready', // this machine, or METRICS_TOKEN
  'GET /metrics', // this machine, or METRICS_TOKEN
  'POST /mail-frame', // who is signed in, from our own pages
  'GET /u/:token', // who holds a link from a mail; shows a form
  'POST /u/:token',
  'GET /p/:token', // who holds such a link; shows what can be chosen
  'POST /p/:token',
  'GET /o/:token', // who holds a mail: the picture in it
  'GET /l/:token/:link', // who holds a mail: its links; leads to where the mail's author wrote
  'GET /v/:token', // who holds a mail: the mail as a page
  'GET /c/:token', // who holds the link of a confirmation; shows a button
  'POST /c/:token',
  'POST /v1/webhooks/:channel/:provider/:accountId', // providers that sign
];

let database: FreshDatabase;
let running: Running;
beforeAll(async () => {
  database = await freshDatabase();
  useConfig(
    loadConfig({ NODE_ENV: 'test', DATABASE_URL: database.appUrl, API_PORT: '0', LOG_LEVEL: 'error' }),
  );
  // Without the dashboard's files: their names change with each build.
  running = await startApi({ ...api, services: [], dashboard: '/nonexistent' });
}, 60_000);
afterAll(async () => {
  await running.close();
  await database.drop();
}, 30_000);

it('the door answers these addresses and no others', () => {
  const { app } = running;
  if (!('getHttpAdapter' in app)) throw new Error('This is no HTTP application.');
  const adapter = (app.getHttpAdapter as () => { getInstance(): { printRoutes(how: object): string } })();
  const found = routesOf(adapter.getInstance().printRoutes({ commonPrefix: false }));
  const named = Object.values(operations).map(({ method, path }) => `${method} ${path}`);
  expect(found.sort()).toEqual([...named, ...beside].sort());
});

/** `METHOD /path` per route, from the tree that Fastify prints. */
function routesOf(tree: string): string[] {
  const above: string[] = [];
  return tree.split('\n').flatMap((line) => {
    const [, indent = '', name = '', methods = ''] = /^([│ ]*)[├└]── (.*?) \(([A-Z, ]+)\)$/.exec(line) ?? [];
    if (!methods) return [];
    const depth = indent.length / 4;
    above.length = depth;
    above[depth] = name;
    const path = above.join('');
    return methods
      .split(', ')
      .filter((method) => method !== 'HEAD')
      .map((method) => `${method} ${path}`);
  });
}
