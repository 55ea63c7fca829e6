/** API keys: list, create, rotate with an overlap of two live keys, revoke. */
import { Controller } from '@nestjs/common';
import type { ApiKey, ApiKeyCreated, Scope } from '@carillon/contracts';
import { Database, newId, type Sql } from '@carillon/database';
import { ApiKeys, newApiKey } from './api-keys.js';
import type { KeyCaller, UserCaller } from './caller.js';
import { Operation, type Call, type Result } from './operation.js';
import { notFound, ProblemException } from './problem.js';

interface Row {
  id: string;
  name: string;
  prefix: string;
  scopes: Scope[];
  created_at: Date;
  last_used_at: Date | null;
  expires_at: Date | null;
  revoked_at: Date | null;
}
const columns = 'id, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at';

@Controller()
export class KeysController {
  constructor(
    private readonly database: Database,
    private readonly apiKeys: ApiKeys,
  ) {}

  @Operation('listKeys')
  async list({ caller }: Call<'listKeys'>): Promise<Result<'listKeys'>> {
    const rows = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.query<Row>(
        `SELECT ${columns} FROM api_keys WHERE workspace_id = $1
         ORDER BY (revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())) DESC, id DESC LIMIT 1000`,
        [caller.workspaceId],
      ),
    );
    return { items: rows.map(apiKey) };
  }

  @Operation('createKey')
  async create({ body, caller }: Call<'createKey'>): Promise<ApiKeyCreated> {
    mayGrant(caller, body.scopes);
    if (body.expiresAt && Date.parse(body.expiresAt) <= Date.now())
      throw new ProblemException(
        'invalid_request',
        'The key would have expired already: write a later expiresAt.',
        {
          errors: [{ pointer: '/expiresAt', code: 'in_the_past', message: 'Write a time in the future.' }],
        },
      );
    return this.database.inWorkspace(caller.workspaceId, (sql) =>
      insert(sql, caller.workspaceId, { ...body, expiresAt: body.expiresAt ?? null, rotatedFrom: null }),
    );
  }

  @Operation('rotateKey')
  async rotate({ params, body, caller }: Call<'rotateKey'>): Promise<ApiKeyCreated> {
    const created = await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const [old] = await sql.query<Row & { live: boolean; rotated: boolean }>(
        `SELECT ${columns}, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AS live,
           EXISTS (SELECT FROM api_keys n WHERE n.workspace_id = $1 AND n.rotated_from = k.id AND n.revoked_at IS NULL) AS rotated
         FROM api_keys k WHERE workspace_id = $1 AND id = $2 FOR UPDATE`,
        [caller.workspaceId, params.id],
      );
      if (!old) throw notFound('API key');
      mayGrant(caller, old.scopes);
      if (!old.live)
        throw new ProblemException('conflict', 'This key is no longer live: create a new one instead.');
      if (old.rotated)
        throw new ProblemException(
          'conflict',
          'This key has been rotated already: rotate its successor, or revoke it.',
        );
      const expiresAt = old.expires_at?.toISOString() ?? null;
      const next = await insert(sql, caller.workspaceId, { ...old, expiresAt, rotatedFrom: old.id });
      await sql.execute(
        `UPDATE api_keys SET expires_at = least(expires_at, now() + make_interval(secs => $3)),
           revoked_at = CASE WHEN $3 = 0 THEN now() END
         WHERE workspace_id = $1 AND id = $2`,
        [caller.workspaceId, params.id, body.overlapSeconds],
      );
      return next;
    });
    this.apiKeys.forget();
    return created;
  }

  @Operation('revokeKey')
  async revoke({ params, caller }: Call<'revokeKey'>): Promise<void> {
    const changed = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.execute(
        `UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE workspace_id = $1 AND id = $2`,
        [caller.workspaceId, params.id],
      ),
    );
    if (changed === 0) throw notFound('API key');
    this.apiKeys.forget();
  }
}

/** Nobody hands out more than they hold. */
function mayGrant(caller: KeyCaller | UserCaller, scopes: readonly Scope[]): void {
  const beyond = scopes.filter((scope) => !caller.scopes.includes(scope));
  if (beyond.length > 0)
    throw new ProblemException(
      'forbidden',
      `You cannot give a key scopes that you do not have: ${beyond.join(', ')}.`,
    );
}

async function insert(
  sql: Sql,
  workspaceId: string,
  wish: { name: string; scopes: readonly Scope[]; expiresAt: string | null; rotatedFrom: string | null },
): Promise<ApiKeyCreated> {
  const { key, prefix, hash } = newApiKey();
  const [row] = await sql.query<Row>(
    `INSERT INTO api_keys (id, workspace_id, name, prefix, hash, scopes, expires_at, rotated_from)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING ${columns}`,
    [
      newId(),
      workspaceId,
      wish.name,
      prefix,
      hash,
      [...new Set(wish.scopes)],
      wish.expiresAt,
      wish.rotatedFrom,
    ],
  );
  if (!row) throw new Error('INSERT returned no row');
  return { ...apiKey(row), key };
}

const apiKey = (row: Row): ApiKey => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: row.scopes,
  createdAt: row.created_at.toISOString(),
  lastUsedAt: row.last_used_at?.toISOString() ?? null,
  expiresAt: row.expires_at?.toISOString() ?? null,
  revokedAt: row.revoked_at?.toISOString() ?? null,
});
