/**
 * API keys: `ck_<environment>_<key id>_<secret>`, 256 random bits of secret. Only the SHA-256 is stored, and looked up
 * by; a key is shown once, when made. A look-up is kept for a few seconds, so that a revoked key ends within 5 (S1).
 */
import { Injectable } from '@nestjs/common';
import type { Scope } from '@carillon/contracts';
import { Database } from '@carillon/database';
import { hash, randomBytes } from 'node:crypto';
import { config } from '@carillon/config';
import type { KeyCaller } from './caller.js';
import { ShortMemory } from './short-memory.js';

const format = /^(ck_[a-z]{2,10}_[a-z0-9]{12})_[A-Za-z0-9_-]{43}$/;
const letters = 'abcdefghijklmnopqrstuvwxyz234567';

export interface NewApiKey {
  /** The whole key: show it once, never store it. */
  key: string;
  /** What lists show. */
  prefix: string;
  /** SHA-256 of the whole key: what is stored. */
  hash: Buffer;
}

/** Makes a key. `ck_live_` in production, `ck_dev_` elsewhere, so that a scanner and a person can tell. */
export function newApiKey(): NewApiKey {
  const environment = config().mode === 'production' ? 'live' : 'dev';
  const keyId = Array.from(randomBytes(12), (byte) => letters[byte & 31]).join('');
  const prefix = `ck_${environment}_${keyId}`;
  const key = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { key, prefix, hash: Buffer.from(hashOf(key), 'hex') };
}

/** What lists show of a key; undefined when it is not shaped like one. A secret may begin with `_` itself. */
export const prefixOf = (key: string): string | undefined => format.exec(key)?.[1];

const hashOf = (key: string): string => hash('sha256', key, 'hex');

interface Row {
  id: string;
  workspace_id: string;
  scopes: Scope[];
  expires_at: Date | null;
}

@Injectable()
export class ApiKeys {
  private readonly known = new ShortMemory<{ caller: KeyCaller; expiresAt: Date | null }>();

  constructor(private readonly database: Database) {}

  /** The caller behind a key, or null when it is unknown, revoked or expired. */
  async identify(key: string): Promise<KeyCaller | null> {
    if (!format.test(key)) return null;
    const hex = hashOf(key);
    // Found by the hash of 256 random bits: nothing about the key can be learned from how long that takes.
    const found = await this.known.recall(hex, () => this.lookUp(Buffer.from(hex, 'hex')));
    if (!found || (found.expiresAt && found.expiresAt.getTime() <= Date.now())) return null;
    return found.caller;
  }

  /** Forgets what this process remembers: a key it revokes ends at once. */
  forget(): void {
    this.known.clear();
  }

  private async lookUp(hash: Buffer): Promise<{ caller: KeyCaller; expiresAt: Date | null } | null> {
    const [row] = await this.database.acrossWorkspaces((sql) =>
      sql.query<Row>(
        `WITH live AS (
           SELECT id, workspace_id, scopes, expires_at FROM api_keys
           WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
         ), used AS (
           UPDATE api_keys k SET last_used_at = now() FROM live
           WHERE k.workspace_id = live.workspace_id AND k.id = live.id
             AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute')
         )
         SELECT * FROM live`,
        [hash],
      ),
    );
    if (!row) return null;
    return {
      caller: { kind: 'key', workspaceId: row.workspace_id, keyId: row.id, scopes: row.scopes },
      expiresAt: row.expires_at,
    };
  }
}
