/** The linter's settings see the promises they are there for. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ESLint } from 'eslint';
import config from '../../eslint.config.mjs';

const SEND = 'const send = async (): Promise<void> => {};\n';

/** [what, source, the rule that must see it, or none]. */
const CASES = [
  ['that nobody waits for', 'send();', '@typescript-eslint/no-floating-promises'],
  ['taken for a truth', 'if (send()) throw new Error();', '@typescript-eslint/no-misused-promises'],
  ['lost in forEach', '[1].forEach(async () => send());', '@typescript-eslint/no-misused-promises'],
  [
    'switched off in passing',
    '// eslint-disable-next-line\nsend();',
    '@typescript-eslint/no-floating-promises',
  ],
  ['awaited', 'export const all = async () => { await send(); };', undefined],
  ['let go on purpose', 'void send();', undefined],
];

describe('a promise', () => {
  let folder;
  let found;
  // All at once: on a CI machine the linter reads the program once and never again.
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-lint-'));
    const source = path.join(folder, 'libs/x/src');
    fs.mkdirSync(source, { recursive: true });
    const project = { compilerOptions: { strict: true, lib: ['es2023'], types: [] }, include: ['libs'] };
    fs.writeFileSync(path.join(folder, 'tsconfig.lint.json'), JSON.stringify(project));
    CASES.forEach(([, text], i) =>
      fs.writeFileSync(path.join(source, `${i}.ts`), `${SEND}${text}\nexport {};\n`),
    );
    const eslint = new ESLint({
      cwd: folder,
      overrideConfigFile: true,
      overrideConfig: config.map((entry) => within(folder, entry)),
    });
    const results = await eslint.lintFiles(['libs/**/*.ts']);
    found = CASES.map((_case, i) => {
      const result = results.find(({ filePath }) => filePath.endsWith(`${path.sep}${i}.ts`));
      return result.messages.filter(({ severity }) => severity === 2).map(({ ruleId }) => ruleId);
    });
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  it.each(CASES.map(([what, , rule], i) => [what, rule ?? 'nothing', i, rule]))(
    '%s: %s',
    (_what, _name, i, rule) => {
      expect(found[i]).toEqual(rule ? expect.arrayContaining([rule]) : []);
    },
  );
});

/** The workspace's settings, with their type information from another folder. */
function within(folder, entry) {
  if (!entry.languageOptions) return entry;
  const { parserOptions } = entry.languageOptions;
  return {
    ...entry,
    languageOptions: {
      ...entry.languageOptions,
      parserOptions: { ...parserOptions, tsconfigRootDir: folder },
    },
  };
}
