/** Who did what to the data of people: erased, deleted, exported, released, recorded consent. Append only; names no address. */
import { newId, type Sql } from '@carillon/database';
import type { KeyCaller, UserCaller } from '@carillon/server';

export type AuditAction =
  | 'profile.erased'
  | 'profile.exported'
  | 'profile.deleted'
  | 'profile.merged'
  | 'audience.saved'
  | 'audience.archived'
  | 'audience.filled'
  | 'audience.exported'
  | 'suppression.added'
  | 'suppression.released'
  | 'suppression.exported'
  | 'consent.recorded'
  | 'consent-policy.changed'
  | 'topic.saved'
  | 'topic.archived'
  | 'gate.changed'
  | 'caps.reset'
  | 'campaign.started'
  | 'campaign.paused'
  | 'campaign.resumed'
  | 'campaign.cancelled'
  | 'campaign.approved'
  | 'campaign.rejected'
  | 'campaign.chosen'
  | 'journey.insiders_moved'
  | 'journey.live'
  | 'journey.paused'
  | 'journey.resumed'
  | 'journey.closed'
  | 'journey.stopped'
  | 'journey.deleted'
  | 'import.started';

/**
 * Writes a line in the transaction of what it tells.
 * @param subject ids only: a profile's id, an import's id
 */
export async function audit(
  sql: Sql,
  caller: KeyCaller | UserCaller,
  action: AuditAction,
  subject: string,
  detail: Record<string, unknown> = {},
): Promise<void> {
  await sql.execute(
    'INSERT INTO audit_log (workspace_id, id, by, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)',
    [caller.workspaceId, newId(), actorOf(caller), action, subject, JSON.stringify(detail)],
  );
}

/** `user:<id>` or `key:<id>`: an id stays true when a name changes. */
export const actorOf = (caller: KeyCaller | UserCaller): string =>
  caller.kind === 'user' ? `user:${caller.userId}` : `key:${caller.keyId}`;
