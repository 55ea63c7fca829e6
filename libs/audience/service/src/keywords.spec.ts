import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConsentPolicy } from '@carillon/contracts';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { consentsOf } from './consent.js';
import { writeConsentPolicy } from './consent-policy.js';
import { keywordOf, takeInboundSms } from './keywords.js';

let at: AudienceFixture;
beforeAll(async () => {
  at = await audienceFixture();
}, 60_000);
afterAll(() => at.close(), 30_000);

describe('keywords', () => {
  const more = { stop: ['NO MORE'], start: ['JOIN'], help: ['HILFE'] };
  it.each<[string, 'stop' | 'start' | 'help' | null]>([
    ['STOP', 'stop'],
    [' stop. ', 'stop'],
    ['Stop all', 'stop'],
    ['Stop it please', 'stop'],
    ['arrêt', 'stop'],
    ['no more', 'stop'],
    ['Unsubscribe me', 'stop'],
    ['END', 'stop'],
    ['End of the month is fine', null],
    ['do not stop', null],
    ['START', 'start'],
    ['join', 'start'],
    ['yes please', null],
    ['help', 'help'],
    ['hilfe!', 'help'],
    ['', null],
    ['👍', null],
  ])('%s', (text, kind) => expect(keywordOf(text, more)).toBe(kind));

  it('of a workspace stand beside the usual ones, which it cannot take away', () => {
    const none = { stop: [], start: [], help: [] };
    expect(keywordOf('STOP', none)).toBe('stop');
    expect(keywordOf('NO MORE', none)).toBeNull();
  });

  it('block and open the whole channel of that number, and are answered where we answer', async () => {
    await at.database.inWorkspace(at.here, async (sql) => {
      await writeConsentPolicy(
        sql,
        at.here,
        ConsentPolicy.parse({ sms: { replies: { stop: 'Bye.', help: 'Ask us.', start: null } } }),
      );
      const write = (text: string, said: 'stop' | null = null) =>
        takeInboundSms(sql, at.here, { from: '+447911123456', text, said });
      const words = async () =>
        (await consentsOf(sql, at.here, 'sms', { addresses: ['+447911123456'], profileIds: [] }))(
          null,
          '+447911123456',
        ).consents;
      expect(await write('Hello')).toEqual({ keyword: null, reply: null });
      expect(await words()).toEqual([]);
      expect(await write('help')).toEqual({ keyword: 'help', reply: 'Ask us.' });
      expect(await write('Stop')).toEqual({ keyword: 'stop', reply: 'Bye.' });
      expect(await words()).toEqual([{ about: 'address', topic: '', word: 'out' }]);
      expect(await write('Start')).toEqual({ keyword: 'start', reply: null });
      expect(await words()).toEqual([{ about: 'address', topic: '', word: 'in' }]);
      // What the provider has understood counts, and it has answered.
      expect(await write('whatever', 'stop')).toEqual({ keyword: 'stop', reply: null });
      expect(await words()).toEqual([{ about: 'address', topic: '', word: 'out' }]);
    });
    const { rows } = await at.owner.query(
      `SELECT source, word FROM consent_log WHERE address = '+447911123456' ORDER BY id`,
    );
    expect(rows).toEqual(['out', 'in', 'out'].map((word) => ({ source: 'keyword', word })));
  });
});
