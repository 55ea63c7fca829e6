/**
 * Webhook endpoints as people see and change them. Secrets are shown once, when they are made; at rest they are sealed
 * by secrets.ts. Two may be live at a time, so that a receiver can change over without losing a call.
 */
import { config } from '@carillon/config';
import type {
  WebhookEndpoint,
  WebhookEndpointCreate,
  WebhookEndpointCreated,
  WebhookEndpointPatch,
  WebhookType,
} from '@carillon/contracts';
import { newId, type Database, type Sql } from '@carillon/database';
import { createGuard, EgressRefused, hostsOfTenants, systemResolver } from '@carillon/http-out';
import { ProblemException } from '@carillon/server';
import { randomBytes } from 'node:crypto';
import { open, reseal, seal, type Envelope } from './secrets.js';
import { masterKeys } from './sending-accounts.js';
import { newWebhookSecret } from './webhook-call.js';

/** HTTP and HTTPS, on their own ports or the usual others. */
const PORTS = [80, 443, 8080, 8443];
const MOST_ENDPOINTS = 100;
const MOST_COUNTED = 10_000;

export interface KeptSecret {
  id: string;
  envelope: Envelope;
  /** Null: until it is rotated. */
  endsAt: string | null;
}
interface Row {
  id: string;
  workspaceId: string;
  url: string;
  description: string;
  types: WebhookType[];
  secrets: KeptSecret[];
  enabled: boolean;
  disabledReason: string | null;
  failingSince: Date | null;
  pending: number;
  createdAt: Date;
  updatedAt: Date;
}

const SELECT = `SELECT w.id, w.workspace_id AS "workspaceId", w.url, w.description, w.types, w.secrets, w.enabled, w.disabled_reason AS "disabledReason",
   w.failing_since AS "failingSince", w.created_at AS "createdAt", w.updated_at AS "updatedAt",
   (SELECT count(*) FROM (SELECT FROM webhook_messages m WHERE m.endpoint_id = w.id AND m.workspace_id = $1 AND m.due_at IS NOT NULL LIMIT ${MOST_COUNTED}) AS p) AS pending
   FROM webhook_endpoints w WHERE w.workspace_id = $1`;

export async function listEndpoints(sql: Sql, workspaceId: string): Promise<WebhookEndpoint[]> {
  return (await sql.query<Row>(`${SELECT} ORDER BY w.id`, [workspaceId])).map(toEndpoint);
}

export async function readEndpoint(
  sql: Sql,
  workspaceId: string,
  id: string,
): Promise<WebhookEndpoint | null> {
  const row = await endpointRow(sql, workspaceId, id);
  return row && toEndpoint(row);
}

export async function endpointRow(sql: Sql, workspaceId: string, id: string): Promise<Row | null> {
  const [row] = await sql.query<Row>(`${SELECT} AND w.id = $2`, [workspaceId, id]);
  return row ?? null;
}

/** @param url judged before, by refuseUrl */
export async function createEndpoint(
  sql: Sql,
  workspaceId: string,
  { url, description, types }: WebhookEndpointCreate,
): Promise<WebhookEndpointCreated> {
  const [{ count } = { count: 0 }] = await sql.query<{ count: number }>(
    'SELECT count(*) AS count FROM webhook_endpoints WHERE workspace_id = $1',
    [workspaceId],
  );
  if (count >= MOST_ENDPOINTS)
    throw new ProblemException(
      'conflict',
      `A workspace has at most ${MOST_ENDPOINTS} webhook endpoints: delete one.`,
    );
  const id = newId();
  const secret = newWebhookSecret();
  await sql.execute(
    `INSERT INTO webhook_endpoints (id, workspace_id, url, description, types, secrets) VALUES ($1, $2, $3, $4, $5, $6::jsonb)`,
    [id, workspaceId, url, description, distinct(types), JSON.stringify([sealed(workspaceId, id, secret)])],
  );
  return { ...(await existing(sql, workspaceId, id)), secret };
}

/** @returns null when there is none */
export async function updateEndpoint(
  sql: Sql,
  workspaceId: string,
  id: string,
  { url, description, types, enabled }: WebhookEndpointPatch,
): Promise<WebhookEndpoint | null> {
  await sql.execute(
    `UPDATE webhook_endpoints SET url = coalesce($3, url), description = coalesce($4, description), types = coalesce($5, types), updated_at = now(),
            enabled = coalesce($6, enabled), failing_since = CASE WHEN $6 AND NOT enabled THEN NULL ELSE failing_since END,
            disabled_reason = CASE WHEN $6 THEN NULL WHEN NOT $6 THEN coalesce(disabled_reason, 'Disabled by hand.') ELSE disabled_reason END
      WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, url ?? null, description ?? null, types ? distinct(types) : null, enabled ?? null],
  );
  return readEndpoint(sql, workspaceId, id);
}

/** A second live secret, the newest; what was live before it signs as well until the overlap ends. */
export async function rotateSecret(
  sql: Sql,
  workspaceId: string,
  id: string,
  overlapSeconds: number,
): Promise<WebhookEndpointCreated | null> {
  const [row] = await sql.query<Pick<Row, 'secrets'> & { now: Date }>(
    'SELECT secrets, now() AS now FROM webhook_endpoints WHERE workspace_id = $1 AND id = $2 FOR UPDATE',
    [workspaceId, id],
  );
  if (!row) return null;
  const endsAt = new Date(row.now.getTime() + overlapSeconds * 1000).toISOString();
  const [before] = row.secrets;
  const secret = newWebhookSecret();
  const secrets = [
    sealed(workspaceId, id, secret),
    ...(before && overlapSeconds > 0 ? [{ ...before, endsAt }] : []),
  ];
  await sql.execute(
    'UPDATE webhook_endpoints SET secrets = $3::jsonb, updated_at = now() WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id, JSON.stringify(secrets)],
  );
  return { ...(await existing(sql, workspaceId, id)), secret };
}

/** With what it has still to be told. @returns whether there was one */
export async function deleteEndpoint(sql: Sql, workspaceId: string, id: string): Promise<boolean> {
  const deleted = await sql.execute('DELETE FROM webhook_endpoints WHERE workspace_id = $1 AND id = $2', [
    workspaceId,
    id,
  ]);
  await sql.execute('DELETE FROM webhook_messages WHERE workspace_id = $1 AND endpoint_id = $2', [
    workspaceId,
    id,
  ]);
  return deleted > 0;
}

/** The secrets that sign now, newest first, opened. */
export const liveSecrets = (
  { id, workspaceId, secrets }: Pick<Row, 'id' | 'workspaceId' | 'secrets'>,
  now: Date,
): string[] =>
  secrets
    .filter(({ endsAt }) => endsAt === null || Date.parse(endsAt) > now.getTime())
    .map((kept) => open(masterKeys(), placeOf(workspaceId, id, kept.id), kept.envelope));

/** Seals every webhook secret of the installation with the current master key. @returns how many were sealed anew */
export async function resealWebhooks(database: Database): Promise<number> {
  return database.acrossWorkspaces(async (sql) => {
    const rows = await sql.query<Pick<Row, 'id' | 'workspaceId' | 'secrets'>>(
      'SELECT id, workspace_id AS "workspaceId", secrets FROM webhook_endpoints ORDER BY id FOR UPDATE',
    );
    let count = 0;
    for (const { id, workspaceId, secrets } of rows) {
      let changed = false;
      const anew = secrets.map((kept) => {
        const envelope = reseal(masterKeys(), placeOf(workspaceId, id, kept.id), kept.envelope);
        if (envelope === null) return kept;
        changed = true;
        count += 1;
        return { ...kept, envelope };
      });
      if (changed)
        await sql.execute(
          'UPDATE webhook_endpoints SET secrets = $3::jsonb WHERE workspace_id = $1 AND id = $2',
          [workspaceId, id, JSON.stringify(anew)],
        );
    }
    return count;
  });
}

/**
 * The first wall: refuses what can never be reached, with a sentence. The second is the way out, which judges the
 * addresses it dials, each time.
 * @throws ProblemException pointing at `/url`
 */
export async function refuseUrl(text: string): Promise<void> {
  const { allowPrivateNetworks } = config().out;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw badUrl('write a whole address such as https://shop.example.com/webhooks');
  if (url.username || url.password)
    throw badUrl('leave user name and password out: calls are signed instead');
  if (url.hash) throw badUrl('leave out the part after #: it is never sent');
  if (url.protocol === 'http:' && !allowPrivateNetworks)
    throw badUrl('must begin with https://, so that nobody reads or changes what is told');
  const guard = createGuard({
    ...hostsOfTenants(allowPrivateNetworks),
    ports: PORTS,
    resolve: systemResolver,
  });
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const refused = guard.refusal(host, Number(url.port || (url.protocol === 'https:' ? 443 : 80)));
  if (refused) throw badUrl(refused.message);
  await new Promise<void>((resolve, reject) =>
    guard.lookup(host, { all: true }, (error) => {
      if (error instanceof EgressRefused) reject(badUrl(error.message));
      else if (error) reject(badUrl(`the name ${host} is not known: is it written right, and published?`));
      else resolve();
    }),
  );
}
const badUrl = (message: string): ProblemException =>
  new ProblemException('invalid_request', `The body is not valid: /url: ${message}`, {
    errors: [{ pointer: '/url', code: 'url_refused', message }],
  });

async function existing(sql: Sql, workspaceId: string, id: string): Promise<WebhookEndpoint> {
  const endpoint = await readEndpoint(sql, workspaceId, id);
  if (!endpoint) throw new Error('the endpoint was not written');
  return endpoint;
}

const placeOf = (workspaceId: string, endpointId: string, secretId: string) => ({
  workspaceId,
  accountId: endpointId,
  field: `webhook ${secretId}`,
});
function sealed(workspaceId: string, endpointId: string, secret: string): KeptSecret {
  const id = randomBytes(4).toString('hex');
  return { id, envelope: seal(masterKeys(), placeOf(workspaceId, endpointId, id), secret), endsAt: null };
}
const distinct = (types: readonly WebhookType[]): WebhookType[] => [...new Set(types)];

const toEndpoint = (row: Row): WebhookEndpoint => ({
  id: row.id,
  url: row.url,
  description: row.description,
  types: row.types,
  enabled: row.enabled,
  disabledReason: row.disabledReason,
  failingSince: row.failingSince?.toISOString() ?? null,
  secrets: row.secrets
    .filter(({ endsAt }) => endsAt === null || Date.parse(endsAt) > Date.now())
    .map(({ id, endsAt }) => ({ id, endsAt })),
  pending: row.pending,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});
