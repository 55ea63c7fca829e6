/**
 * What an unsubscribe link carries: whose words it changes, and for what. Sealed with AES-256-GCM under a key of this
 * one purpose: nobody can forge one, and the address of a person cannot be read from a link in some proxy's log. It
 * does not expire: a mail may be opened years later (RFC 8058 wants it to work).
 */
import type { Channel } from '@carillon/contracts';
import { createCipheriv, createDecipheriv, hkdfSync, randomFillSync } from 'node:crypto';

export interface UnsubscribeLinks {
  publicUrl: string;
  /** The first seals; all open. 32 bytes each. */
  signingKeys: readonly [Buffer, ...Buffer[]];
}
export interface UnsubscribeSubject {
  workspaceId: string;
  deliveryId: string;
  channel: Channel;
  profileId: string | null;
  address: string | null;
  /** 'marketing' for all marketing of the channel. */
  topic: string;
}

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NOBODY = '00000000-0000-0000-0000-000000000000';

const purposeKeys = new WeakMap<Buffer, Buffer>();
function purposeKey(signingKey: Buffer): Buffer {
  let key = purposeKeys.get(signingKey);
  if (!key)
    purposeKeys.set(
      signingKey,
      (key = Buffer.from(hkdfSync('sha256', signingKey, '', 'carillon unsubscribe', 32))),
    );
  return key;
}

/** The address of the page a person opens, which also takes the one-click POST of RFC 8058. */
export function unsubscribeUrl(links: UnsubscribeLinks, subject: UnsubscribeSubject): string {
  const words = `${subject.channel}\0${subject.address ?? ''}\0${subject.topic}`;
  // Everybody in a campaign gets one: it is put together in memory that is used again.
  const most = START + 48 + words.length * 3 + TAG_BYTES;
  const sealed = most <= slab.length ? slab : Buffer.allocUnsafe(most);
  sealed[0] = VERSION;
  const nonce = nextNonce();
  sealed.set(nonce, 1);
  putId(subject.workspaceId, sealed, START);
  putId(subject.deliveryId, sealed, START + 16);
  putId(subject.profileId ?? NOBODY, sealed, START + 32);
  const end = START + 48 + sealed.write(words, START + 48);
  const cipher = createCipheriv('aes-256-gcm', purposeKey(links.signingKeys[0]), nonce);
  sealed.set(cipher.update(sealed.subarray(START, end)), START);
  cipher.final();
  sealed.set(cipher.getAuthTag(), end);
  return `${links.publicUrl}/u/${sealed.toString('base64url', 0, end + TAG_BYTES)}`;
}

const START = 1 + NONCE_BYTES;
const slab = Buffer.allocUnsafe(2048);
const nonces = Buffer.allocUnsafe(NONCE_BYTES * 256);
let nonceAt = nonces.length;

/** Random, and asked for by the hundred: asking takes longer than sealing. */
function nextNonce(): Buffer {
  if (nonceAt === nonces.length) {
    randomFillSync(nonces);
    nonceAt = 0;
  }
  return nonces.subarray(nonceAt, (nonceAt += NONCE_BYTES));
}

/** The 16 bytes of a UUID as it is usually written. */
function putId(id: string, bytes: Buffer, at: number): void {
  for (let i = 0; i < id.length; i += 2) {
    if (id.charCodeAt(i) === 45) i++;
    bytes[at++] = (nibble(id.charCodeAt(i)) << 4) | nibble(id.charCodeAt(i + 1));
  }
}
const nibble = (unit: number): number => (unit & 15) + (unit > 57 ? 9 : 0);

/** @returns null when the token was not made by us, or was changed */
export function readUnsubscribeToken(
  signingKeys: readonly Buffer[],
  token: string,
): UnsubscribeSubject | null {
  const sealed = Buffer.from(token, 'base64url');
  if (sealed[0] !== VERSION || sealed.length < 1 + NONCE_BYTES + TAG_BYTES + 48) return null;
  // One spelling only: a link with trailing junk is not ours.
  if (sealed.toString('base64url') !== token) return null;
  for (const signingKey of signingKeys) {
    const plain = open(purposeKey(signingKey), sealed);
    if (plain) return subjectOf(plain);
  }
  return null;
}

function open(key: Buffer, sealed: Buffer): Buffer | null {
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const start = decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES));
  try {
    return Buffer.concat([start, decipher.final()]);
  } catch {
    // Sealed with another key, or not by us: an expected outcome, the caller tries the next key.
    return null;
  }
}

function subjectOf(plain: Buffer): UnsubscribeSubject {
  const id = (at: number) =>
    plain.toString('hex', at, at + 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const [channel, address, topic] = plain.toString('utf8', 48).split('\0');
  const profileId = id(32);
  return {
    workspaceId: id(0),
    deliveryId: id(16),
    profileId: profileId === NOBODY ? null : profileId,
    // Written by unsubscribeUrl and sealed since.
    channel: channel as Channel,
    address: address || null,
    topic: topic ?? 'marketing',
  };
}
