/**
 * The real API on a database of its own, for specs that talk HTTP: every module that the product mounts, a workspace,
 * an API key with every scope. It works no queues: what would be sent stays queued. Apart from the index, because it
 * loads the whole product.
 */
import { api } from '@carillon/api';
import { loadConfig, useConfig } from '@carillon/config';
import { scopes, type Scope } from '@carillon/contracts';
import { Database, newId } from '@carillon/database';
import { inboxPort } from '@carillon/delivery-service';
import { newApiKey, startApi, type Running } from '@carillon/server';
import pg from 'pg';
import { freshDatabase } from './postgres.js';

export type InboxItems = Parameters<ReturnType<typeof inboxPort>['store']>[0];

export interface TestApi {
  readonly url: string;
  readonly workspaceId: string;
  /** With every scope. */
  readonly key: string;
  /** Beside the API, as another process of the installation has one. */
  readonly database: Database;
  /** Sees everything: for arranging and asserting. */
  readonly owner: pg.Client;
  /** With the key, and a body as JSON. */
  call(path: string, init?: Omit<RequestInit, 'body'> & { body?: unknown }): Promise<Response>;
  /** @returns its id */
  profile(externalId: string): Promise<string>;
  inboxToken(externalId: string, ttlSeconds?: number): Promise<string>;
  /** As the in-app dispatcher does, in whatever process it runs. */
  store(items: InboxItems): Promise<string[]>;
  /** Breaks every connection and stops listening, as a process that dies does. */
  stop(): Promise<void>;
  /** Again, at the same address. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** @param env variables of the configuration beyond the usual ones of a test */
export async function startTestApi(env: Readonly<Record<string, string>> = {}): Promise<TestApi> {
  const fresh = await freshDatabase();
  const owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  const database = new Database({ url: fresh.appUrl, max: 4, name: 'spec' });
  const workspaceId = newId();
  const { key, prefix, hash } = newApiKey();
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'spec', 'Spec')`, [workspaceId]);
  await owner.query(
    `INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes) VALUES ($1, $2, 'spec', $3, $4, $5)`,
    [newId(), workspaceId, prefix, hash, Object.keys(scopes) as Scope[]],
  );

  let running: Running | undefined;
  let port = '0';
  const start = async () => {
    const test = { NODE_ENV: 'test', DATABASE_POOL_SIZE: '6', LOG_LEVEL: 'error' };
    useConfig(loadConfig({ ...test, DATABASE_URL: fresh.appUrl, API_PORT: port, ...env }));
    running = await startApi({ name: 'api', modules: api.modules, services: [] });
    ({ port } = new URL(running.url ?? ''));
  };
  const stop = async () => {
    const stopping = running?.app;
    running = undefined;
    if (stopping && 'getHttpServer' in stopping)
      (stopping.getHttpServer as () => { closeAllConnections(): void })().closeAllConnections();
    await stopping?.close();
  };
  const close = async () => {
    await stop();
    await database.close();
    await owner.end();
    await fresh.drop();
  };
  try {
    await start();
  } catch (error) {
    // What stays open would keep the spec from ending, and hide why.
    await close();
    throw error;
  }

  const call: TestApi['call'] = (path, { body, headers, ...init } = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      ...init,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    url: `http://127.0.0.1:${port}`,
    workspaceId,
    key,
    database,
    owner,
    call,
    async profile(externalId) {
      const id = newId();
      await owner.query('INSERT INTO profiles (id, workspace_id, external_id) VALUES ($1, $2, $3)', [
        id,
        workspaceId,
        externalId,
      ]);
      return id;
    },
    async inboxToken(externalId, ttlSeconds) {
      const answer = await call('/v1/inbox/tokens', { body: { profile: externalId, ttlSeconds } });
      if (answer.status !== 201) throw new Error(`no inbox token: ${answer.status} ${await answer.text()}`);
      return ((await answer.json()) as { token: string }).token;
    },
    store: (items) => inboxPort(database, workspaceId).store(items),
    stop,
    start,
    close,
  };
}
