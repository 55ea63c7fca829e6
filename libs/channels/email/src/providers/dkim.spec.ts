/** Signatures, judged by a verifier that is written from RFC 6376 and shares nothing with the signer. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { DkimSigner, readDkimKey } from './dkim.js';
import { headerLine, rawMail, writtenMail, type WireMail } from './mime.js';

const pair = (type: 'rsa' | 'ed25519') => {
  const { privateKey } =
    type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
  return privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
};
const keys = { rsa: pair('rsa'), ed25519: pair('ed25519') };
const signerWith = (pem: string) => {
  const key = readDkimKey(pem);
  if (!key) throw new Error('not a key');
  return new DkimSigner('acme.test', 'mail2026', key);
};

/** What a reader gets: without the final dot, and without the dots that were doubled for the way. */
async function received(mail: WireMail): Promise<string> {
  const slab = Buffer.alloc(mail.bound, 0xff);
  const end = mail.write(slab, 0);
  await mail.seal?.(slab, 0, end);
  expect(end).toBeLessThanOrEqual(mail.bound);
  const wire = slab.toString('latin1', 0, end);
  expect(wire.endsWith('\r\n.\r\n')).toBe(true);
  return wire.slice(0, -3).replace(/^\.\./gm, '.');
}

function verdict(message: string, record: { name: string; value: string }): string {
  const cut = message.indexOf('\r\n\r\n');
  const fields = message.slice(0, cut).split(/\r\n(?![ \t])/);
  const relaxed = (field: string) => {
    const [, name = '', value = ''] = /^([^:]+?)[ \t]*:([^]*)$/.exec(field) ?? [];
    return `${name.toLowerCase()}:${value
      .replace(/\r\n/g, '')
      .replace(/[ \t]+/g, ' ')
      .trim()}`;
  };
  const field = fields.find((f) => /^dkim-signature:/i.test(f));
  if (!field) return 'none';
  const tags = new Map(
    field
      .slice(field.indexOf(':') + 1)
      .split(';')
      .map((tag): [string, string] => {
        const [name = '', ...value] = tag.split('=');
        return [name.trim(), value.join('=').replace(/\s/g, '')];
      }),
  );
  if (record.name !== `${tags.get('s')}._domainkey.${tags.get('d')}` || tags.get('c') !== 'relaxed/simple')
    return 'no key';
  const body = `${message.slice(cut + 4).replace(/(\r\n)*$/, '')}\r\n`;
  if (createHash('sha256').update(Buffer.from(body, 'latin1')).digest('base64') !== tags.get('bh'))
    return 'body';
  const left = [...fields];
  const covered = (tags.get('h') ?? '').split(':').flatMap((name) => {
    const at = left.findLastIndex((f) => relaxed(f).startsWith(`${name}:`));
    return at === -1 ? [] : left.splice(at, 1).map((f) => `${relaxed(f)}\r\n`);
  });
  const own = relaxed(field).replace(/([; ]b=)[^;]*$/, '$1');
  const text = Buffer.from(covered.join('') + own, 'latin1');
  const p = Buffer.from(/p=(.*)$/.exec(record.value)?.[1] ?? '', 'base64');
  const signature = Buffer.from(tags.get('b') ?? '', 'base64');
  const good =
    tags.get('a') === 'rsa-sha256'
      ? verify('sha256', text, createPublicKey({ key: p, format: 'der', type: 'spki' }), signature)
      : verify(
          null,
          createHash('sha256').update(text).digest(),
          createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: p.toString('base64url') }, format: 'jwk' }),
          signature,
        );
  return good ? 'pass' : 'header';
}

const header = [
  'From: Acme  News <news@acme.test>\r\n',
  'To: ada@example.test\r\n',
  headerLine('Subject', `${'A subject that has to be folded somewhere, '.repeat(4)}Grüße`),
  'Date: Thu, 26 Nov 2026 18:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\nMIME-Version: 1.0\r\n',
  'List-Unsubscribe: <https://acme.test/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n',
].join('');
const text = fc
  .array(fc.oneof(fc.constantFrom('\n', '\r\n', ' ', '.', '\n.\n', 'x'.repeat(80), 'ü'), fc.string()), {
    maxLength: 10,
  })
  .map((parts) => parts.join(''));

describe.each(['rsa', 'ed25519'] as const)('DKIM by %s', (type) => {
  const signer = signerWith(keys[type]);
  const record = signer.record();

  it('holds for whatever a mail says (60)', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.option(text, { nil: null }), async (plain, html) => {
        expect(verdict(await received(writtenMail(header, plain, html, signer)), record)).toBe('pass');
      }),
      { numRuns: 60 },
    );
  });

  it('holds for what was composed elsewhere, dots at the start of lines included', async () => {
    const message = Buffer.from(`${header}Content-Type: text/plain\n\n.one\n..two\n\nthree\n\n\n`);
    const mail = await received(await rawMail(message, signer));
    expect(mail).toContain('\r\n.one\r\n..two\r\n');
    expect(verdict(mail, record)).toBe('pass');
  });

  it('breaks with every change that a reader would see', async () => {
    const mail = await received(writtenMail(header, 'Pay Ada 100', '<p>Pay Ada 100</p>', signer));
    expect(verdict(mail, record)).toBe('pass');
    expect(verdict(mail.replace('Pay Ada', 'Pay Eve'), record)).toBe('body');
    for (const [from, to] of [
      ['news@acme.test>', 'eve@acme.test>'],
      ['To: ada', 'To: eve'],
      ['18:00:00', '18:00:01'],
      ['acme.test/u/1', 'eve.test/u/1'],
      ['List-Unsubscribe=One-Click', 'List-Unsubscribe=Two-Clicks'],
      ['MIME-Version', 'Reply-To: eve@acme.test\r\nMIME-Version'],
      ['MIME-Version', 'Subject: another\r\nMIME-Version'],
    ] as const)
      expect(verdict(mail.replace(from, to), record)).toBe('header');
    // Folding anew is no change.
    expect(verdict(mail.replace('Acme  News', 'Acme\r\n\tNews'), record)).toBe('pass');
  });
});

describe('a DKIM key', () => {
  it('is read from PEM of both kinds, with its line breaks or without', () => {
    for (const pem of Object.values(keys)) {
      const { value } = signerWith(pem).record();
      expect(signerWith(pem.replaceAll('\n', ' ')).record().value).toBe(value);
      expect(signerWith(pem.replaceAll('\n', '')).record().value).toBe(value);
    }
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(readDkimKey(privateKey.export({ format: 'pem', type: 'pkcs1' }).toString())).toBeDefined();
  });

  it('is nothing else', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 768 }).privateKey;
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const open = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
    for (const text of [
      '',
      'secret',
      short.export({ format: 'pem', type: 'pkcs8' }).toString(),
      curve.export({ format: 'pem', type: 'pkcs8' }).toString(),
      open.export({ format: 'pem', type: 'spki' }).toString(),
    ])
      expect(readDkimKey(text)).toBeUndefined();
  });
});
