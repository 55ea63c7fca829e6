import { createCipheriv, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyId, open, reseal, seal, type SecretPlace } from './secrets.js';

const key = randomBytes(32);
const newer = randomBytes(32);
const place: SecretPlace = { workspaceId: 'w1', accountId: 'a1', field: 'authToken' };

describe('secrets', () => {
  it('open where they were sealed, whatever they hold', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (secret) => {
        expect(open([key], place, seal([key], place, secret))).toBe(secret);
      }),
    );
  });

  it('look different each time, and hold nothing of the secret', () => {
    const [one, other] = [seal([key], place, 'the secret'), seal([key], place, 'the secret')];
    expect(one).not.toBe(other);
    expect(Buffer.from(one, 'base64url').includes('the secret')).toBe(false);
  });

  it.each<[string, Partial<SecretPlace>]>([
    ['another workspace', { workspaceId: 'w2' }],
    ['another account', { accountId: 'a2' }],
    ['another field', { field: 'password' }],
  ])('do not open in %s', (_name, elsewhere) => {
    const envelope = seal([key], place, 'x');
    expect(() => open([key], { ...place, ...elsewhere }, envelope)).toThrow(/authenticate/);
  });

  it('do not open when any part was changed', () => {
    const envelope = seal([key], place, 'a secret');
    const parts = envelope.split('.');
    for (const n of [2, 3, 4]) {
      const bytes = Buffer.from(parts[n] ?? '', 'base64url');
      for (const bit of [0, bytes.length * 8 - 1]) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const forged = parts.with(n, flipped.toString('base64url')).join('.');
        expect(() => open([key], place, forged)).toThrow(/authenticate/);
      }
    }
  });

  it('take no shortened tag', () => {
    const parts = seal([key], place, 'x').split('.');
    const tag = Buffer.from(parts[3] ?? '', 'base64url')
      .subarray(0, 4)
      .toString('base64url');
    expect(() => open([key], place, parts.with(3, tag).join('.'))).toThrow(/[Ii]nvalid authentication tag/);
  });

  it('agree with AES-256-GCM as others write it', () => {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    cipher.setAAD(Buffer.from(JSON.stringify(['w1', 'a1', 'authToken'])));
    const sealed = Buffer.concat([cipher.update('by hand'), cipher.final()]);
    const envelope = [
      'v1',
      keyId(key),
      ...[iv, cipher.getAuthTag(), sealed].map((b) => b.toString('base64url')),
    ];
    expect(open([key], place, envelope.join('.'))).toBe('by hand');
  });

  it('open with an earlier key until they are sealed anew', () => {
    const before = seal([key], place, 'kept');
    expect(open([newer, key], place, before)).toBe('kept');
    expect(() => open([newer], place, before)).toThrow(`sealed with master key ${keyId(key)}`);
    const after = reseal([newer, key], place, before);
    expect(after && open([newer], place, after)).toBe('kept');
    expect(after && reseal([newer, key], place, after)).toBeNull();
  });

  it.each(['', 'v1', 'v2.a.b.c.d', 'nonsense'])('say that %j is no envelope', (text) => {
    expect(() => open([key], place, text)).toThrow(/envelope|master key/);
  });
});
