/**
 * What an unsubscribe link carries: whose words it changes, and for what. Sealed with AES-256-GCM under a key of this
 * one purpose: nobody can forge one, and the address of a person cannot be read from a link in some proxy's log. It
 * does not expire: a mail may be opened years later (RFC 8058 wants it to work).
 */
import type { Channel } from '@carillon/contracts';
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

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
  const ids = [subject.workspaceId, subject.deliveryId, subject.profileId ?? NOBODY];
  const plain = Buffer.concat([
    ...ids.map((id) => Buffer.from(id.replaceAll('-', ''), 'hex')),
    Buffer.from([subject.channel, subject.address ?? '', subject.topic].join('\0')),
  ]);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', purposeKey(links.signingKeys[0]), nonce);
  const sealed = Buffer.concat([
    Buffer.from([VERSION]),
    nonce,
    cipher.update(plain),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return `${links.publicUrl}/u/${sealed.toString('base64url')}`;
}

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
