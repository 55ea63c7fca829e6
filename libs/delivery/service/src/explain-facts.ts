/** What `explain` needs beside a delivery and its timeline: account, route, policy. Reads only. */
import type { Delivery, RouteStep, Status } from '@carillon/contracts';
import { dayOf, type Sql } from '@carillon/database';
import type { ExplainFacts, RetryPolicy } from '@carillon/delivery-rules';
import { providerOf } from './account-settings.js';
import { channelShapes } from './channels.js';

interface Row {
  sendAt: Date | null;
  redrivenAt: Date | null;
  route: RouteStep[] | null;
  steps: { id: string; channel: Delivery['channel']; status: Status; step: number }[] | null;
  account: string | null;
  provider: string | null;
  paused: string | null;
  /** What the workspace changed of the channel's retry policy. */
  ownRetry: Partial<RetryPolicy> | null;
  gateVersion: number | null;
  gateSaid: string | null;
}

export async function explainFacts(
  sql: Sql,
  workspaceId: string,
  delivery: Delivery,
): Promise<Omit<ExplainFacts, 'delivery' | 'timeline'>> {
  const [row] = await sql.query<Row>(
    // The account it went through; before that, the one it would take first.
    `SELECT m.send_at AS "sendAt", d.redriven_at AS "redrivenAt", d.gate_version AS "gateVersion", d.gate_said AS "gateSaid", m.route, a.name AS account, a.provider,
            CASE WHEN a.paused_at IS NOT NULL THEN coalesce(a.paused_reason, 'a person paused it') END AS paused,
            CASE WHEN m.route IS NOT NULL THEN (
              SELECT jsonb_agg(jsonb_build_object('id', o.id, 'channel', o.channel, 'status', o.status, 'step', o.route_step) ORDER BY o.route_step)
                FROM deliveries o WHERE o.day = m.day AND o.id = ANY(m.delivery_ids) AND o.workspace_id = $1) END AS steps,
            (SELECT w.settings -> 'retry' -> d.channel FROM workspaces w WHERE w.id = $1) AS "ownRetry"
       FROM deliveries d JOIN messages m ON m.day = d.day AND m.id = d.message_id
       LEFT JOIN LATERAL (
         SELECT * FROM provider_accounts p WHERE p.workspace_id = $1 AND p.channel = d.channel AND p.deleted_at IS NULL
          ORDER BY (p.id = d.provider_account_id) DESC NULLS LAST, p.position, p.id LIMIT 1) a ON true
      WHERE d.day = $2::date AND d.id = $3 AND d.workspace_id = $1`,
    [workspaceId, dayOf(delivery.id), delivery.id],
  );
  const created = Date.parse(delivery.createdAt);
  return {
    account:
      row?.account && row.provider ? { name: row.account, provider: row.provider, paused: row.paused } : null,
    route:
      row?.steps?.map(({ id, channel, status, step }) => ({
        channel,
        status,
        own: id === delivery.id,
        unless: row.route?.[step]?.unless ?? null,
      })) ?? null,
    gate: { version: row?.gateVersion ?? null, said: row?.gateSaid ?? null },
    retry: { ...channelShapes[delivery.channel].retry, ...row?.ownRetry },
    plannedAt: new Date(Math.max(created, row?.sendAt?.getTime() ?? 0, row?.redrivenAt?.getTime() ?? 0)),
    looksUp:
      delivery.provider !== null && providerOf(delivery.channel, delivery.provider)?.lookup !== undefined,
  };
}
