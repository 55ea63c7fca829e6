/**
 * What an unsubscribe link carries: whose words it changes, and for what. Sealed under a key of this one purpose (seal.ts):
 * nobody can forge one, and the address of a person cannot be read from a link in some proxy's log. It
 * does not expire: a mail may be opened years later (RFC 8058 wants it to work), so links of the first kind still open.
 */
import type { Channel } from '@carillon/contracts';
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { sealOf, TAG_BYTES, type Span } from './seal.js';

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

const VERSION = 2;
const PURPOSE = 'unsubscribe link';
const NOBODY = '00000000-0000-0000-0000-000000000000';
/** The version, the tag, and three ids before the words. */
const START = 1 + TAG_BYTES;
const IDS_BYTES = 48;

/** The address of the page a person opens, which also takes the one-click POST of RFC 8058. */
export const unsubscribeUrl = (links: UnsubscribeLinks, subject: UnsubscribeSubject): string =>
  unsubscribeUrls(links, [subject])[0]!;

/** The same for a list: everybody in a campaign gets one, so they are put together in memory that is used again, and sealed at once. */
export function unsubscribeUrls(links: UnsubscribeLinks, subjects: readonly UnsubscribeSubject[]): string[] {
  const words = subjects.map((s) => `${s.channel}\0${s.address ?? ''}\0${s.topic}`);
  const most = words.reduce((sum, w) => sum + START + IDS_BYTES + w.length * 3, 0);
  const bytes = most <= slab.length ? slab : Buffer.allocUnsafe(most);
  let at = 0;
  const spans = subjects.map((subject, i): Span => {
    bytes[at] = VERSION;
    putId(subject.workspaceId, bytes, at + START);
    putId(subject.deliveryId, bytes, at + START + 16);
    putId(subject.profileId ?? NOBODY, bytes, at + START + 32);
    const from = at + 1;
    at += START + IDS_BYTES;
    at += bytes.write(words[i]!, at);
    return [from, at];
  });
  sealOf(links.signingKeys[0], PURPOSE).close(bytes, ...spans);
  return spans.map(([from, to]) => `${links.publicUrl}/u/${bytes.toString('base64url', from - 1, to)}`);
}

const slab = Buffer.allocUnsafe(65_536);

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
  // One spelling only: a link with trailing junk is not ours.
  if (sealed.toString('base64url') !== token) return null;
  for (const signingKey of signingKeys) {
    const plain = sealed[0] === VERSION ? open(signingKey, sealed) : openFirst(signingKey, sealed);
    if (plain) return subjectOf(plain);
  }
  return null;
}

function open(signingKey: Buffer, sealed: Buffer): Buffer | null {
  if (sealed.length < START + IDS_BYTES) return null;
  const plain = Buffer.from(sealed);
  return sealOf(signingKey, PURPOSE).open(plain, 1, plain.length) ? plain.subarray(START) : null;
}

/** Links of version 1: AES-256-GCM, with a nonce before and the tag behind. */
function openFirst(signingKey: Buffer, sealed: Buffer): Buffer | null {
  if (sealed[0] !== 1 || sealed.length < 1 + 12 + IDS_BYTES + TAG_BYTES) return null;
  const key = Buffer.from(hkdfSync('sha256', signingKey, '', 'carillon unsubscribe', 32));
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  const start = decipher.update(sealed.subarray(13, -TAG_BYTES));
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
