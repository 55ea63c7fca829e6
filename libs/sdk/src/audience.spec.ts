import { describe, expect, it } from '@jest/globals';
import { AudienceDefinition } from '@carillon/contracts';
import {
  activity,
  anyOf,
  attribute,
  audience,
  consent,
  device,
  event,
  memberOf,
  message,
  not,
  property,
  share,
  type AudienceRule,
} from './index.js';

describe('audience()', () => {
  it.each<[string, AudienceRule, object]>([
    ['nobody left out', audience(), { where: { and: [] } }],
    [
      'the example of the documentation',
      audience().where(attribute('plan').is('pro')).and(event('order.placed').atLeast(3).within('30d')),
      {
        where: {
          and: [
            { attribute: 'plan', is: 'pro' },
            { event: 'order.placed', atLeast: 3, within: '30d' },
          ],
        },
      },
    ],
    [
      'one of several, and not',
      audience()
        .where(anyOf(memberOf('vips'), device('ios').seenWithin('7d')))
        .andNot(consent('email', 'news').out()),
      {
        where: {
          and: [
            { or: [{ audience: 'vips' }, { device: 'ios', seenWithin: '7d' }] },
            { not: { consent: 'email', topic: 'news', is: 'out' } },
          ],
        },
      },
    ],
    [
      'properties, sequences, counts',
      audience()
        .where(
          event('cart.filled').with(property('total').atLeast(50)).then('order.placed', { within: '1h' }),
        )
        .or(not(message('opened').of({ campaign: 'spring' }).exactly(2).within('30d'))),
      {
        where: {
          or: [
            {
              event: 'cart.filled',
              where: [{ property: 'total', atLeast: 50 }],
              then: { event: 'order.placed', within: '1h' },
            },
            { not: { message: 'opened', campaign: 'spring', atLeast: 2, atMost: 2, within: '30d' } },
          ],
        },
      },
    ],
    [
      'what is done after it',
      audience()
        .where(share(0, 50, 'spring'))
        .and(activity('lastSeenAt').withinLast('90d'))
        .and(attribute(['address', 'city']).in(['Oslo']))
        .onePer({ field: 'email' })
        .orderBy({ attribute: 'score' }, 'descending')
        .sample({ percent: 10 })
        .limit(1000),
      {
        where: {
          and: [
            { share: { from: 0, to: 50, salt: 'spring' } },
            { activity: 'lastSeenAt', withinLast: '90d' },
            { attribute: ['address', 'city'], in: ['Oslo'] },
          ],
        },
        dedupe: { field: 'email' },
        order: [{ by: { attribute: 'score' }, direction: 'descending' }],
        sample: { percent: 10 },
        limit: 1000,
      },
    ],
  ])('%s', (_, rule, document) => {
    expect(JSON.parse(JSON.stringify(rule))).toEqual(document);
    expect(AudienceDefinition.safeParse(JSON.parse(JSON.stringify(rule))).error).toBeUndefined();
  });
});
