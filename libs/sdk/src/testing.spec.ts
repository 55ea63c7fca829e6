/** Journeys without a server: each of the six ready ones on its main way and where it turns off, and the rules of the gate. */
import { describe, expect, it } from '@jest/globals';
import { JourneyDefinition } from '@carillon/contracts';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { event, from, journey, outcome, property } from './index.js';
import {
  abandonedCart,
  appointment,
  loginCode,
  orderUpdates,
  readyJourneys,
  welcome,
  winBack,
} from './ready.js';
import { testWorld, type TestPerson, type TestWorld, type TestWorldOptions } from './testing.js';

const ada: TestPerson = {
  externalId: 'ada',
  email: 'ada@example.com',
  phone: '+4915112345678',
  timezone: 'Europe/Berlin',
  devices: ['ios'],
};
const alone = (one: TestWorldOptions['journeys'][number], more: Partial<TestWorldOptions> = {}): TestWorld =>
  testWorld({ journeys: [one], people: [ada], ...more });
const left = (world: TestWorld) =>
  world.messages.map(({ at, channel, step }) => `${at?.toISOString().slice(0, 16)} ${channel} ${step}`);

describe('welcome', () => {
  it('greets at once, and offers help on a morning two days later', async () => {
    const world = alone(welcome);
    await world.event('user.signed_up');
    expect(world.messages).toMatchObject([{ subject: 'Welcome', to: 'ada@example.com', status: 'sent' }]);
    await world.advance('7d');
    // Monday 09:00 UTC, two days, then the next 09:00 in Berlin.
    expect(left(world)).toEqual(['2026-01-05T09:00 email welcome', '2026-01-08T08:00 email help']);
    expect(world.visit('welcome')).toMatchObject({ outcome: 'done' });
  });

  it('is over for who begins, and lets nobody in twice', async () => {
    const world = alone(welcome);
    await world.event('user.signed_up');
    await world.advance('1d');
    await world.event('project.created');
    await world.event('user.signed_up');
    await world.advance('7d');
    expect(world.messages).toHaveLength(1);
    expect(world.visit('welcome')).toMatchObject({ outcome: 'goal', reason: 'Began' });
    expect(world.refused).toMatchObject([{ reason: 'never_again' }]);
  });
});

describe('abandoned cart', () => {
  it('reminds an hour after the last change, and offers free delivery for much', async () => {
    const world = alone(abandonedCart);
    await world.event('cart.updated', { total: 120 });
    await world.advance('40m');
    await world.event('cart.updated', { total: 140 });
    await world.advance('3d');
    expect(left(world)).toEqual(['2026-01-05T10:40 email remind', '2026-01-06T10:40 email discount']);
  });

  it('says no more about little, to who orders, or to who empties it', async () => {
    const little = alone(abandonedCart);
    await little.event('cart.updated', { total: 20 });
    await little.advance('3d');
    expect(little.messages).toHaveLength(1);

    for (const [happens, ended] of [
      ['order.placed', 'goal'],
      ['cart.emptied', 'exit'],
    ] as const) {
      const world = alone(abandonedCart);
      await world.event('cart.updated', { total: 120 });
      await world.advance('10m');
      await world.event(happens);
      await world.advance('3d');
      expect(world.messages).toEqual([]);
      expect(world.visit('abandoned-cart')).toMatchObject({ outcome: ended });
    }
  });
});

describe('login code', () => {
  it('goes by push, and nowhere else once that has arrived', async () => {
    const world = alone(loginCode);
    await world.event('login.code_requested', { code: '4711' });
    await world.advance('5m');
    expect(world.messages).toMatchObject([
      { channel: 'push', title: 'Your code', text: '4711', status: 'delivered' },
    ]);
    expect(world.deliveries.filter(({ channel }) => channel !== 'push')).toMatchObject([
      { status: 'suppressed', reason: 'not_needed' },
      { status: 'suppressed', reason: 'not_needed' },
    ]);
  });

  it('falls back to SMS after its patience, and at once to email where a channel refuses', async () => {
    const late = alone(loginCode, { outcomes: { delivered: 0 } });
    await late.event('login.code_requested', { code: '4711' });
    await late.advance('10m');
    expect(
      late.messages.map(({ at, channel }) => [Number(at) - Number(late.messages[0]!.at), channel]),
    ).toEqual([
      [0, 'push'],
      [30_000, 'sms'],
      [60_000, 'email'],
    ]);

    const without = testWorld({
      journeys: [loginCode],
      people: [
        {
          externalId: 'bo',
          email: 'bo@example.com',
          phone: '+4915112345679',
          suppressed: [{ channel: 'sms', reason: 'hard_bounced' }],
        },
      ],
    });
    await without.event('login.code_requested', { code: '1' });
    expect(without.messages).toMatchObject([{ channel: 'email', text: 'Your code is 1.' }]);
    expect(without.deliveries.map(({ channel, reason }) => [channel, reason])).toEqual([
      ['push', 'no_address'],
      ['sms', 'hard_bounced'],
      ['email', null],
    ]);
  });

  it('cannot be asked without a code: the journey ends with the sentence', async () => {
    const world = alone(loginCode);
    await world.event('login.code_requested');
    expect(world.visit('login-code')).toMatchObject({
      outcome: 'error',
      reason: expect.stringContaining('event.code'),
    });
  });
});

describe('win back', () => {
  const people = Array.from({ length: 200 }, (_, n) => ({ externalId: `p${n}`, email: `p${n}@example.com` }));

  it('shares people out, always the same, and puts those to sleep who show no sign', async () => {
    const run = async () => {
      const world = testWorld({ journeys: [winBack], people });
      for (const { externalId } of people) await world.joins('lapsed', { profile: externalId });
      await world.advance('20d');
      return world;
    };
    const [first, second] = [await run(), await run()];
    const shares = first.messages.map(({ profile, step }) => `${profile} ${step}`);
    expect(second.messages.map(({ profile, step }) => `${profile} ${step}`)).toEqual(shares);
    expect(new Set(first.messages.map(({ step }) => step))).toEqual(new Set(['discount', 'news']));
    expect(first.attributes({ profile: 'p7' })).toEqual({ asleep: true });
  });

  it('ends for who clicks, and for who orders', async () => {
    const world = testWorld({ journeys: [winBack], people: people.slice(0, 2) });
    await world.joins('lapsed', { profile: 'p0' });
    await world.joins('lapsed', { profile: 'p1' });
    await world.tell(world.messages[0], 'clicked');
    await world.event('order.placed', {}, { profile: 'p1' });
    expect(world.visits).toMatchObject([{ outcome: 'clicked' }, { outcome: 'goal' }]);
    expect(world.attributes({ profile: 'p0' })).toEqual({});
  });
});

describe('order updates', () => {
  it('keeps orders apart: one is sent, one is late, one is cancelled', async () => {
    const world = alone(orderUpdates);
    for (const orderId of ['a', 'b', 'c']) await world.event('order.placed', { orderId });
    await world.event('order.placed', { orderId: 'a' });
    expect(world.refused).toMatchObject([{ reason: 'inside' }]);
    expect(world.messages.map(({ text }) => text)).toEqual([
      'We have order a.',
      'We have order b.',
      'We have order c.',
    ]);
    await world.advance('15d');
    expect(world.visits).toMatchObject([{ outcome: 'done' }, { outcome: 'done' }, { outcome: 'done' }]);
    expect(world.visits[0]?.steps.map(({ step, way }) => [step, way])).toEqual([
      ['thanks', 'next'],
      ['shipping', 'otherwise'],
      ['late', 'next'],
    ]);
  });

  it('tells that it is on its way, by email where push does not arrive', async () => {
    const world = alone(orderUpdates, { outcomes: { delivered: 0 } });
    await world.event('order.placed', { orderId: '7' });
    await world.event('order.shipped', { orderId: '7' });
    await world.advance('1h');
    expect(left(world)).toEqual([
      '2026-01-05T09:00 email thanks',
      '2026-01-05T09:00 push on-its-way',
      '2026-01-05T09:05 email on-its-way',
    ]);
  });

  it('says nothing more about an order that is cancelled', async () => {
    const world = alone(orderUpdates);
    await world.event('order.placed', { orderId: '7' });
    await world.event('order.cancelled', { orderId: '7' });
    expect(world.visit('order-updates')).toMatchObject({ outcome: 'exit', reason: 'Cancelled' });
  });
});

describe('appointment', () => {
  const at = '2026-01-09T14:00:00Z';

  it('reminds a day before and an hour before, by email where the SMS fails', async () => {
    const world = alone(appointment, { outcomes: { steps: { soon: { failed: 1 } } } });
    await world.event('appointment.booked', { appointmentId: '1', at });
    await world.advance('10d');
    expect(left(world)).toEqual(['2026-01-08T14:00 email tomorrow']);
    expect(world.deliveries.filter(({ step }) => step === 'soon')).toMatchObject([
      { channel: 'sms', status: 'failed' },
      { channel: 'email', status: 'failed' },
    ]);
    const well = alone(appointment);
    await well.event('appointment.booked', { appointmentId: '1', at });
    await well.advance('10d');
    expect(left(well)).toEqual(['2026-01-08T14:00 email tomorrow', '2026-01-09T13:00 sms soon']);
  });

  it('leaves out what is past already, and stops when it is cancelled', async () => {
    const soon = alone(appointment);
    await soon.event('appointment.booked', { appointmentId: '1', at: '2026-01-05T20:00:00Z' });
    await soon.advance('1d');
    expect(left(soon)).toEqual(['2026-01-05T19:00 sms soon']);
    const past = alone(appointment);
    await past.event('appointment.booked', { appointmentId: '1', at: '2026-01-01T20:00:00Z' });
    expect(past.visit('appointment')).toMatchObject({ outcome: 'past' });
    const cancelled = alone(appointment);
    await cancelled.event('appointment.booked', { appointmentId: '1', at });
    await cancelled.event('appointment.cancelled', { appointmentId: '1' });
    await cancelled.advance('10d');
    expect(cancelled.messages).toEqual([]);
  });
});

describe('a world', () => {
  const offers = journey('offers')
    .on(event('asked'))
    .reentry('always')
    .send({ as: 'offer', channels: ['email'], template: 'offer', class: 'marketing', topic: 'sales' })
    .listen('2d', [
      { on: outcome('opened'), then: (j) => j.join('keen') },
      { on: outcome('failed'), then: (j) => j.end('failed') },
    ]);
  const templates = {
    offer: {
      content: { email: { subject: 'For {{ profile.name }}', html: '<p>{{ event.what }}</p>' } },
      locales: { de: { email: { subject: 'Für {{ profile.name }}', html: '<p>{{ event.what }}</p>' } } },
    },
  };
  const people = [{ ...ada, attributes: { name: 'Ada' } }];
  const ask = (world: TestWorld) => world.event('asked', { what: 'A & B' });

  it('keeps every rule of the gate', async () => {
    const reasonOf = async (more: Partial<TestWorldOptions>) => {
      const world = testWorld({ journeys: [offers], people, templates, ...more });
      await ask(world);
      return world.deliveries.at(-1)?.reason ?? null;
    };
    expect(await reasonOf({})).toBeNull();
    expect(await reasonOf({ noConsentMeans: 'out' })).toBe('no_consent');
    expect(
      await reasonOf({
        people: [{ ...people[0]!, consents: [{ channel: 'email', topic: 'sales', word: 'out' }] }],
      }),
    ).toBe('unsubscribed');
    expect(await reasonOf({ topics: { sales: { byDefault: 'out' } } })).toBe('no_consent');
    expect(await reasonOf({ gate: { holdouts: [{ key: 'all', percent: 100 }] } })).toBe('holdout');
    expect(await reasonOf({ gate: { allowList: ['@elsewhere.example'] } })).toBe('not_on_allow_list');
    expect(await reasonOf({ people: [{ externalId: 'bo', attributes: { name: 'Bo' } }] })).toBe('no_address');
    expect(await reasonOf({ people: [{ ...people[0]!, attributes: {} }] })).toBe('missing_variable');
    expect(await reasonOf({ gate: { caps: [{ key: 'none', limit: 0, per: 'day' }] } })).toBe('frequency_cap');
    expect(
      await reasonOf({ gate: { quietHours: [{ key: 'days', periods: [{ from: '08:00', to: '20:00' }] }] } }),
    ).toBe('quiet_hours');
  });

  it('waits for quiet hours to end, and counts for caps', async () => {
    const world = testWorld({
      journeys: [offers],
      people,
      templates,
      now: '2026-01-05T21:30:00Z',
      gate: {
        quietHours: [{ key: 'nights', periods: [{ from: '21:00', to: '08:00' }] }],
        caps: [{ key: 'daily', limit: 1, per: 'day' }],
      },
    });
    await ask(world);
    expect(world.deliveries).toMatchObject([
      { status: 'scheduled', reason: 'quiet_hours', dueAt: new Date('2026-01-06T07:00:00Z') },
    ]);
    await world.advance('12h');
    await ask(world);
    expect(world.deliveries.map(({ status, reason }) => [status, reason])).toEqual([
      ['delivered', null],
      ['suppressed', 'frequency_cap'],
    ]);
    await world.advance('1d');
    await ask(world);
    expect(world.messages).toHaveLength(2);
  });

  it('waits at a step until quiet hours are over where the person is, and not where they are awake', async () => {
    const calm = journey('calm').on(event('go')).wait({ quietHours: 'any' }, { as: 'calm' }).emit('told');
    const world = testWorld({
      journeys: [calm],
      people: [ada, { ...ada, externalId: 'bo', timezone: 'America/New_York' }],
      now: '2026-01-05T21:30:00Z',
      gate: { quietHours: [{ key: 'nights', periods: [{ from: '21:00', to: '08:00' }] }] },
    });
    for (const profile of ['ada', 'bo']) await world.event('go', {}, { profile });
    expect(world.visit('calm', { profile: 'bo' })).toMatchObject({ outcome: 'done' });
    expect(world.visit('calm', { profile: 'ada' })).toMatchObject({ step: 'calm', outcome: null });
    await world.advance('9h');
    expect(world.visit('calm', { profile: 'ada' })).toMatchObject({ step: 'calm', outcome: null });
    await world.advance('1h');
    expect(world.visit('calm', { profile: 'ada' })).toMatchObject({ outcome: 'done' });
  });

  it('says what the person reads, in their language, and hears what becomes of it', async () => {
    const world = testWorld({ journeys: [offers], people: [{ ...people[0]!, locale: 'de-AT' }], templates });
    await ask(world);
    expect(world.messages[0]).toMatchObject({
      subject: 'Für Ada',
      html: '<p>A &amp; B</p>',
      template: 'offer',
    });
    await world.tell(world.messages[0], 'opened');
    expect(world.isIn('keen')).toBe(true);
    await world.tell(world.messages[0], 'unsubscribed');
    await ask(world);
    expect(world.deliveries.at(-1)).toMatchObject({ reason: 'unsubscribed' });
  });

  it('plays servers that are called, and counts how often somebody passes', async () => {
    const scored = journey('scored')
      .on(event('asked'))
      .reentry('always')
      .throttle(1, '1h', { otherwise: (j) => j.end('too-many') })
      .call('https://example.com/score', { saveAs: 'score', onError: (j) => j.end('no-score') })
      .update({ score: { from: ['vars', 'score', 'value'] } });
    const seen: unknown[] = [];
    const world = alone(scored, {
      calls: (call) => {
        seen.push(call);
        return { status: 200, body: { value: 12 } };
      },
    });
    await world.event('asked', { n: 1 });
    await world.event('asked', { n: 2 });
    expect(seen).toMatchObject([
      { url: 'https://example.com/score', profile: 'ada', body: { event: { n: 1 } } },
    ]);
    expect(world.attributes()).toEqual({ score: 12 });
    expect(world.visits.map(({ outcome: o }) => o)).toEqual(['done', 'too-many']);
    const down = alone(scored, { calls: () => ({ status: 503 }) });
    await down.event('asked');
    expect(down.visit('scored')).toMatchObject({ outcome: 'no-score' });
  });

  it('lets an audience in for what happened to nobody', async () => {
    const drops = journey('drops')
      .onBusiness(event('price.dropped').with(property('price').below(10)), 'watchers')
      .emit('told', { price: from('event', 'price') });
    const world = testWorld({
      journeys: [drops],
      people: [
        { externalId: 'ada', audiences: ['watchers'] },
        { externalId: 'bo', audiences: ['watchers'] },
        { externalId: 'cy' },
      ],
    });
    await world.happened('price.dropped', { price: 12 });
    expect(world.visits).toEqual([]);
    await world.happened('price.dropped', { price: 9 });
    expect(world.visits.map(({ profile, outcome }) => [profile, outcome])).toEqual([
      ['ada', 'done'],
      ['bo', 'done'],
    ]);
  });

  it('refuses with a sentence what could not go live', () => {
    expect(() => alone({ key: 'x', definition: { ...welcome.definition, start: 'nowhere' } })).toThrow(
      '“nowhere”',
    );
    expect(() => alone(offers)).toThrow('template “offer”, which is not in this world');
    expect(() => alone(welcome).event('a', {}, { profile: 'nobody' })).toThrow('nobody called nobody');
  });
});

describe('the six ready journeys', () => {
  it('are whole documents: nothing in them is left to defaults but what stands beside all steps', () => {
    for (const { definition } of readyJourneys) {
      const defaults = { zone: 'person', mostStay: '365d', exits: [], priority: 50 };
      expect({ ...defaults, ...definition }).toEqual(JourneyDefinition.parse(definition));
    }
  });

  it('stand in the docs as they are', () => {
    const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
    const source = fs.readFileSync(path.join(root, 'libs/sdk/src/ready.ts'), 'utf8');
    const [, six = ''] = /\/\/ ── as they stand.*\n([^]*?)\/\/ ── until here/.exec(source) ?? [];
    const docs = fs.readFileSync(path.join(root, 'docs/journeys.md'), 'utf8');
    expect(six.length).toBeGreaterThan(1000);
    for (const one of six.split(/\n(?=export const )/))
      expect(docs).toContain(one.replace(/^export /, '').trim());
  });
});
