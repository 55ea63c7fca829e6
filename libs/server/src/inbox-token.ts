/**
 * Inbox tokens: a server mints one for a profile, a browser reads that profile's inbox with it for at most an hour.
 * A JWT with one fixed algorithm, audience, workspace, subject and key id (S5). Earlier signing keys still verify.
 */
import { config } from '@carillon/config';
import { createHash, hkdfSync } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import { JOSEError, JWKSNoMatchingKey } from 'jose/errors';
import type { InboxCaller } from './caller.js';

const AUDIENCE = 'inbox';
const ALGORITHM = 'HS256';
const MAX_SECONDS = 3600;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A key for this one purpose: a signature made elsewhere with the same signing key is worth nothing here. */
const purposeKey = (signingKey: Buffer) => {
  const key = Buffer.from(hkdfSync('sha256', signingKey, '', 'carillon inbox token', 32));
  return { key, kid: createHash('sha256').update(key).digest('base64url').slice(0, 12) };
};

/**
 * @param ttlSeconds at most 3600
 */
export async function mintInboxToken(profile: {
  workspaceId: string;
  profileId: string;
  ttlSeconds: number;
}): Promise<{ token: string; expiresAt: Date }> {
  const { key, kid } = purposeKey(config().secrets.signingKey);
  const now = Math.floor(Date.now() / 1000);
  const expires = now + Math.min(profile.ttlSeconds, MAX_SECONDS);
  const token = await new SignJWT({ ws: profile.workspaceId })
    .setProtectedHeader({ alg: ALGORITHM, kid, typ: 'JWT' })
    .setSubject(profile.profileId)
    .setAudience(AUDIENCE)
    .setIssuedAt(now)
    .setExpirationTime(expires)
    .sign(key);
  return { token, expiresAt: new Date(expires * 1000) };
}

/** The profile behind a token, or null when it is forged, for something else, or over. */
export async function verifyInboxToken(token: string): Promise<InboxCaller | null> {
  const { signingKey, previousSigningKeys } = config().secrets;
  const keys = new Map(
    [signingKey, ...previousSigningKeys].map((k) => purposeKey(k)).map(({ key, kid }) => [kid, key]),
  );
  try {
    const keyOf = ({ kid }: { kid?: string }) => {
      const key = keys.get(kid ?? '');
      if (!key) throw new JWKSNoMatchingKey();
      return key;
    };
    const { payload } = await jwtVerify(token, keyOf, {
      algorithms: [ALGORITHM],
      audience: AUDIENCE,
      maxTokenAge: MAX_SECONDS,
      requiredClaims: ['exp', 'sub', 'ws'],
    });
    const { ws, sub, exp } = payload;
    if (typeof ws !== 'string' || !uuid.test(ws) || !sub || !uuid.test(sub) || exp === undefined) return null;
    return { kind: 'inbox', workspaceId: ws, profileId: sub, expiresAt: new Date(exp * 1000) };
  } catch (error) {
    if (error instanceof JOSEError) return null;
    throw error;
  }
}
