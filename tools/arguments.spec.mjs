import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { countFrom } from './arguments.mjs';
import { root } from './data-folder.mjs';

const run = (command, ...given) => {
  const env = { ...process.env, NODE_OPTIONS: '', JEST_WORKER_ID: undefined };
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(root, `tools/${command}.mjs`), ...given],
    { encoding: 'utf8', env },
  );
  return { status, stdout, stderr };
};

describe('a command of the checkout', () => {
  it.each([
    ['start', 'npm start '],
    ['services', 'npm run start:services '],
    ['demo', 'npm run demo '],
    ['bench', 'npm run bench '],
    ['chaos', 'npm run chaos '],
    ['adopt-copy', 'npm run adopt-copy '],
    ['rebuild-queues', 'npm run rebuild-queues '],
  ])('%s tells how it is called, and does nothing that it does not know', (command, begins) => {
    const asked = run(command, '--help');
    expect(asked).toMatchObject({ status: 0, stderr: '' });
    expect(asked.stdout.startsWith(begins)).toBe(true);

    const wrong = run(command, '--quikc');
    expect(wrong).toMatchObject({ status: 1, stdout: '' });
    expect(wrong.stderr).toBe(`Unknown option '--quikc'.\n\n${asked.stdout}`);
  });

  it.each([
    ['demo', ['journeys'], "There is no demo 'journeys'."],
    ['demo', ['campaign', 'many'], "'many' is no number of people: write a whole number above 0."],
    ['bench', ['speed'], 'Say which.'],
    ['start', ['8080'], "Nothing is known of '8080' here."],
  ])('%s %j is answered before anything is begun', (command, given, sentence) => {
    const { status, stdout, stderr } = run(command, ...given);
    expect({ status, stdout, first: stderr.split('\n')[0] }).toEqual({
      status: 1,
      stdout: '',
      first: sentence,
    });
  });

  it.each(['0', '-3', '1.5', 'x', ''])('takes %j for no count', (given) => {
    expect(() => countFrom(given)).toThrow('write a whole number');
  });
});
