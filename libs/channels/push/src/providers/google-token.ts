/**
 * Access tokens for Google's APIs from a service account: a signed assertion is exchanged for a token of an hour.
 * https://developers.google.com/identity/protocols/oauth2/service-account#httprest (RFC 7523).
 * Here and not google-auth-library's, because that brings its own HTTP, past the egress guard, and with retries.
 * Used by the FCM provider.
 */
import { HttpOutError } from '@carillon/http-out';
import { impersonal, unanswered, type HttpPort, type Outcome } from '@carillon/delivery-rules';
import { createPrivateKey, sign } from 'node:crypto';
import { z } from 'zod';

/** The parts of the JSON key file that are needed. */
export const ServiceAccount = z.object({
  project_id: z.string().regex(/^[a-z0-9:.-]{1,100}$/),
  client_email: z.string().min(1).max(320),
  private_key: z.string().refine((pem) => {
    try {
      return createPrivateKey(pem).asymmetricKeyType === 'rsa';
    } catch {
      return false; // not a key: the refinement says so
    }
  }),
  private_key_id: z.string().max(200).optional(),
});
export type ServiceAccount = z.infer<typeof ServiceAccount>;

/** No token, so nothing was sent: `outcome` is `misconfigured` or `deferred`, never `unknown`. */
export class NoToken extends Error {
  override name = 'NoToken';
  constructor(readonly outcome: Outcome) {
    super('No access token.');
  }
}

const Granted = z.object({ access_token: z.string().min(1), expires_in: z.number() });
const Refused = z.object({ error: z.string(), error_description: z.string().optional() });

export interface TokenSource {
  /** A token that holds for at least five more minutes. Throws `NoToken`. */
  token(): Promise<string>;
  /** The service refused a token: true if it was an old one, so that a new one may help. */
  forget(): boolean;
}

/** `endpoint` replaces Google's host, path and all, when it is given. */
export function tokenSource(account: ServiceAccount, http: HttpPort, endpoint?: string): TokenSource {
  const audience = 'https://oauth2.googleapis.com/token';
  let current: { token: Promise<string>; madeAt: number; renewAt: number } | undefined;

  const fetchToken = async (): Promise<{ token: string; seconds: number }> => {
    const now = Math.floor(Date.now() / 1000);
    const assertion = jwt(account, {
      iss: account.client_email,
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      aud: audience,
      iat: now,
      exp: now + 3600,
    });
    const { status, body } = await http.request({
      method: 'POST',
      url: endpoint ? `${endpoint}/token` : audience,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
      }).toString(),
      deadlineMs: 10_000,
    });
    const json: unknown = readJson(body);
    const granted = Granted.safeParse(json).data;
    if (status === 200 && granted) return { token: granted.access_token, seconds: granted.expires_in };
    const why = Refused.safeParse(json).data;
    const message = impersonal(why?.error_description ?? 'Google gave no token.', account.client_email);
    // RFC 6749 section 5.2: 400 and 401 are about who asks; anything else is about the server.
    const kind = status === 400 || status === 401 || status === 403 ? 'misconfigured' : 'deferred';
    throw new NoToken({ kind, answer: { code: why?.error ?? status, message } });
  };

  return {
    token() {
      if (current && Date.now() < current.renewAt) return current.token;
      const madeAt = Date.now();
      const mine = { token: Promise.resolve(''), madeAt, renewAt: madeAt + 60_000 };
      mine.token = fetchToken().then(
        ({ token, seconds }) => {
          mine.renewAt = madeAt + (seconds - 300) * 1000;
          return token;
        },
        (error: unknown) => {
          if (current === mine) current = undefined;
          if (!(error instanceof HttpOutError)) throw error;
          const outcome = unanswered(error);
          throw new NoToken(outcome.kind === 'unknown' ? { ...outcome, kind: 'deferred' } : outcome);
        },
      );
      current = mine;
      return mine.token;
    },
    forget() {
      const old = current !== undefined && Date.now() - current.madeAt > 60_000;
      current = undefined;
      return old;
    },
  };
}

/** Undefined when it is not JSON. */
export function readJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined; // a proxy's page: the status must do
  }
}

function jwt(account: ServiceAccount, claims: object): string {
  const header = { alg: 'RS256', typ: 'JWT', ...(account.private_key_id && { kid: account.private_key_id }) };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), account.private_key).toString('base64url')}`;
}
