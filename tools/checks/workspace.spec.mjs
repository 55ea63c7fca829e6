/**
 * The house rules over this workspace, and the proof that each of them sees its violation: a small clean workspace
 * in a temporary folder, with one thing planted in it at a time.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { root } from '../data-folder.mjs';
import { readWorkspace } from './read-workspace.mjs';
import { check, rules } from './rules.mjs';

describe('this workspace', () => {
  let findings;
  beforeAll(() => {
    findings = check(readWorkspace(root));
  });

  it.each(Object.keys(rules))('%s', (rule) => {
    expect(
      findings
        .filter((finding) => finding.rule === rule)
        .map(({ where, sentence }) => `${where} ${sentence}`),
    ).toEqual([]);
  });
});

/** Manifest and tsconfig of a project; `more` replaces parts of the manifest. */
function project(folder, name, tag, dependencies = {}, more = {}, references = []) {
  return {
    [`${folder}/package.json`]: JSON.stringify({ name, nx: { tags: [tag] }, dependencies, ...more }),
    [`${folder}/tsconfig.json`]: JSON.stringify({
      references: references.map((to) => ({ path: path.posix.relative(folder, to) })),
    }),
  };
}

const CLEAN = {
  'package.json': JSON.stringify({
    name: 'carillon',
    workspaces: ['apps/*', 'libs/*', 'libs/channels/*', 'libs/audience/*', 'libs/delivery/*'],
    devDependencies: { '@jest/globals': '1' },
    allowScripts: { esbuild: false },
  }),
  'package-lock.json': JSON.stringify({
    packages: {
      '': {},
      'node_modules/esbuild': { version: '0.28.2', hasInstallScript: true },
      'node_modules/liquidjs': { version: '10.27.2' },
      'node_modules/@carillon/words': { resolved: 'libs/words', link: true },
    },
  }),
  'tools/checks/floors.json': JSON.stringify({ liquidjs: { version: '10.27.2', why: 'holes' } }),
  ...project('libs/words', '@carillon/words', 'contract', { zod: '4' }),
  'libs/words/src/index.ts': `import { z } from 'zod';\nexport const Id = z.string();`,
  ...project('libs/queue', '@carillon/queue', 'platform', { '@carillon/words': '*', bullmq: '6' }, {}, [
    'libs/words',
  ]),
  'libs/queue/src/index.ts': `import { Queue } from 'bullmq';\nimport { Id } from '@carillon/words';\nexport const send = (q: Queue) => q.add('x', Id);`,
  ...project('libs/audience/rules', '@carillon/audience-rules', 'rules', { '@carillon/words': '*' }, {}, [
    'libs/words',
  ]),
  'libs/audience/rules/src/index.ts': `import type { Id } from '@carillon/words';\nexport const due = (id: typeof Id, now: Date) => now;`,
  'libs/audience/rules/src/due.spec.ts': `import { it } from '@jest/globals';\nimport { freshDatabase } from '@carillon/testing';\nimport { due } from './index.js';\nit('is now', () => due(freshDatabase, new Date()));`,
  ...project(
    'libs/audience/service',
    '@carillon/audience-service',
    'service',
    { '@carillon/queue': '*' },
    {},
    ['libs/queue'],
  ),
  'libs/audience/service/src/index.ts': `import { send } from '@carillon/queue';\nexport const route = send;`,
  ...project(
    'libs/delivery/service',
    '@carillon/delivery-service',
    'service',
    { '@carillon/audience-service': '*' },
    {},
    ['libs/audience/service'],
  ),
  'libs/delivery/service/src/index.ts': `import { route } from '@carillon/audience-service';\nexport const accept = route;`,
  ...project(
    'libs/channels/sms',
    '@carillon/channel-sms',
    'channel',
    { '@carillon/audience-rules': '*' },
    {},
    ['libs/audience/rules'],
  ),
  'libs/channels/sms/src/index.ts': `import { due } from '@carillon/audience-rules';\nexport { due };\n// process.env, it.only and import('bullmq') in a comment are just words\nexport const words = 'process.env.X it.only()';`,
  ...project('libs/testing', '@carillon/testing', 'testing'),
  'libs/testing/src/index.ts': `export const freshDatabase = () => process.env.TEST_URL;`,
  ...project('apps/api', '@carillon/api', 'app', { '@carillon/delivery-service': '*' }, {}, [
    'libs/delivery/service',
  ]),
  'apps/api/src/main.ts': `import { accept } from '@carillon/delivery-service';\naccept;`,
};

/** [rule, what is planted, files that replace or join the clean ones]. */
const PLANTED = [
  [
    'everyProjectHasOneTag',
    'a project without a tag',
    project('libs/testing', '@carillon/testing', undefined, {}, { nx: {} }),
  ],
  [
    'everyProjectHasOneTag',
    'two tags',
    project('libs/testing', '@carillon/testing', '', {}, { nx: { tags: ['app', 'testing'] } }),
  ],
  ['everyProjectHasOneTag', 'a tag nobody knows', project('libs/testing', '@carillon/testing', 'misc')],
  [
    'whoMayImportWhom',
    'a contract that knows a service',
    plantImport('libs/words/src/index.ts', '@carillon/audience-service'),
  ],
  [
    'whoMayImportWhom',
    'a channel that knows the queue',
    plantImport('libs/channels/sms/src/index.ts', '@carillon/queue'),
  ],
  [
    'whoMayImportWhom',
    'a service that knows one to its right',
    plantImport('libs/audience/service/src/index.ts', '@carillon/delivery-service'),
  ],
  [
    'whoMayImportWhom',
    'a dynamic import',
    { 'libs/words/src/lazy.ts': `export const later = () => import('@carillon/queue');` },
  ],
  ['whoMayImportWhom', 'a re-export', { 'libs/words/src/again.ts': `export * from '@carillon/queue';` }],
  [
    'whoMayImportWhom',
    'types only',
    { 'libs/words/src/types.ts': `export type S = import('@carillon/queue').S;` },
  ],
  ['whoMayImportWhom', 'test tools outside specs', plantImport('apps/api/src/main.ts', '@carillon/testing')],
  [
    'packagesAreEnteredByTheirName',
    'a path into a neighbour',
    { 'libs/queue/src/near.ts': `import '../../words/src/index.js';` },
  ],
  [
    'environmentIsReadByConfigOnly',
    'process.env',
    { 'apps/api/src/env.ts': `export const port = process.env.PORT;` },
  ],
  [
    'environmentIsReadByConfigOnly',
    "process['env']",
    { 'apps/api/src/env.ts': `export const port = process['env'].PORT;` },
  ],
  [
    'environmentIsReadByConfigOnly',
    'env taken out of process',
    { 'apps/api/src/env.ts': `const { env } = process;\nexport const port = env.PORT;` },
  ],
  [
    'environmentIsReadByConfigOnly',
    'env imported',
    { 'apps/api/src/env.ts': `import { env } from 'node:process';\nexport const port = env.PORT;` },
  ],
  ['bullmqStaysInQueue', 'bullmq in a service', plantImport('libs/audience/service/src/index.ts', 'bullmq')],
  [
    'channelsKnowNoServer',
    'Nest in a channel',
    plantImport('libs/channels/sms/src/index.ts', '@nestjs/common'),
  ],
  ['channelsKnowNoServer', 'pg in a channel', plantImport('libs/channels/sms/src/index.ts', 'pg')],
  [
    'rulesDoNoInputOrOutput',
    'a file read in rules',
    plantImport('libs/audience/rules/src/index.ts', 'node:fs/promises'),
  ],
  ['rulesDoNoInputOrOutput', 'a database in rules', plantImport('libs/audience/rules/src/index.ts', 'pg')],
  [
    'rulesDoNoInputOrOutput',
    'fetch in rules',
    { 'libs/audience/rules/src/get.ts': `export const get = () => fetch('http://x');` },
  ],
  [
    'rulesTakeTimeAndChanceAsArguments',
    'the clock in rules',
    { 'libs/audience/rules/src/now.ts': `export const now = () => new Date();` },
  ],
  [
    'rulesTakeTimeAndChanceAsArguments',
    'chance in rules',
    { 'libs/audience/rules/src/dice.ts': `export const dice = () => Math.random();` },
  ],
  ['contractsNeedZodOnly', 'another package in contracts', plantImport('libs/words/src/index.ts', 'pg')],
  [
    'noCirclesInsideProjects',
    'two files in a circle',
    {
      'libs/queue/src/a.ts': `import { b } from './b.js';\nexport const a = b;`,
      'libs/queue/src/b.ts': `import { a } from './a.js';\nexport const b = a;`,
    },
  ],
  [
    'noCirclesBetweenProjects',
    'two projects in a circle',
    plantImport('libs/words/src/index.ts', '@carillon/queue'),
  ],
  ['referencesEqualDependencies', 'a reference too few', { 'libs/queue/tsconfig.json': '{}' }],
  [
    'referencesEqualDependencies',
    'a reference too many',
    { 'libs/words/tsconfig.json': JSON.stringify({ references: [{ path: '../queue' }] }) },
  ],
  ['everyImportIsDeclared', 'a package nobody declared', plantImport('apps/api/src/main.ts', 'left-pad/sub')],
  ['everyImportIsDeclared', 'in a spec', { 'apps/api/src/a.spec.ts': `import 'supertest';` }],
  [
    'declaredProjectsAreUsed',
    'a project declared for nothing',
    project('libs/testing', '@carillon/testing', 'testing', { '@carillon/words': '*' }, {}, ['libs/words']),
  ],
  ...['it.only', 'describe.skip', 'test.todo', 'fit', 'xdescribe'].map((word) => [
    'noFocusedOrSkippedTests',
    word,
    {
      'apps/api/src/a.spec.ts': `import { it, describe, test } from '@jest/globals';\n${word}('x', () => {});`,
    },
  ]),
  [
    'noFocusedOrSkippedTests',
    'a suite skipped on a condition',
    { 'apps/api/src/a.spec.ts': `(process.env.X ? describe : describe.skip)('x', () => {});` },
  ],
  ['noGrabBags', 'utils.ts', { 'apps/api/src/utils.ts': '' }],
  ['noGrabBags', 'a folder of helpers', { 'apps/api/src/helpers/time.ts': '' }],
  ['noMachinePaths', 'a home folder', { 'docs/start.md': `cd ${['', 'home', 'ada', 'carillon'].join('/')}` }],
  ['noSecretsInFiles', 'an API key', { 'docs/start.md': `ck_dev_${'a1'.repeat(6)}_${'Bc4'.repeat(14)}x` }],
  [
    'noSecretsInFiles',
    'a private key',
    {
      'libs/words/src/key.ts': `export const pem = '-----BEGIN ${'PRIVATE'} KEY-----\\n${'MIIE'.repeat(12)}';`,
    },
  ],
  ['noSecretsInFiles', 'a key of a provider', { '.env.example': `AWS=${'AKIA'}${'A2'.repeat(8)}` }],
  [
    'everyClauseOfThePromiseHasItsTest',
    'a clause without a test',
    { 'README.md': '# x\n\n## The promise\n\n| Clause | Tests |\n| --- | --- |\n| **Kept.** | later |\n' },
  ],
  [
    'everyClauseOfThePromiseHasItsTest',
    'a test that is gone',
    {
      'README.md':
        '## The promise\n\n| **Kept.** | [accept](apps/api/src/gone.spec.ts) |\n\n## More\n\n| **Not a clause** |\n',
    },
  ],
  [
    'lockNamesNoHosts',
    'a download address',
    lockWith({ 'node_modules/x': { version: '1.0.0', resolved: 'https://registry.example/x.tgz' } }),
  ],
  [
    'installScriptsAreDecided',
    'a new install script',
    lockWith({ 'node_modules/a/node_modules/@b/c': { version: '1.0.0', hasInstallScript: true } }),
  ],
  [
    'noVersionBelowItsFloor',
    'an old one deep in the tree',
    lockWith({ 'node_modules/a/node_modules/liquidjs': { version: '10.26.9' } }),
  ],
  [
    'noVersionBelowItsFloor',
    'a prerelease of the floor',
    lockWith({ 'node_modules/a/node_modules/liquidjs': { version: '10.27.2-rc.1' } }),
  ],
];

function plantImport(file, specifier) {
  return { [file]: `import * as planted from '${specifier}';\n${CLEAN[file]}\nplanted;` };
}

function lockWith(packages) {
  const lock = JSON.parse(CLEAN['package-lock.json']);
  return { 'package-lock.json': JSON.stringify({ packages: { ...lock.packages, ...packages } }) };
}

describe('the checks', () => {
  const trees = [];
  const tree = (planted = {}) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-checks-'));
    trees.push(folder);
    for (const [file, text] of Object.entries({ ...CLEAN, ...planted })) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      fs.writeFileSync(path.join(folder, file), text);
    }
    return readWorkspace(folder);
  };
  afterAll(() => trees.forEach((folder) => fs.rmSync(folder, { recursive: true, force: true })));

  it('find nothing in a clean workspace', () => {
    expect(check(tree())).toEqual([]);
  });

  it.each(PLANTED)('%s sees %s', (rule, _what, planted) => {
    const findings = rules[rule](tree(planted));
    expect(findings).toHaveLength(1);
  });

  it('have a planted violation for every rule', () => {
    expect(Object.keys(rules).filter((rule) => !PLANTED.some(([planted]) => planted === rule))).toEqual([]);
  });
});
