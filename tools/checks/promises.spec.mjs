/** The linter's settings see the promises they are there for. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ESLint } from 'eslint';
import config from '../../eslint.config.mjs';

const FILE = 'libs/x/src/index.ts';
const SEND = 'const send = async (): Promise<void> => {};\n';

describe('a promise', () => {
  let folder;
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'carillon-lint-'));
    fs.mkdirSync(path.dirname(path.join(folder, FILE)), { recursive: true });
    fs.writeFileSync(
      path.join(folder, 'tsconfig.lint.json'),
      JSON.stringify({ compilerOptions: { strict: true }, include: ['libs'] }),
    );
  });
  afterAll(() => fs.rmSync(folder, { recursive: true }));

  async function lint(text) {
    fs.writeFileSync(path.join(folder, FILE), text);
    const here = config.map((entry) =>
      entry.languageOptions
        ? {
            ...entry,
            languageOptions: {
              ...entry.languageOptions,
              parserOptions: {
                ...entry.languageOptions.parserOptions,
                tsconfigRootDir: folder,
                // With CI set the parser reads each file once, and this one changes from case to case.
                disallowAutomaticSingleRunInference: true,
              },
            },
          }
        : entry,
    );
    const eslint = new ESLint({ cwd: folder, overrideConfigFile: true, overrideConfig: here });
    const [result] = await eslint.lintFiles([FILE]);
    return result.messages.filter(({ severity }) => severity === 2).map(({ ruleId }) => ruleId);
  }

  it.each([
    ['that nobody waits for', `${SEND}send();`, '@typescript-eslint/no-floating-promises'],
    ['taken for a truth', `${SEND}if (send()) throw new Error();`, '@typescript-eslint/no-misused-promises'],
    ['lost in forEach', `${SEND}[1].forEach(async () => send());`, '@typescript-eslint/no-misused-promises'],
    [
      'switched off in passing',
      `${SEND}// eslint-disable-next-line\nsend();`,
      '@typescript-eslint/no-floating-promises',
    ],
  ])('%s is seen', async (_what, text, rule) => {
    expect(await lint(text)).toContain(rule);
  });

  it('that is awaited, returned or let go on purpose is fine', async () => {
    expect(
      await lint(`${SEND}export const all = async () => { await send(); void send(); return send(); };`),
    ).toEqual([]);
  });
});
