import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { describeProvider, sendContext } from '@carillon/testing';
import type { RenderedEmail } from '../render.js';
import { log } from './log.js';

const rendered: RenderedEmail = {
  unsubscribeUrl: '',
  from: null,
  replyTo: 'desk@acme.test',
  subject: 'Your parcel has left Rotterdam',
  html: '<p>Thursday, für sicher.</p>',
  text: 'Thursday, für sicher.',
  attachments: [],
};

let lines: string[] = [];
beforeEach(() => {
  lines = [];
  jest.spyOn(console, 'info').mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => {
  jest.restoreAllMocks();
});

describeProvider(log, {
  channel: null,
  transport: null,
  settings: () => ({}),
  wrongCredentials: null,
  rendered,
  // It calls nobody: there is nobody to refuse, slow down or fall silent.
  addresses: {
    accepted: ['ada@example.test', 'grace@example.test'],
    refused: null,
    deferred: null,
    rateLimited: null,
    resetAfter: null,
    silent: null,
  },
  webhook: null,
});

it('writes one line per message, without a word of it', async () => {
  const test = sendContext({});
  const message = (n: number) => ({
    deliveryId: `01890000-0000-7000-8000-00000000000${n}`,
    attemptId: `01890000-0000-7000-8000-00000000000${n}`,
    address: 'ada@example.test',
    messageClass: 'transactional' as const,
    rendered,
  });
  await log.send([message(1), message(2)], test.context);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
    [1, 2].map((n) => ({
      provider: 'log',
      deliveryId: message(n).deliveryId,
      class: 'transactional',
      htmlBytes: 29,
      textBytes: 22,
      attachments: 0,
    })),
  );
  await test.close();
});
