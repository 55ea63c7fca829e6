/** Addresses that leave with a message and come back from strangers: callbacks. Unsubscribing: unsubscribe-token.spec. */
import { newId } from '@carillon/database';
import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { callbackLink, verifyCallback, type Links } from './links.js';

const key = randomBytes(32);
const links: Links = {
  publicUrl: 'https://carillon.example.com',
  webhookUrl: 'https://hooks.example.com',
  signingKeys: [key],
};
const account = { id: newId(), channel: 'sms', provider: 'twilio' } as const;
const delivery = newId();
const queryOf = (url: string) => Object.fromEntries(new URL(url).searchParams);

describe('the address of a callback', () => {
  it('leads to the one account and names the one delivery', () => {
    const url = callbackLink(links, account, delivery);
    expect(url).toMatch(new RegExp(`^https://hooks\\.example\\.com/v1/webhooks/sms/twilio/${account.id}\\?`));
    expect(verifyCallback(links, account.id, queryOf(url))).toBe(delivery);
  });

  it('is worth nothing with any bit of its signature changed, cut or grown', () => {
    const { signature = '' } = queryOf(callbackLink(links, account, delivery));
    const bytes = Buffer.from(signature, 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const query = { delivery, signature: forged.toString('base64url') };
      expect({ bit, found: verifyCallback(links, account.id, query) }).toEqual({ bit, found: null });
    }
    for (const other of ['', bytes.subarray(1), Buffer.concat([bytes, Buffer.of(0)])])
      expect(
        verifyCallback(links, account.id, {
          delivery,
          signature: Buffer.from(other as string).toString('base64url'),
        }),
      ).toBeNull();
    expect(verifyCallback(links, account.id, { delivery })).toBeNull();
    expect(verifyCallback(links, account.id, { signature })).toBeNull();
  });

  it('speaks for no other delivery, account or installation', () => {
    const { signature } = queryOf(callbackLink(links, account, delivery));
    expect(verifyCallback(links, account.id, { delivery: newId(), signature })).toBeNull();
    expect(verifyCallback(links, newId(), { delivery, signature })).toBeNull();
    const elsewhere = { ...links, signingKeys: [randomBytes(32)] as const } as unknown as Links;
    expect(verifyCallback(elsewhere, account.id, { delivery, signature })).toBeNull();
  });

  it('stays good while the key that signed it is kept', () => {
    const query = queryOf(callbackLink(links, account, delivery));
    expect(verifyCallback({ ...links, signingKeys: [randomBytes(32), key] }, account.id, query)).toBe(
      delivery,
    );
  });
});
