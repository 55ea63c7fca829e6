import { describe, expect, it } from '@jest/globals';
import { priceOf, senderFaults, type SenderRecords } from './index.js';

const dkim = { name: 's1._domainkey.acme.com', value: 'v=DKIM1; k=rsa; p=MIIB' };
const fine: SenderRecords = {
  dkim: ['v=DKIM1; p=MI IB'],
  dmarc: ['v=DMARC1; p=none'],
  spf: ['google-site-verification=x', 'v=spf1 include:_spf.acme.com -all'],
};

describe('who sends', () => {
  it.each<[string, Partial<SenderRecords>, ('error' | 'warning')[], string]>([
    ['all is there', {}, [], ''],
    ['no key in DNS', { dkim: [] }, ['error'], 'a key that DNS does not have'],
    ['another key in DNS', { dkim: ['v=DKIM1; p=OTHER'] }, ['error'], 'another key than DNS has'],
    ['one of two keys', { dkim: ['v=DKIM1; p=OTHER', dkim.value] }, [], ''],
    ['no SPF', { spf: [] }, ['warning'], 'no record for SPF in DNS'],
    ['a text that only begins like SPF', { spf: ['v=spf10'] }, ['warning'], 'no record for SPF'],
    ['neither', { spf: [], dmarc: ['hello'] }, ['warning'], 'no record for SPF and DMARC'],
    ['DNS says nothing at all', { spf: null, dkim: null, dmarc: null }, [], ''],
  ])('%s', (_, records, levels, says) => {
    const faults = senderFaults({ domain: 'acme.com', dkim }, { ...fine, ...records });
    expect(faults.map((f) => f.level)).toEqual(levels);
    expect(faults.map((f) => f.message).join()).toContain(says);
  });

  it('who does not sign here needs no key', () => {
    expect(senderFaults({ domain: 'acme.com', dkim: null }, { ...fine, dkim: [] })).toEqual([]);
  });
});

it.each([
  ['+4915112345678', 0.1],
  ['+4930123456', 0.2],
  ['+15005550006', 0.05],
  ['', 0.05],
])('a part to %p costs %p', (number, price) => {
  const byPrefix = [
    { prefix: '', price: 0.05 },
    { prefix: '+4915', price: 0.1 },
    { prefix: '+49', price: 0.2 },
  ];
  expect(priceOf({ currency: 'EUR', byPrefix }, number)).toBe(price);
  expect(priceOf({ currency: 'EUR', byPrefix: byPrefix.slice(1) }, '+33')).toBeNull();
});
