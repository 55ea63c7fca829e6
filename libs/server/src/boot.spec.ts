import { loadConfig, useConfig } from '@carillon/config';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startApi, startWorker } from './service.js';

let fresh: FreshDatabase;
beforeAll(async () => {
  fresh = await freshDatabase();
});
afterAll(() => fresh.drop());

const use = (mayLose: string) =>
  useConfig(
    loadConfig({
      NODE_ENV: 'test',
      DATABASE_URL: fresh.appUrl,
      API_PORT: '0',
      LOG_LEVEL: 'error',
      DATABASE_MAY_LOSE: mayLose,
    }),
  );
const nothing = { name: 'spec', modules: [], services: [] } as const;

describe('a start on a database that may lose what was accepted', () => {
  // The cluster of the specs is such a one.
  it.each([
    ['a service', () => startWorker(nothing)],
    ['the API', () => startApi(nothing)],
  ])('is refused to %s, with a sentence per setting', async (_, start) => {
    use('false');
    await expect(start()).rejects.toThrow(
      /fsync is off[\s\S]*full_page_writes is off[\s\S]*synchronous_commit is off[\s\S]*DATABASE_MAY_LOSE/,
    );
  });

  it('goes on when somebody says that nothing there is to be kept', async () => {
    use('true');
    const running = await startWorker(nothing);
    await running.close();
  });
});
