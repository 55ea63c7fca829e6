/**
 * DKIM (RFC 6376, Ed25519 by RFC 8463) by us, for accounts whose relay does not sign. Canonicalisation relaxed/simple: headers
 * may be folded anew on the way; the body is quoted-printable without a blank at the end of any line, which nothing on the way
 * has a reason to touch, so that it is hashed as it lies in memory. Signing runs on a thread of the pool. Called by smtp.ts.
 */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';

/** What a signature speaks for, where a mail has it. The opt-out is asked for by large mailbox operators. */
const SIGNED = [
  'from',
  'to',
  'subject',
  'date',
  'message-id',
  'reply-to',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
  'list-unsubscribe',
  'list-unsubscribe-post',
];
/** Named once more than they are there, so that nobody can add a second one that readers would be shown. */
const NO_SECOND = ['from', 'to', 'subject', 'reply-to'];

const LEAST_RSA_BITS = 1024;
const CRLF = '\r\n';

/**
 * @param text PEM (PKCS #8 or PKCS #1), also with its line breaks lost in a form; or the base64 in it
 * @returns undefined when it is no private key to sign with: RSA of 1024 bits or more, or Ed25519
 */
export function readDkimKey(text: string): KeyObject | undefined {
  const base64 = text.replace(/-----(BEGIN|END) [A-Z ]+-----/g, '').replace(/\s/g, '');
  if (!/^[A-Za-z0-9+/]+=*$/.test(base64)) return undefined;
  const der = Buffer.from(base64, 'base64');
  for (const type of ['pkcs8', 'pkcs1'] as const) {
    try {
      const key = createPrivateKey({ key: der, format: 'der', type });
      if (key.asymmetricKeyType === 'ed25519') return key;
      const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
      return key.asymmetricKeyType === 'rsa' && bits >= LEAST_RSA_BITS ? key : undefined;
    } catch {
      // Perhaps of the other type.
    }
  }
  return undefined;
}

export class DkimSigner {
  private readonly algorithm: 'rsa-sha256' | 'ed25519-sha256';
  /** Characters of a signature. */
  private readonly size: number;

  constructor(
    private readonly domain: string,
    private readonly selector: string,
    private readonly key: KeyObject,
  ) {
    const rsa = key.asymmetricKeyType === 'rsa';
    this.algorithm = rsa ? 'rsa-sha256' : 'ed25519-sha256';
    const bytes = rsa ? Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) : 64;
    this.size = Math.ceil(bytes / 3) * 4;
  }

  /** Name and value of the TXT record that makes the signatures count. */
  record(): { name: string; value: string } {
    const rsa = this.algorithm === 'rsa-sha256';
    const der = createPublicKey(this.key).export({ format: 'der', type: 'spki' });
    // RFC 8463: the bare 32 bytes.
    const p = (rsa ? der : der.subarray(-32)).toString('base64');
    return {
      name: `${this.selector}._domainkey.${this.domain}`,
      value: `v=DKIM1; k=${rsa ? 'rsa' : 'ed25519'}; p=${p}`,
    };
  }

  /**
   * A header line to be put before these, with room for what is known when the body is.
   * @param header of the whole mail: complete lines
   */
  open(header: string): Unsealed {
    const fields = fieldsOf(header);
    const names = fields.map(([name]) => name);
    const signed = SIGNED.filter((name) => names.includes(name));
    const h = [...signed, ...NO_SECOND].sort((a, b) => SIGNED.indexOf(a) - SIGNED.indexOf(b));
    const before =
      `DKIM-Signature: v=1; a=${this.algorithm}; c=relaxed/simple; d=${this.domain};${CRLF}` +
      ` s=${this.selector}; t=${Math.floor(Date.now() / 1000)};${CRLF} h=${folded(h)};${CRLF} bh=`;
    const between = `;${CRLF} b=`;
    // From the last one up, as RFC 6376 section 5.4.2 has it; ours are there once.
    const covered = signed
      .map((name) => `${fields.find(([own]) => own === name)?.[1] ?? ''}${CRLF}`)
      .join('');
    const make = async (body: Uint8Array): Promise<string> => {
      const bh = createHash('sha256').update(simple(body)).digest('base64');
      const [[, own] = ['', '']] = fieldsOf(`${before}${bh}${between}`);
      return `${before}${bh}${between}${lines(await this.signature(`${covered}${own}`))}${CRLF}`;
    };
    return {
      length: `${before}${between}`.length + HASH_SIZE + lines('x'.repeat(this.size)).length + 2,
      make,
    };
  }

  private signature(text: string): Promise<string> {
    const rsa = this.algorithm === 'rsa-sha256';
    const data = rsa ? Buffer.from(text) : createHash('sha256').update(text).digest();
    return new Promise((resolve, reject) => {
      sign(rsa ? 'sha256' : null, data, this.key, (error, bytes) => {
        if (error) reject(error);
        else resolve(bytes.toString('base64'));
      });
    });
  }
}

export interface Unsealed {
  /** Bytes of the line. */
  length: number;
  /** @param body of the mail as its reader gets it: without the dots and the end that only the way needs */
  make(body: Uint8Array): Promise<string>;
}

/** Of SHA-256 in base64. */
const HASH_SIZE = 44;

/** The names of a list over several lines. */
const folded = (names: readonly string[]): string =>
  names
    .join(':')
    .replace(/(.{1,60})(:|$)/g, `$1$2${CRLF}  `)
    .trimEnd();
/** A long word over several lines; blanks in a signature count for nothing. */
const lines = (word: string): string => word.replace(/.{70}(?=.)/g, `$&${CRLF}  `);

/** Header fields in the relaxed form: [name, whole]. Also of a header whose last line has no end yet. */
function fieldsOf(header: string): [string, string][] {
  return header
    .replace(/\r\n(?=[ \t])/g, '')
    .split(CRLF)
    .filter(Boolean)
    .map((line) => {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).trim().toLowerCase();
      const value = line
        .slice(colon + 1)
        .replace(/[ \t]+/g, ' ')
        .trim();
      return [name, `${name}:${value}`];
    });
}

/** Simple canonicalisation: lines without anything at the end count for nothing, and there is one line end at least. */
function simple(body: Uint8Array): Uint8Array {
  let end = body.length;
  const ends = (at: number) => body[at - 2] === 13 && body[at - 1] === 10;
  while (end >= 4 && ends(end) && ends(end - 2)) end -= 2;
  if (end === 2 && ends(2)) return body.subarray(0, 2);
  return end === 0 ? Buffer.from(CRLF) : body.subarray(0, end);
}
