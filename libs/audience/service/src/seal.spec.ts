import { describe, expect, it } from '@jest/globals';
import { createCipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { Seal, TAG_BYTES } from './seal.js';

const key = randomBytes(32);
const seal = new Seal(key, 'spec');
const sealed = (words: Buffer, by = seal): Buffer => {
  const bytes = Buffer.concat([Buffer.alloc(TAG_BYTES), words]);
  by.close(bytes, [0, bytes.length]);
  return bytes;
};
const opened = (bytes: Buffer, by = seal): Buffer | null =>
  by.open(bytes, 0, bytes.length) ? bytes.subarray(TAG_BYTES) : null;
const LENGTHS = [0, 1, 15, 16, 17, 64, 100, 255, 256, 1024, 1025, 5000, 3];

describe('a seal', () => {
  it('is HMAC-SHA-256 over the words, and AES-256-CTR from that tag on, whatever their length', () => {
    const keys = Buffer.from(hkdfSync('sha256', key, '', 'carillon spec', 64));
    for (const length of LENGTHS) {
      const words = randomBytes(length);
      const tag = createHmac('sha256', keys.subarray(0, 32)).update(words).digest().subarray(0, TAG_BYTES);
      const from = Buffer.from(tag);
      from[8]! &= 0x7f;
      from[12]! &= 0x7f;
      const stream = createCipheriv('aes-256-ctr', keys.subarray(32), from);
      expect(sealed(words)).toEqual(Buffer.concat([tag, stream.update(words)]));
    }
  });
  it('is the same for many at once', () => {
    const words = LENGTHS.map((length) => randomBytes(length));
    const room = words.map((w) => Buffer.concat([Buffer.alloc(TAG_BYTES), w]));
    const all = Buffer.concat(room);
    let at = 0;
    seal.close(all, ...room.map(({ length }) => [at, (at += length)] as const));
    expect(all).toEqual(Buffer.concat(words.map((w) => sealed(w))));
  });
  it('gives back what it was closed over', () => {
    for (const length of LENGTHS) {
      const words = randomBytes(length);
      expect(opened(sealed(words))).toEqual(words);
    }
  });
  it('does not open what was changed, what another key or another purpose sealed, or what is too short', () => {
    const words = randomBytes(40);
    const whole = sealed(words);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const forged = Buffer.from(whole);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(opened(forged)).toBeNull();
    }
    for (const other of [new Seal(randomBytes(32), 'spec'), new Seal(key, 'other')])
      expect(opened(sealed(words, other))).toBeNull();
    expect(opened(whole.subarray(0, TAG_BYTES - 1))).toBeNull();
  });
});
