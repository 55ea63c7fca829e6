import type { Service } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { checkHandlers } from './index.js';

const email = ['deliver-email-transactional', 'deliver-email-journey', 'deliver-email-bulk'];
const audience = ['route-event', 'import-profiles'];

describe('checkHandlers', () => {
  it.each<[string, Service[], string[]]>([
    ['nothing served, nothing handled', [], []],
    ['a service with all its queues', ['dispatcher-email'], email],
    ['several services in one process', ['dispatcher-email', 'audience'], [...email, ...audience]],
    ['a service that works no queue', ['api'], []],
  ])('is content with %s', (_name, services, handlers) => {
    expect(() => checkHandlers(services, handlers)).not.toThrow();
  });

  it.each<[string, Service[], string[], string]>([
    [
      'a queue without a handler',
      ['dispatcher-email'],
      email.slice(0, 2),
      `Nothing works the queue "deliver-email-bulk", which dispatcher-email serves: add @Work('deliver-email-bulk') to a method of a controller in its module.`,
    ],
    [
      'two handlers for one queue',
      ['audience'],
      [...audience, 'route-event'],
      `The queue "route-event" has 2 handlers, and a job goes to one: keep one @Work('route-event').`,
    ],
    [
      'a handler for a queue of another service',
      ['dispatcher-email'],
      [...email, 'route-event'],
      'The queue "route-event" belongs to audience, and this process serves dispatcher-email: leave its module out, or serve audience too.',
    ],
    [
      'a handler for no queue',
      ['audience'],
      [...audience, 'route-events'],
      'There is no queue "route-events": add it to libs/contracts/src/queues.ts, or correct the name in @Work.',
    ],
  ])('says what to write for %s', (_name, services, handlers, sentence) => {
    expect(() => checkHandlers(services, handlers)).toThrow(new Error(sentence));
  });

  it('says everything at once', () => {
    expect(() => checkHandlers(['dispatcher-email'], ['route-event'])).toThrow(
      /(.*\n){3}.*belongs to audience/,
    );
  });
});
