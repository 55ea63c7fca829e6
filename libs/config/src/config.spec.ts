import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it, jest } from '@jest/globals';
import { bug, ConfigError, configurationPage, failpoint, loadConfig, useConfig, variables } from './index.js';

const key = () => randomBytes(32).toString('base64');
const production = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://app:Zr4uPq81xw@db:5432/carillon',
  PUBLIC_URL: 'https://carillon.example.com/',
  CARILLON_MASTER_KEY: key(),
  CARILLON_SIGNING_KEY: key(),
};
const sentencesOf = (env: Record<string, string | undefined>): readonly string[] => {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.sentences;
    throw error;
  }
};

describe('loadConfig', () => {
  it('makes a frozen tree with defaults', () => {
    const config = loadConfig({ NODE_ENV: 'test' });
    expect(config.api).toMatchObject({ port: 3000, host: '127.0.0.1', publicUrl: 'http://localhost:3000' });
    expect(config.out.allowPrivateNetworks).toBe(true);
    expect(Object.isFrozen(config.health.ports)).toBe(true);
    expect(() => Object.assign(config.api, { port: 1 })).toThrow(TypeError);
  });

  it('accepts a sound production environment and is strict about private networks there', () => {
    const config = loadConfig(production);
    expect(config.secrets.masterKey).toHaveLength(32);
    expect(config.api.publicUrl).toBe('https://carillon.example.com');
    expect(config.out.allowPrivateNetworks).toBe(false);
  });

  it('takes keys in hex, lists of earlier keys, and blanks as unset', () => {
    const hex = randomBytes(32).toString('hex');
    const config = loadConfig({
      ...production,
      CARILLON_MASTER_KEY: hex,
      CARILLON_SIGNING_KEY_PREVIOUS: `${key()}, ${key()}`,
      QUEUE_URL: ' ',
    });
    expect(config.secrets.masterKey.toString('hex')).toBe(hex);
    expect(config.secrets.previousSigningKeys.map((k) => k.length)).toEqual([32, 32]);
    expect(config.queue.url).toBeUndefined();
  });

  it('says everything that is wrong at once, and never prints a secret', () => {
    const sentences = sentencesOf({
      NODE_ENV: 'production',
      API_PORT: 'eighty',
      DATABASE_URL: 'mysql://root:hunter2@db/x',
      CARILLON_MASTER_KEY: 'c2hvcnQ=',
    });
    expect(sentences).toHaveLength(3);
    expect(sentences.join('\n')).toMatch(/API_PORT: a port number.*"eighty"/);
    expect(sentences.join('\n')).toMatch(/CARILLON_MASTER_KEY: 32 random bytes in base64 \(these are 5\)/);
    expect(sentences.join('\n')).not.toContain('hunter2');
    expect(sentences.join('\n')).not.toContain('c2hvcnQ=');
  });

  it.each([
    ['no master key', { CARILLON_MASTER_KEY: undefined }, /CARILLON_MASTER_KEY is not set/],
    ['no signing key', { CARILLON_SIGNING_KEY: '' }, /CARILLON_SIGNING_KEY is not set/],
    ['zeros as a key', { CARILLON_MASTER_KEY: Buffer.alloc(32).toString('base64') }, /not random/],
    [
      'words as a key',
      { CARILLON_SIGNING_KEY: Buffer.from('correct horse battery staple 123').toString('base64') },
      /not random/,
    ],
    [
      'the key of the tests',
      { CARILLON_MASTER_KEY: loadConfig({ NODE_ENV: 'test' }).secrets.masterKey.toString('base64') },
      /not random/,
    ],
    ['one key for both', { CARILLON_SIGNING_KEY: production.CARILLON_MASTER_KEY }, /same as/],
    ['no database', { DATABASE_URL: undefined }, /DATABASE_URL is not set/],
    ['a default password', { DATABASE_URL: 'postgresql://app:postgres@db/x' }, /default/],
    ['the user as password', { DATABASE_URL: 'postgresql://mailer:mailer@localhost/x' }, /default/],
    ['no password over a network', { DATABASE_URL: 'postgresql://app@db/x' }, /no password/],
    ['no public address', { PUBLIC_URL: undefined }, /PUBLIC_URL is not set/],
    ['debugging logs', { LOG_LEVEL: 'debug' }, /LOG_LEVEL is debug/],
    ['failpoints', { CARILLON_FAILPOINTS: 'after-mark:kill:3' }, /CARILLON_FAILPOINTS is set/],
    ['bugs', { CARILLON_BUGS: 'expiry-ignored' }, /CARILLON_BUGS is set/],
    ['DEBUG', { DEBUG: '*' }, /DEBUG is set/],
    ['TLS checks off', { NODE_TLS_REJECT_UNAUTHORIZED: '0' }, /NODE_TLS_REJECT_UNAUTHORIZED/],
  ])('refuses production with %s', (_what, change, sentence) => {
    const sentences = sentencesOf({ ...production, ...change });
    expect(sentences).toHaveLength(1);
    expect(sentences[0]).toMatch(sentence);
  });

  it('asks for keys in development too, and says how to make them', () => {
    expect(sentencesOf({})).toEqual([
      expect.stringMatching(/CARILLON_MASTER_KEY is not set.*openssl rand -base64 32/),
      expect.stringMatching(/CARILLON_SIGNING_KEY is not set/),
    ]);
  });
});

describe('faults on purpose', () => {
  it('are read with what, where and how often', () => {
    const { faults } = loadConfig({
      NODE_ENV: 'test',
      CARILLON_FAILPOINTS: 'after-mark:kill:40, before-claim:pause:1',
      CARILLON_BUGS: 'expiry-ignored',
    });
    expect(faults).toEqual({
      armed: [
        { name: 'after-mark', action: 'kill', every: 40 },
        { name: 'before-claim', action: 'pause', every: 1 },
      ],
      bugs: ['expiry-ignored'],
    });
  });
  it.each([
    ['CARILLON_FAILPOINTS', 'after-mark'],
    ['CARILLON_FAILPOINTS', 'after-lunch:kill:1'],
    ['CARILLON_FAILPOINTS', 'after-mark:kill:0'],
    ['CARILLON_BUGS', 'butterfly'],
  ])('refuses %s=%s, and says what may stand there', (name, value) => {
    expect(sentencesOf({ NODE_ENV: 'test', [name]: value }).join()).toMatch(/after-mark|expiry-ignored/);
  });
  it('strike at every n-th pass of their place, and only there', () => {
    useConfig(
      loadConfig({
        NODE_ENV: 'test',
        CARILLON_FAILPOINTS: 'after-mark:kill:2',
        CARILLON_BUGS: 'expiry-ignored',
      }),
    );
    const kill = jest.spyOn(process, 'kill').mockReturnValue(true);
    for (let pass = 0; pass < 5; pass++) {
      failpoint('after-mark');
      failpoint('after-claim');
    }
    expect(kill.mock.calls).toEqual([
      [process.pid, 'SIGKILL'],
      [process.pid, 'SIGKILL'],
    ]);
    kill.mockRestore();
    expect([bug('expiry-ignored'), bug('receipt-lost')]).toEqual([true, false]);
    useConfig(loadConfig({ NODE_ENV: 'test' }));
    expect(bug('expiry-ignored')).toBe(false);
  });
});

describe('the table of variables', () => {
  it('gives every variable a group and a meaning', () => {
    expect(variables.filter((v) => !v.group || !v.meaning)).toEqual([]);
  });
  it('marks every variable that may hold a password or a key', () => {
    const suspects = variables.filter((v) => /KEY|TOKEN|PASSWORD|DATABASE.*URL|QUEUE_URL/.test(v.name));
    expect(suspects.length).toBeGreaterThan(5);
    expect(suspects.filter((v) => !v.secret)).toEqual([]);
  });
  it('is what docs/configuration.md says (npm run docs -w @carillon/config)', () => {
    const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
    expect(page).toBe(configurationPage());
  });
});
