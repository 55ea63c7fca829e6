/** `npm start` as an operator meets it: killed, killed below, started twice, run as separate processes. */
import { Carillon } from '@carillon/sdk';
import { eventually } from '@carillon/testing';
import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './compose.js';
import { startStack, type Stack } from './stack.js';

const client = (stack: Stack) => new Carillon({ apiKey: stack.apiKey, baseUrl: stack.url });
const all = ['email', 'sms', 'push', 'in-app'] as const;

/** Sends the welcome on every channel and waits until each has ended well. */
async function sendsAll(stack: Stack): Promise<string> {
  const carillon = client(stack);
  const message = await carillon.messages.send({
    to: { profile: 'ada' },
    channels: [...all],
    template: 'welcome',
  });
  await eventually(async () => {
    const { deliveries } = await carillon.messages.get(message.id);
    expect(deliveries.map((d) => `${d.channel} ${d.status}`).sort()).toEqual([
      'email sent',
      'in-app delivered',
      'push sent',
      'sms delivered',
    ]);
    return true;
  }, 60_000);
  return message.id;
}

describe('npm start', () => {
  it('comes back after kill -9 of itself, with everything it had accepted; a second start says that one runs', async () => {
    const first = await startStack();
    const id = await sendsAll(first);
    const scheduled = await client(first).messages.send({
      to: { email: 'after-the-crash@example.com' },
      channels: ['email'],
      content: { email: { subject: 'Later', text: 'Later' } },
      sendAt: new Date(Date.now() + 2000).toISOString(),
    });
    const second = spawnSync(process.execPath, [`${root}tools/start.mjs`], {
      env: { ...process.env, NODE_OPTIONS: '', NODE_ENV: 'development', CARILLON_DATA_DIR: first.dataDir },
      encoding: 'utf8',
    });
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/already running here \(process \d+\), at http/);

    await first.kill();
    const again = await startStack({ dataDir: first.dataDir });
    expect(again.apiKey).toBe(first.apiKey);
    expect((await client(again).messages.get(id)).deliveries).toHaveLength(4);
    await eventually(
      async () => (await client(again).messages.get(scheduled.id)).deliveries[0]?.status === 'sent',
      60_000,
    );
    expect(await again.stop()).toBe(0);
  }, 240_000);

  it('starts PostgreSQL again when it is killed, and goes on', async () => {
    const stack = await startStack();
    await sendsAll(stack);
    const pid = Number(readFileSync(path.join(stack.dataDir, 'pg/postmaster.pid'), 'utf8').split('\n')[0]);
    // In a user namespace the server knows itself by the same number: there is one process namespace.
    process.kill(pid, 'SIGKILL');
    await eventually(
      () => stack.output().includes('PostgreSQL ended unexpectedly: starting it again.'),
      30_000,
    );
    await eventually(() => client(stack).me(), 60_000);
    await sendsAll(stack);
    expect(await stack.stop()).toBe(0);
  }, 240_000);

  it('runs as one process per service with the same answers', async () => {
    const stack = await startStack({ command: 'services' });
    await sendsAll(stack);
    expect(await stack.stop()).toBe(0);
  }, 240_000);
});
