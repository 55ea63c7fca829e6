/** How hits are summed up. What each is judged to be: engagement.spec.ts of delivery-rules. Over HTTP: apps/api. */
import { describe, expect, it } from '@jest/globals';
import { countHits } from './engagement.js';

type Hit = Parameters<typeof countHits>[0][number];
const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const START = Date.UTC(2026, 10, 26);
const hit = (more: Partial<Hit>): Hit => ({
  deliveryId: 'd1',
  kind: 'click',
  link: 'a',
  method: 'GET',
  agent,
  purpose: '',
  at: START,
  count: 1,
  ...more,
});
const sent = () => new Date(START - 60_000);
const said = (hits: Hit[], before: Hit[] = []) =>
  countHits(hits, before, sent).map((c) => `${c.deliveryId} ${c.kind} ${c.link || '-'} ${c.by} ${c.count}`);

describe('hits', () => {
  it('of a person count by link, and are an opening too', () => {
    expect(said([hit({ count: 2 }), hit({ at: START + 100 }), hit({ link: 'b', at: START + 200 })])).toEqual([
      'd1 click a person 3',
      'd1 click b person 1',
      'd1 open - person 0',
    ]);
  });

  it('on many links at once are a scanner, from the first of them on', () => {
    const all = ['a', 'b', 'c'].map((link, i) => hit({ link, at: START + i * 50 }));
    expect(said(all)).toEqual(['d1 click a machine 1', 'd1 click b machine 1', 'd1 click c machine 1']);
    expect(said(all.slice(2), all.slice(0, 2))).toEqual(['d1 click c machine 1']);
  });

  it('on many links over a while, or of many mails, are people', () => {
    const slowly = ['a', 'b', 'c'].map((link, i) => hit({ link, at: START + i * 2_500 }));
    expect(said(slowly).filter((line) => line.includes('machine'))).toEqual([]);
    const others = ['d1', 'd2', 'd3'].map((deliveryId, i) => hit({ deliveryId, link: `l${i}` }));
    expect(said(others).filter((line) => line.includes('machine'))).toEqual([]);
  });
});
