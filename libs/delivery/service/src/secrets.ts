/**
 * Secrets of provider accounts at rest: AES-256-GCM, with the key's id in the envelope and the place it belongs to
 * (workspace, account, field) as additional data, so that a ciphertext copied elsewhere does not open.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';

/** `v1.<key id>.<iv>.<tag>.<ciphertext>`, base64url. */
export type Envelope = string;
export interface SecretPlace {
  workspaceId: string;
  accountId: string;
  field: string;
}
/** The first key seals; all of them open, so that a rotated installation still reads what it wrote. */
export type MasterKeys = readonly [Buffer, ...Buffer[]];

export const keyId = (key: Buffer): string =>
  createHash('sha256').update('carillon key id').update(key).digest('base64url').slice(0, 8);
const aad = (place: SecretPlace): Buffer =>
  Buffer.from(JSON.stringify([place.workspaceId, place.accountId, place.field]));

export function seal(keys: MasterKeys, place: SecretPlace, secret: string): Envelope {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keys[0], iv);
  cipher.setAAD(aad(place));
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return [
    'v1',
    keyId(keys[0]),
    iv.toString('base64url'),
    cipher.getAuthTag().toString('base64url'),
    sealed.toString('base64url'),
  ].join('.');
}

/** @throws Error when no key fits or the envelope was not sealed for this place */
export function open(keys: MasterKeys, place: SecretPlace, envelope: Envelope): string {
  const [version, id, iv, tag, sealed] = envelope.split('.');
  const key = keys.find((k) => keyId(k) === id);
  if (version !== 'v1' || iv === undefined || tag === undefined || sealed === undefined)
    throw new Error('not an envelope of this version');
  if (!key) throw new Error(`sealed with master key ${id}, which this process does not have`);
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64url'), { authTagLength: 16 });
  decipher.setAAD(aad(place));
  decipher.setAuthTag(Buffer.from(tag, 'base64url'));
  return Buffer.concat([decipher.update(Buffer.from(sealed, 'base64url')), decipher.final()]).toString(
    'utf8',
  );
}

/** Seals again with the current key; null when it already is. */
export const reseal = (keys: MasterKeys, place: SecretPlace, envelope: Envelope): Envelope | null =>
  envelope.split('.')[1] === keyId(keys[0]) ? null : seal(keys, place, open(keys, place, envelope));
