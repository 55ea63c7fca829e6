/** For specs of the API: the whole HTTP door on a fresh database, with two workspaces and a key for all scopes in each. */
import { loadConfig, useConfig, type Config } from '@carillon/config';
import { operations, scopes, type Operation, type OperationName } from '@carillon/contracts';
import { Database, ensurePartitions, newId } from '@carillon/database';
import { newApiKey, startApi } from '@carillon/server';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { api } from './index.js';

/** A workspace and a key that may do everything in it. */
export interface Tenant {
  id: string;
  key: string;
}
export interface ApiFixture {
  url: string;
  config: Config;
  owner: pg.Client;
  database: Database;
  here: Tenant;
  elsewhere: Tenant;
  /** Calls an operation of the contract as a tenant. */
  ask(who: Tenant | null, name: OperationName, call?: AskOptions): Promise<Answer>;
  close(): Promise<void>;
}
export interface AskOptions {
  params?: Readonly<Record<string, string>>;
  query?: string;
  body?: unknown;
  headers?: Readonly<Record<string, string>>;
}
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body, if it is JSON. */
  json: unknown;
}

export async function apiFixture(env: Readonly<Record<string, string>> = {}): Promise<ApiFixture> {
  const fresh = await freshDatabase();
  const settings = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: fresh.appUrl,
    API_PORT: '0',
    DATABASE_POOL_SIZE: '8',
    LOG_LEVEL: 'error',
    ...env,
  });
  useConfig(settings);
  // What works queues stays out: here messages wait, and nothing leaves.
  const running = await startApi({ ...api, services: [] });
  await ensurePartitions(running.app.get(Database));
  const owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  const tenant = async (slug: string): Promise<Tenant> => {
    const id = newId();
    await owner.query('INSERT INTO workspaces (id, slug, name) VALUES ($1, $2, $3)', [
      id,
      slug,
      `The ${slug} shop`,
    ]);
    const { key, prefix, hash } = newApiKey();
    await owner.query(
      'INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes) VALUES ($1, $2, $3, $4, $5, $6)',
      [newId(), id, 'spec', prefix, hash, Object.keys(scopes)],
    );
    return { id, key };
  };
  const url = running.url ?? '';
  return {
    url,
    config: settings,
    owner,
    database: running.app.get(Database),
    here: await tenant('here'),
    elsewhere: await tenant('elsewhere'),
    async ask(who, name, { params = {}, query = '', body, headers = {} } = {}) {
      const operation: Operation = operations[name];
      const path = operation.path.replace(/:([a-zA-Z]+)/g, (_, param: string) =>
        encodeURIComponent(params[param] ?? ''),
      );
      const answer = await fetch(`${url}${path}${query}`, {
        method: operation.method,
        headers: {
          ...(who ? { authorization: `Bearer ${who.key}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      const isJson = /[/+]json\b/.test(answer.headers.get('content-type') ?? '');
      return {
        status: answer.status,
        headers: answer.headers,
        text,
        json: isJson ? (JSON.parse(text) as unknown) : null,
      };
    },
    async close() {
      await owner.end();
      await running.close();
      await fresh.drop();
    },
  };
}
