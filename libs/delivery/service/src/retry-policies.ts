/**
 * Retry policies: each channel has one, and a workspace may change parts of it in its settings. Read at every claim, so
 * that a change holds for the next attempt. Called by the accounts' controller.
 */
import { channels, type Channel, type ChannelRetry, type RetryPolicyPatch } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import type { RetryPolicy } from '@carillon/delivery-rules';
import { ProblemException } from '@carillon/server';
import { channelShapes } from './channels.js';

type Own = Partial<Record<Channel, Partial<RetryPolicy>>>;

export async function retryPolicies(sql: Sql, workspaceId: string): Promise<ChannelRetry[]> {
  const [row] = await sql.query<{ own: Own | null }>(
    `SELECT settings -> 'retry' AS own FROM workspaces WHERE id = $1`,
    [workspaceId],
  );
  return channels.map((channel) => toRetry(channel, row?.own?.[channel] ?? {}));
}

/** @throws ProblemException `invalid_request` when the waits do not fit each other */
export async function updateRetryPolicy(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  patch: RetryPolicyPatch,
): Promise<ChannelRetry> {
  const [row] = await sql.query<{ own: Own | null }>(
    `SELECT settings -> 'retry' AS own FROM workspaces WHERE id = $1 FOR UPDATE`,
    [workspaceId],
  );
  const ms = (seconds: number | null | undefined) =>
    seconds === null || seconds === undefined ? seconds : Math.round(seconds * 1000);
  const asked = {
    attempts: patch.attempts,
    windowMs: ms(patch.windowSeconds),
    backoffMs: ms(patch.backoffSeconds),
    maxBackoffMs: ms(patch.maxBackoffSeconds),
  };
  const own: Partial<RetryPolicy> = { ...row?.own?.[channel] };
  for (const [name, value] of Object.entries(asked) as [keyof RetryPolicy, number | null | undefined][])
    if (value === null) delete own[name];
    else if (value !== undefined) own[name] = value;
  const policy = { ...channelShapes[channel].retry, ...own };
  if (policy.maxBackoffMs < policy.backoffMs)
    throw wrong(
      '/maxBackoffSeconds',
      `must be at least backoffSeconds, which is ${policy.backoffMs / 1000}: the longest wait is not shorter than the first`,
    );
  if (policy.windowMs < policy.backoffMs)
    throw wrong(
      '/windowSeconds',
      `must be at least backoffSeconds, which is ${policy.backoffMs / 1000}: else nothing is ever tried again`,
    );
  await sql.execute(
    `UPDATE workspaces SET settings = jsonb_set(settings, '{retry}', coalesce(settings -> 'retry', '{}') || jsonb_build_object($2::text, $3::jsonb)) WHERE id = $1`,
    [workspaceId, channel, JSON.stringify(own)],
  );
  return toRetry(channel, own);
}

const fieldOf = {
  attempts: 'attempts',
  windowMs: 'windowSeconds',
  backoffMs: 'backoffSeconds',
  maxBackoffMs: 'maxBackoffSeconds',
} as const satisfies Record<keyof RetryPolicy, ChannelRetry['changed'][number]>;

const inSeconds = (policy: RetryPolicy): ChannelRetry['defaults'] => ({
  attempts: policy.attempts,
  windowSeconds: policy.windowMs / 1000,
  backoffSeconds: policy.backoffMs / 1000,
  maxBackoffSeconds: policy.maxBackoffMs / 1000,
});

function toRetry(channel: Channel, own: Partial<RetryPolicy>): ChannelRetry {
  const defaults = channelShapes[channel].retry;
  return {
    channel,
    ...inSeconds({ ...defaults, ...own }),
    changed: (Object.keys(own) as (keyof RetryPolicy)[]).map((name) => fieldOf[name]),
    defaults: inSeconds(defaults),
  };
}

const wrong = (pointer: string, message: string) =>
  new ProblemException('invalid_request', `The body is not valid: ${pointer}: ${message}`, {
    errors: [{ pointer, code: 'out_of_range', message }],
  });
