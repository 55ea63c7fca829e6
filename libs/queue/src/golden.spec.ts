/**
 * Payloads as released versions have written them. A process that is upgraded finds such jobs in its queues, so every
 * one must be taken for ever; add a file when a payload gets another form, and never change or remove one.
 */
import { queueNames, type QueueName } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { judge } from './payload.js';

const folder = new URL('../../contracts/golden/', import.meta.url);
const golden = readdirSync(folder).flatMap((file) =>
  Object.entries(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Record<string, object[]>).flatMap(
    ([queue, payloads]) => payloads.map((payload) => ({ file, queue: queue as QueueName, payload })),
  ),
);

describe('payloads of earlier versions', () => {
  it.each(golden)('$file: $queue is still worked', ({ queue, payload }) => {
    expect(queueNames).toContain(queue);
    expect(judge(queue, payload)).toEqual({ ok: true, payload });
  });
  it('cover every queue', () => {
    expect([...new Set(golden.map(({ queue }) => queue))].sort()).toEqual([...queueNames].sort());
  });
  it('of a version nobody knows are parked, not guessed at', () => {
    for (const queue of queueNames)
      expect(judge(queue, { v: 99, ids: [] })).toEqual({
        ok: false,
        why: expect.stringMatching(/unknown payload version 99/),
      });
  });
});
