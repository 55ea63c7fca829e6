/**
 * For specs of this library: the real door on a fresh database, with a stand-in behind every operation that other
 * libraries answer. It says who called.
 */
import { Controller, Module, type Type } from '@nestjs/common';
import { loadConfig, useConfig, type Config } from '@carillon/config';
import { operations, type OperationName, type Role, type Scope } from '@carillon/contracts';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';
import { newId } from '@carillon/database';
import { newApiKey } from './api-keys.js';
import { Operation, type Call } from './operation.js';
import { hashPassword } from './passwords.js';
import { ProblemException } from './problem.js';
import { startApi } from './service.js';

export const PASSWORD = 'correct horse battery staple';
/** Answered by this library itself. */
const own: readonly OperationName[] = [
  'signIn',
  'signOut',
  'me',
  'changePassword',
  'listKeys',
  'createKey',
  'rotateKey',
  'revokeKey',
];

type StandIn = (call: Call<OperationName>) => unknown;
type Answering = (call: Call<OperationName>) => never;

/** A module that answers the given operations, and refuses the other ones as not found. */
export function standIns(answers: Partial<Record<OperationName, StandIn>>): Type {
  class StandInController {}
  for (const name of (Object.keys(operations) as OperationName[]).filter((n) => !own.includes(n))) {
    const answer: StandIn =
      answers[name] ??
      (() => {
        throw new ProblemException('not_found', 'A stand-in.');
      });
    const descriptor: TypedPropertyDescriptor<StandIn> = {
      value: answer,
      writable: true,
      configurable: true,
    };
    // As the compiler does it for a decorator.
    Operation(name)(
      StandInController.prototype,
      name,
      descriptor as unknown as TypedPropertyDescriptor<Answering>,
    );
    Object.defineProperty(StandInController.prototype, name, descriptor);
  }
  Controller()(StandInController);
  class StandInModule {}
  Module({ controllers: [StandInController] })(StandInModule);
  return StandInModule;
}

export interface Door {
  url: string;
  config: Config;
  owner: pg.Client;
  call(path: string, init?: RequestInit): Promise<Response>;
  workspace(slug: string): Promise<string>;
  user(workspaceId: string, email: string, role: Role): Promise<string>;
  key(workspaceId: string, scopes: readonly Scope[], expiresAt?: Date): Promise<{ id: string; key: string }>;
  close(): Promise<void>;
}

export async function openDoor(
  answers: Partial<Record<OperationName, StandIn>> = {},
  env: Record<string, string> = {},
): Promise<Door> {
  const database = await freshDatabase();
  const settings = loadConfig({
    NODE_ENV: 'test',
    DATABASE_URL: database.appUrl,
    API_PORT: '0',
    DATABASE_POOL_SIZE: '6',
    LOG_LEVEL: 'error',
    ...env,
  });
  useConfig(settings);
  const running = await startApi({
    name: 'api',
    modules: [standIns(answers)],
    services: [],
    dashboard: '/nonexistent',
  });
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const url = running.url ?? '';
  return {
    url,
    config: settings,
    owner,
    call: (path, init) => fetch(`${url}${path}`, init),
    async workspace(slug) {
      const id = newId();
      await owner.query('INSERT INTO workspaces (id, slug, name) VALUES ($1, $2, $2)', [id, slug]);
      return id;
    },
    async user(workspaceId, email, role) {
      const id = newId();
      await owner.query(
        'INSERT INTO users (id, workspace_id, email, name, password_hash, role) VALUES ($1, $2, $3, $3, $4, $5)',
        [id, workspaceId, email, await hashPassword(PASSWORD), role],
      );
      return id;
    },
    async key(workspaceId, scopes, expiresAt) {
      const { key, prefix, hash } = newApiKey();
      const id = newId();
      await owner.query(
        'INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)',
        [id, workspaceId, 'spec', prefix, hash, scopes, expiresAt ?? null],
      );
      return { id, key };
    },
    async close() {
      await owner.end();
      await running.close();
      await database.drop();
    },
  };
}
