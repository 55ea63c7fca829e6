/** Journeys as code: the document that comes out is one the API takes. */
import { describe, expect, it } from '@jest/globals';
import { JourneyDefinition } from '@carillon/contracts';
import { attribute, data, enters, event, from, journey, outcome, property, sent } from './index.js';

describe('the builder', () => {
  it('writes steps in order, and ties branches that do not end to what comes behind', () => {
    const built = journey('abandoned-cart', 'Abandoned cart')
      .on(event('cart.updated').with(property('total').above(0)))
      .perKey('cartId')
      .reentry('after', '1d')
      .exitWhen('ordered', event('order.placed'))
      .wait('1h')
      .when(attribute('plan').is('pro'), (j) =>
        j.send({ as: 'pro', channels: ['push', 'email'], template: 'cart-pro' }),
      )
      .listen('1d', [{ on: outcome('clicked'), then: (j) => j.end('came-back') }])
      .send({ as: 'last', channels: ['email'], template: 'cart-last' });
    expect(built.definition).toEqual({
      entry: { kind: 'event', event: 'cart.updated', where: [{ property: 'total', above: 0 }] },
      perKey: ['cartId'],
      reentry: { kind: 'after', wait: '1d' },
      exits: [{ name: 'ordered', on: { event: 'order.placed' } }],
      start: 'wait-1',
      steps: {
        'wait-1': { kind: 'wait', for: '1h', next: 'condition-1' },
        'condition-1': {
          kind: 'condition',
          branches: [{ if: { attribute: 'plan', is: 'pro' }, next: 'pro' }],
          otherwise: 'listen-1',
        },
        pro: { kind: 'send', channels: ['push', 'email'], template: 'cart-pro', next: 'listen-1' },
        'listen-1': {
          kind: 'listen',
          within: '1d',
          for: [{ on: { message: 'clicked' }, next: 'end-1' }],
          otherwise: 'last',
        },
        'end-1': { kind: 'end', outcome: 'came-back' },
        last: { kind: 'send', channels: ['email'], template: 'cart-last' },
      },
    });
    expect(JourneyDefinition.safeParse(built.definition).error).toBeUndefined();
  });

  it('has a word for every kind of step', () => {
    const built = journey('everything')
      .on(enters('trial'))
      .split({
        a: [50, (j) => j.update({ arm: 'a' })],
        b: [50, (j) => j.emit('arm.b', { plan: from('event', 'plan') })],
      })
      .call('https://example.com/score', { saveAs: 'score', onError: (j) => j.end('no-score') })
      .choose([
        { if: data('vars', 'score', 'value').above(10), then: (j) => j.join('good').start('welcome') },
      ])
      .throttle(3, '1d', { otherwise: (j) => j.end('too-many') })
      .digest('1h')
      .send({
        as: 'hello',
        channels: ['sms'],
        content: { sms: { body: 'Hello' } },
        onError: (j) => j.end('unsent'),
      })
      .wait({ date: 'birthday', time: '09:00' }, { otherwise: (j) => j.leave('good') })
      .when(
        sent('hello', 'failed'),
        (j) => j.end('failed'),
        (j) => j.goTo('hello'),
      );
    const read = JourneyDefinition.parse(built.definition);
    expect(new Set(Object.values(read.steps).map(({ kind }) => kind)).size).toBe(12);
    expect(read.steps['call-1']).toMatchObject({ next: 'condition-1', onError: 'end-1' });
    expect(read.steps['condition-2']).toMatchObject({ otherwise: 'hello' });
  });

  it('refuses what could not work, when it is written', () => {
    expect(() => journey('x').wait('1h').definition).toThrow('what lets people in');
    expect(() => journey('x').byApi().definition).toThrow('has no step');
    expect(() => journey('x').byApi().end().wait('1h')).toThrow('Nothing leads to step wait-1');
    expect(() => journey('x').byApi().wait('1h', { as: 'a' }).wait('1h', { as: 'a' })).toThrow(
      'two steps called a',
    );
    expect(() => journey('x').on(event('paid').atLeast(3))).toThrow('leave out atLeast');
  });
});
