/** What would go wrong with a journey here and now: what the document says, and whether what it names is there. */
import { audienceByKey } from '@carillon/audience-service';
import { JourneyDefinition, type JourneyFinding } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { journeyNames, lintJourney } from '@carillon/scheduling-rules';
import { errorsOf } from '@carillon/server';

/** Of anything: what is no definition at all is said in zod's words, with pointers. */
export async function lintAnything(sql: Sql, workspaceId: string, given: unknown): Promise<JourneyFinding[]> {
  const read = JourneyDefinition.safeParse(given);
  if (read.success) return findingsOf(sql, workspaceId, read.data);
  return errorsOf(JourneyDefinition, given, read.error).map(({ pointer, message }) => ({
    level: 'error',
    code: 'not_understood',
    at: pointer,
    step: /^\/steps\/([^/]+)/.exec(pointer)?.[1] ?? null,
    message,
  }));
}

export async function findingsOf(
  sql: Sql,
  workspaceId: string,
  definition: JourneyDefinition,
): Promise<JourneyFinding[]> {
  const [here] = await sql.query<{ now: Date; quiet: boolean }>(
    `SELECT clock_timestamp() AS now, coalesce(jsonb_array_length(settings->'gate'->'quietHours'), 0) > 0 AS quiet FROM workspaces WHERE id = $1`,
    [workspaceId],
  );
  const findings = lintJourney(definition, here?.now);
  const quiet = Object.entries(definition.steps).find(
    ([, step]) => step.kind === 'wait' && step.until?.quietHours !== undefined,
  );
  if (quiet && !here?.quiet)
    findings.push({
      level: 'warning',
      code: 'no_quiet_hours',
      at: `/steps/${quiet[0]}/until/quietHours`,
      step: quiet[0],
      message: `Step “${quiet[0]}” waits for the end of quiet hours, and this workspace has none: nobody waits there.`,
    });
  const names = journeyNames(definition);
  const error = (code: string, at: string, step: string | null, message: string) =>
    findings.push({ level: 'error', code, at, step, message });

  const templates = await sql.query<{ key: string; version: number; newest: number; channels: string[] }>(
    `SELECT t.key, tv.version, t.version AS newest, ARRAY(SELECT jsonb_object_keys(tv.content)) AS channels
       FROM templates t JOIN template_versions tv ON tv.workspace_id = $1 AND tv.template_id = t.id
      WHERE t.workspace_id = $1 AND t.archived_at IS NULL AND t.key = ANY($2)`,
    [workspaceId, [...new Set(names.templates.map(({ key }) => key))]],
  );
  for (const { key, version, channels, at, step } of names.templates) {
    const there = templates.find((t) => t.key === key && t.version === (version ?? t.newest));
    if (!there) {
      error(
        'unknown_template',
        at,
        step,
        `There is no template “${key}”${version ? ` with version ${version}` : ''}: create it first (PUT /v1/templates/${key}).`,
      );
      continue;
    }
    for (const channel of channels)
      if (!there.channels.includes(channel))
        error(
          'no_content',
          at,
          step,
          `Template “${key}” says nothing for ${channel}: it has ${there.channels.join(', ')}.`,
        );
  }

  for (const { key, use, at, step } of names.audiences) {
    const audience = await audienceByKey(sql, workspaceId, key);
    if (!audience || audience.archivedAt)
      error('unknown_audience', at, step, `There is no audience “${key}”: create it first, or name another.`);
    else if (use === 'list' && audience.definition)
      error('not_a_list', at, step, `Audience “${key}” has a rule: people can only be put into a list.`);
    else if (use === 'live' && audience.definition && !audience.live)
      error(
        'not_live',
        at,
        step,
        `Audience “${key}” does not tell who enters and leaves: make it live ("live": true).`,
      );
  }

  const journeys = await sql.query<{ key: string; state: string }>(
    'SELECT key, state FROM journeys WHERE workspace_id = $1 AND key = ANY($2)',
    [workspaceId, [...new Set(names.journeys.map(({ key }) => key))]],
  );
  for (const { key, at, step } of names.journeys) {
    const there = journeys.find((j) => j.key === key);
    if (!there) error('unknown_journey', at, step, `There is no journey “${key}” to start.`);
    else if (there.state !== 'live')
      findings.push({
        level: 'warning',
        code: 'journey_not_live',
        at,
        step,
        message: `Journey “${key}” is ${there.state}: nobody can be started in it until it is live.`,
      });
  }

  const accounts = await sql.query<{ channel: string }>(
    'SELECT DISTINCT channel FROM provider_accounts WHERE workspace_id = $1 AND deleted_at IS NULL',
    [workspaceId],
  );
  const without = new Map<string, { at: string; step: string }>();
  for (const { channel, at, step } of names.channels)
    if (channel !== 'in-app' && !accounts.some((a) => a.channel === channel) && !without.has(channel))
      without.set(channel, { at, step });
  for (const [channel, { at, step }] of without)
    findings.push({
      level: 'warning',
      code: 'no_account',
      at,
      step,
      message: `There is no provider account for ${channel}: what goes out on it fails until there is one.`,
    });
  return findings;
}
