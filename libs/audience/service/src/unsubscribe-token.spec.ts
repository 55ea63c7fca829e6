import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { readUnsubscribeToken, unsubscribeUrl, type UnsubscribeSubject } from './unsubscribe-token.js';

const key = randomBytes(32);
const links = { publicUrl: 'https://m.example.com', signingKeys: [key] as const };
const subject: UnsubscribeSubject = {
  workspaceId: '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b',
  deliveryId: '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5c',
  channel: 'email',
  profileId: '0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5d',
  address: 'ana@example.com',
  topic: 'news ünd more',
};
const tokenOf = (s: UnsubscribeSubject) => unsubscribeUrl(links, s).split('/u/')[1] ?? '';

describe('an unsubscribe token', () => {
  it('gives back what it was made of, also without a profile or an address', () => {
    for (const s of [
      subject,
      { ...subject, profileId: null },
      { ...subject, address: null, topic: 'marketing' },
    ])
      expect(readUnsubscribeToken([key], tokenOf(s))).toEqual(s);
  });
  it('shows nothing of the person, and fits a header line', () => {
    const url = unsubscribeUrl(links, subject);
    expect(url).toMatch(/^https:\/\/m\.example\.com\/u\/[A-Za-z0-9_-]+$/);
    expect(Buffer.from(tokenOf(subject), 'base64url').toString('latin1')).not.toContain('ana@example.com');
    expect(
      unsubscribeUrl(links, { ...subject, address: `${'x'.repeat(60)}@${'y'.repeat(180)}.example` }).length,
    ).toBeLessThan(900);
  });
  it('is worth nothing when any bit is flipped, anything is added or cut, or another key made it', () => {
    const bytes = Buffer.from(tokenOf(subject), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Buffer.from(bytes);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(readUnsubscribeToken([key], forged.toString('base64url'))).toBeNull();
    }
    const token = tokenOf(subject);
    for (const forged of ['', 'x', token.slice(0, -1), `${token}A`, `${token}=`, `${token} `, token.slice(4)])
      expect(readUnsubscribeToken([key], forged)).toBeNull();
    expect(readUnsubscribeToken([randomBytes(32)], token)).toBeNull();
  });
  it('of the first version still opens', () => {
    const keyThen = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const sent =
      'AYQHJ6Y-n4CAqxkuMJuMsmCs0wUmtou9a0uGVD8209ZOHVhMNYaoDpaHAB1HqvRVkt0erl8WxizYDurf4J7Ao8D6oEtjSI6g2qu2WyJ-Qi0ZYvEJd5SoQbvxYeFoUhVDQCeRE-YM8S9l7eJVAnBk-s0';
    expect(readUnsubscribeToken([keyThen], sent)).toEqual(subject);
    expect(readUnsubscribeToken([key], sent)).toBeNull();
  });
  it('still works after the key has been changed', () => {
    expect(readUnsubscribeToken([randomBytes(32), key], tokenOf(subject))).toEqual(subject);
  });
});
