import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { loadConfig, useConfig } from '@carillon/config';
import { randomBytes } from 'node:crypto';
import { newApiKey } from './api-keys.js';
import { ServiceLogger } from './log.js';

const key = () => randomBytes(32).toString('base64');
const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://app:Zr4uPq81xw@db:5432/carillon',
  PUBLIC_URL: 'https://carillon.example.com/',
  CARILLON_MASTER_KEY: key(),
  CARILLON_SIGNING_KEY: key(),
};

/** What reaches stdout and stderr while `work` logs. */
function written(env: Record<string, string>, work: (log: ServiceLogger) => void): string {
  useConfig(loadConfig(env));
  let text = '';
  const catchIt = (chunk: unknown) => {
    text += String(chunk);
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(catchIt);
  jest.spyOn(process.stderr, 'write').mockImplementation(catchIt);
  work(new ServiceLogger('api'));
  jest.restoreAllMocks();
  return text;
}
afterEach(() => {
  jest.restoreAllMocks();
});

describe.each([
  ['production', production],
  ['development', { NODE_ENV: 'test' }],
])('logs in %s', (_mode, env) => {
  it('keep an entry on one line, whatever stands in it', () => {
    const text = written(env, (log) =>
      log.warn('name: a\r\n2026 ERROR forged\u2028\u001b[31m entry', 'Http'),
    );
    expect(text.trimEnd().split(/[\r\n\u2028]/)).toHaveLength(1);
    expect(text).not.toContain('\u001b[31m');
    expect(text).toContain('forged');
  });

  it('do not hold a key that slips in', () => {
    const { key: secret, prefix } = newApiKey();
    const text = written(env, (log) => log.error(new Error(`refused ${secret}`), undefined, 'Http'));
    expect(text).toContain(prefix);
    expect(text).not.toContain(secret.slice(prefix.length + 1));
  });

  it('do not hold the fields an error brings along', () => {
    const fault = Object.assign(new Error('duplicate key'), {
      detail: 'Key (email)=(ana@example.com) already exists.',
    });
    const text = written(env, (log) => log.error(fault));
    expect(text).toContain('duplicate key');
    expect(text).not.toContain('ana@example.com');
  });

  it('do not hold an address that an error quotes, in its message or its stack', () => {
    const fault = new Error('550 <ana.b+c@mail.example.com> and +447400123456 are unknown');
    const text = written(env, (log) => {
      log.error(fault);
      log.error('provider smtp threw', fault.stack);
      log.warn(`refused: ${fault.message}`);
    });
    // With a blank: the number of this process may hold these digits.
    expect(text.match(/550 </g)).toHaveLength(3);
    expect(text).toMatch(/at .+log\.spec/);
    expect(text).not.toMatch(/ana|mail\.example|7400/);
  });

  it('leave out what Nest tells of its start-up', () => {
    expect(written(env, (log) => log.log('Mapped {/v1/messages, POST} route', 'RouterExplorer'))).toBe('');
  });
});

it('production logs are JSON with the service and its facts', () => {
  const text = written(production, (log) => log.log('GET /v1/me 200 3 ms', { requestId: 'r1' }, 'Http'));
  expect(JSON.parse(text)).toMatchObject({
    service: 'api',
    level: 'log',
    message: 'GET /v1/me 200 3 ms',
    context: 'Http',
  });
  expect(text).toContain('r1');
});
