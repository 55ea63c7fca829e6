import { describe, expect, it } from '@jest/globals';
import { isFiltered, parseDeliverySearch, readSearchBox, toQuery } from './filters.js';

const now = new Date('2026-11-24T12:00:00Z');

describe('the query string of the delivery log', () => {
  it('keeps known words and leaves out what nobody knows', () => {
    const search = parseDeliverySearch({
      status: 'failed,unknown,nonsense,failed',
      channel: 'fax',
      profile: ' ada ',
      from: 'yesterday',
      __proto__: { x: 1 },
      other: 'x',
    });
    expect(search).toEqual({ status: 'failed,unknown', profile: 'ada' });
  });
  it('prefers times over a range', () => {
    expect(parseDeliverySearch({ range: '24h' }).range).toBe('24h');
    expect(parseDeliverySearch({ range: '24h', from: '2026-11-01T00:00:00Z' }).range).toBeUndefined();
    expect(parseDeliverySearch({ range: 'toString' }).range).toBeUndefined();
  });
  it('becomes a query with lists and a time', () => {
    expect(
      toQuery(parseDeliverySearch({ channel: 'email,sms', range: '1h', class: 'marketing' }), now),
    ).toMatchObject({
      channel: ['email', 'sms'],
      class: 'marketing',
      from: new Date('2026-11-24T11:00:00Z'),
    });
    expect(toQuery(parseDeliverySearch({ class: 'other' }), now).class).toBeUndefined();
  });
  it('is a filter or just a page', () => {
    expect(isFiltered(parseDeliverySearch({ cursor: 'abc' }))).toBe(false);
    expect(isFiltered(parseDeliverySearch({ source: 'api' }))).toBe(true);
  });
});

describe('the search box', () => {
  it.each([
    ['01938018-7a1c-7000-8000-abc00002e668', { id: '01938018-7a1c-7000-8000-abc00002e668' }],
    ['ada@example.com', { address: 'ada@example.com' }],
    ['+44 20 7183-8750', { address: '+442071838750' }],
    ['ada', { profile: 'ada' }],
    ['u_10293', { profile: 'u_10293' }],
  ])('%s', (typed, read) => {
    expect(readSearchBox(typed)).toEqual(read);
  });
});
