/**
 * Preparing: what a campaign would do if it started now. Counts its audience, takes its templates as they stand, and looks
 * for what would go wrong. An error keeps it from starting; the same look is taken again when it starts by itself.
 */
import { mentionsOf } from '@carillon/audience-rules';
import { asAWhole, audiencesOf, reachOf, type AudienceRow } from '@carillon/audience-service';
import {
  channels,
  type CampaignCost,
  type CampaignDefinition,
  type CampaignFinding,
  type CampaignReport,
  type CampaignSample,
  type Channel,
  type ContentByChannel,
  type Prices,
} from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { decidingDigits, priceOf } from '@carillon/delivery-rules';
import {
  addressesIn,
  checkContent,
  contentFindings,
  partsOf,
  usableAccounts,
} from '@carillon/delivery-service';
import { durationMs, nextOccurrence, recurrenceFault } from '@carillon/scheduling-rules';
import { ProblemException } from '@carillon/server';
import { definitionOf, heldOutOf, membersOf, peopleOf, type Statement } from './campaign-audience.js';
import { forecast } from './forecast-campaign.js';

/** What was tried before, outside of the transaction: try-campaign.ts. */
export interface Tried {
  samples: CampaignSample[];
  findings: CampaignFinding[];
}
const untried: Tried = { samples: [], findings: [] };

const PREPARE_MS = 55_000;

interface TemplateVersionRow {
  key: string;
  id: string;
  version: number;
  content: ContentByChannel;
  locales: Record<string, ContentByChannel>;
  variables: { name: string; required: boolean }[];
}
/** What one variant, or the whole campaign, says. */
export interface Said {
  variant: string | null;
  template: { key: string; id: string; version: number } | null;
  content: ContentByChannel | null;
  data: Record<string, unknown>;
  /** On which it goes out, and how much later than the others. */
  channels: Channel[];
  delayMs: number;
  /** Its share of all. */
  share: number;
  /** Parts of its text, about; where it leads. */
  smsParts: number;
  addresses: string[];
  at: string;
}

/**
 * Takes templates as they stand now, or in the versions that were prepared. Reports what is missing.
 * @param prepared versions by variant
 */
export async function saidBy(
  sql: Sql,
  workspaceId: string,
  definition: CampaignDefinition,
  prepared: CampaignReport['templates'] = [],
): Promise<{ said: Said[]; findings: CampaignFinding[] }> {
  const findings: CampaignFinding[] = [];
  const add = (level: CampaignFinding['level'], code: string, at: string, message: string) =>
    findings.push({ level, code, at, message });
  const voices =
    definition.variants.length > 0
      ? definition.variants.map((v, n) => ({ ...v, at: `/variants/${n}` }))
      : [
          {
            name: null,
            weight: 1,
            template: undefined,
            content: undefined,
            data: undefined,
            channels: undefined,
            delay: undefined,
            at: '',
          },
        ];
  const weights = voices.reduce((sum, voice) => sum + voice.weight, 0);
  const said: Said[] = [];
  const sample = definition.each ? { each: await latestOf(sql, workspaceId, definition.each.event) } : {};
  for (const voice of voices) {
    const own = voice.template !== undefined || voice.content !== undefined;
    const { template: ref, content = null } = own ? voice : definition;
    const at = own ? voice.at : '';
    const data = { ...definition.data, ...voice.data };
    const channels = voice.channels ?? definition.channels;
    const version = prepared.find((t) => t.variant === voice.name)?.version;
    const found = ref === undefined ? null : await templateAt(sql, workspaceId, ref, version);
    if (ref !== undefined && !found) {
      const key = typeof ref === 'string' ? ref : ref.key;
      add('error', 'unknown_template', `${at}/template`, `There is no template “${key}” in that version.`);
      continue;
    }
    const texts = found ? [found.content, ...Object.values(found.locales)] : [content ?? {}];
    for (const channel of channels) {
      if (!texts[0]?.[channel])
        add(
          'error',
          'no_content',
          at + (found ? '/template' : '/content'),
          `It says nothing for ${channel}.`,
        );
      else if (channel === 'email' && definition.class === 'marketing')
        texts.forEach(({ email }) => {
          if (email && !/(unsubscribe|preferences)_url/.test(JSON.stringify(email)))
            add(
              'error',
              'no_unsubscribe_link',
              at + (found ? '/template' : '/content/email'),
              'Marketing by email needs a way out: put {{ unsubscribe_url }} or {{ preferences_url }} into it.',
            );
        });
    }
    for (const { name, required } of found?.variables ?? []) {
      const [top = ''] = name.split('.');
      if (
        required &&
        !['profile', 'unsubscribe_url', 'preferences_url', ...(definition.each ? ['each'] : [])].includes(
          top,
        ) &&
        data[top] === undefined
      )
        add('error', 'missing_variable', `${at}/data`, `The template needs “${top}”: give it in data.`);
    }
    for (const { pointer, code, message } of texts.flatMap((one) => contentFindings(only(one, channels))))
      add('warning', code, at + (found ? '/template' : `/content${pointer}`), message);
    const checked = !found && content ? await checkContent(content, { ...data, ...sample }) : null;
    for (const { pointer, message } of checked?.errors ?? [])
      add('error', 'content', at + pointer, `${message.charAt(0).toUpperCase()}${message.slice(1)}.`);
    said.push({
      variant: voice.name,
      template: found && { key: found.key, id: found.id, version: found.version },
      content: checked?.content ?? null,
      data,
      channels,
      delayMs: voice.delay ? durationMs(voice.delay) : 0,
      share: voice.weight / weights,
      smsParts: partsOf(texts[0]?.sms?.body ?? '').segments,
      addresses: [...new Set(texts.flatMap((one) => addressesIn(only(one, channels))))],
      at: at + (found ? '/template' : '/content'),
    });
  }
  return { said, findings };
}

const only = (content: ContentByChannel, channels: readonly Channel[]): ContentByChannel =>
  Object.fromEntries(Object.entries(content).filter(([channel]) => channels.includes(channel as Channel)));

/** What the content is tried with, of messages about events. */
export async function latestOf(
  sql: Sql,
  workspaceId: string,
  name: string,
): Promise<Record<string, unknown>> {
  const [event] = await sql.query<{ properties: Record<string, unknown> }>(
    'SELECT properties FROM events WHERE workspace_id = $1 AND name = $2 ORDER BY at DESC LIMIT 1',
    [workspaceId, name],
  );
  return event?.properties ?? {};
}

async function templateAt(
  sql: Sql,
  workspaceId: string,
  ref: string | { key: string; version?: number | undefined },
  prepared: number | undefined,
): Promise<TemplateVersionRow | null> {
  const { key, version = prepared } = typeof ref === 'string' ? { key: ref } : ref;
  const [row] = await sql.query<TemplateVersionRow>(
    `SELECT t.key, t.id, v.version, v.content, v.locales, v.variables FROM templates t
       JOIN template_versions v ON v.workspace_id = $1 AND v.template_id = t.id AND v.version = coalesce($3::int, t.version)
      WHERE t.workspace_id = $1 AND t.key = $2 AND t.archived_at IS NULL`,
    [workspaceId, key, version ?? null],
  );
  return row ?? null;
}

/** When it begins, if it is started now; null when its rule has no time left. */
export function startsAt({ start }: CampaignDefinition, now: Date): Date | null {
  switch (start.kind) {
    case 'now':
      return now;
    case 'at':
      return new Date(Math.max(now.getTime(), Date.parse(start.at)));
    case 'local': {
      // The day begins earliest fourteen hours ahead of UTC.
      const first = Date.parse(`${start.date}T${start.time}:00Z`) - 14 * 3_600_000;
      return new Date(Math.max(now.getTime(), first));
    }
    case 'best': {
      const first =
        Date.parse(`${start.date}T${String(start.from).padStart(2, '0')}:00:00Z`) - 14 * 3_600_000;
      return new Date(Math.max(now.getTime(), first));
    }
    case 'recurring':
      return nextOccurrence(start, new Date(now.getTime() - 1));
  }
}

export async function prepare(
  sql: Sql,
  workspaceId: string,
  campaign: { id: string; version: number; definition: CampaignDefinition },
  now: Date,
  tried: Tried = untried,
): Promise<CampaignReport> {
  const { definition } = campaign;
  const { said, findings } = await saidBy(sql, workspaceId, definition);
  const add = (level: CampaignFinding['level'], code: string, at: string, message: string) =>
    findings.push({ level, code, at, message });
  findings.push(...tried.findings);
  for (const channel of definition.channels) await checkAccounts(sql, workspaceId, channel, add);
  const { start } = definition;
  const fault = start.kind === 'recurring' ? recurrenceFault(start) : null;
  if (fault) add('error', 'bad_rule', '/start/rule', `The rule ${fault}.`);
  const begins = fault ? null : startsAt(definition, now);
  if (!fault && !begins) add('error', 'no_occurrence', '/start/rule', 'The rule has no time left.');
  if (start.kind === 'at' && Date.parse(start.at) < now.getTime())
    add('warning', 'past_start', '/start/at', 'That time is over: it would start at once.');

  const { people, ...counted } = await count(
    sql,
    workspaceId,
    { id: campaign.id, definition, said },
    begins ?? now,
    add,
  );
  if (definition.each && counted.audience > 0 && counted.messages === 0)
    add(
      'error',
      'empty_audience',
      '/each',
      `Nobody in it did “${definition.each.event}” with a “${definition.each.key}” in that time.`,
    );
  const { waves } = definition;
  const left =
    waves?.unit === 'people' ? messagesOf(counted) - waves.sizes.reduce((sum, size) => sum + size, 0) : 0;
  if (left > 0)
    add(
      'warning',
      'beyond_waves',
      '/waves',
      `${left.toLocaleString('en')} are beyond the last wave and get nothing.`,
    );
  if (counted.audience === 0 && !findings.some((f) => f.at === '/audience'))
    add('error', 'empty_audience', '/audience', 'There is nobody in it.');
  const told =
    begins && people
      ? await forecast(sql, workspaceId, definition, {
          begins,
          people,
          messages: messagesOf(counted),
          largestZone: (counted.byZone[0]?.people ?? 0) / Math.max(1, counted.audience),
        })
      : null;
  if (told?.late)
    add(
      'warning',
      'too_slow',
      '/sendWithin',
      `At the pace of its rate and accounts it takes longer than ${definition.sendWithin}: what has not left by then expires.`,
    );
  return {
    version: campaign.version,
    at: now.toISOString(),
    findings,
    ...counted,
    templates: said.flatMap(({ variant, template }) =>
      template ? [{ variant, key: template.key, version: template.version }] : [],
    ),
    samples: tried.samples,
    startsAt: begins?.toISOString() ?? null,
    endsAt: told?.endsAt ?? null,
  };
}

async function checkAccounts(
  sql: Sql,
  workspaceId: string,
  channel: Channel,
  add: (level: CampaignFinding['level'], code: string, at: string, message: string) => void,
): Promise<void> {
  const accounts = await usableAccounts(sql, workspaceId, channel);
  if (accounts.length === 0)
    add('error', 'no_account', '/channels', `There is no provider account for ${channel}.`);
  else if (accounts.every((a) => a.paused))
    add(
      'warning',
      'accounts_paused',
      '/channels',
      `All provider accounts for ${channel} are paused: it would wait.`,
    );
}

/** On each channel. Those held out are among the audience, and not among the messages where these are counted. */
const messagesOf = ({
  audience,
  messages,
  heldOut = 0,
}: Pick<CampaignReport, 'audience' | 'messages' | 'heldOut'>): number => messages ?? audience - heldOut;

type Counted = 'audience' | 'messages' | 'heldOut' | 'byZone' | 'byChannel' | 'audiences' | 'cost';
async function count(
  sql: Sql,
  workspaceId: string,
  { id, definition, said }: { id: string; definition: CampaignDefinition; said: readonly Said[] },
  startsAt: Date,
  add: (level: CampaignFinding['level'], code: string, at: string, message: string) => void,
): Promise<Pick<CampaignReport, Counted> & { people: Statement | null }> {
  const none = { audience: 0, byZone: [], byChannel: [], people: null };
  const all = await audiencesOf(sql, workspaceId);
  for (const [at, key] of namedIn(definition))
    if (!all.has(key)) {
      add('error', 'unknown_audience', at, `There is no audience “${key}”.`);
      return none;
    }
  try {
    await asAWhole(sql, PREPARE_MS);
    const people = await peopleOf(sql, workspaceId, definition);
    const w = `$${people.params.length + 1}::uuid`;
    const zones = await sql.query<{ zone: string; people: number }>(
      `SELECT coalesce(p.timezone, p.phone_zone, (SELECT settings->>'timezone' FROM workspaces WHERE id = ${w}), 'UTC') AS zone, count(*) AS people
         FROM (${people.text}) AS c JOIN profiles p ON p.workspace_id = ${w} AND p.id = c.profile_id GROUP BY 1 ORDER BY 2 DESC, 1`,
      [...people.params, workspaceId],
    );
    const rule = typeof definition.audience === 'string' ? definitionOf(definition) : null;
    const on = channels.filter((channel) => definition.channels.includes(channel));
    const byChannel = rule ? await reachOf(sql, workspaceId, rule, on) : [];
    const each = definition.each
      ? await membersOf(
          sql,
          workspaceId,
          { ...definition, start: { kind: 'now' }, waves: undefined },
          people,
          {
            salt: id,
            slice: { variant: null, test: null },
            startsAt,
          },
        )
      : null;
    const [counted] = each
      ? await sql.query<{ messages: number }>(
          `SELECT count(*) AS messages FROM (${each.text}) AS m`,
          each.params,
        )
      : [];
    const held = heldOutOf(definition, people, id);
    const [out] = held
      ? await sql.query<{ heldOut: number }>(
          `SELECT count(*) AS "heldOut" FROM (${held.text}) AS h`,
          held.params,
        )
      : [];
    return {
      people,
      ...counted,
      ...out,
      audiences: behind(definition, all),
      cost: await costOf(sql, workspaceId, said, people),
      audience: zones.reduce((sum, z) => sum + z.people, 0),
      byZone: zones.slice(0, 100),
      byChannel,
    };
  } catch (error) {
    // An audience that is not there, or that costs too much, is something to mend, not a failure of the call.
    if (!(error instanceof ProblemException)) throw error;
    add('error', 'audience', '/audience', error.message);
    return none;
  }
}

/** What its texts would cost, if everybody with a number got one; null where no account has prices. */
async function costOf(
  sql: Sql,
  workspaceId: string,
  said: readonly Said[],
  people: Statement,
): Promise<CampaignCost | null> {
  const each = said.reduce(
    (sum, { channels, share, smsParts }) => sum + (channels.includes('sms') ? share * smsParts : 0),
    0,
  );
  const [account] =
    each === 0
      ? []
      : await sql.query<{ prices: Prices }>(
          `SELECT prices FROM provider_accounts WHERE workspace_id = $1 AND channel = 'sms' AND deleted_at IS NULL AND prices IS NOT NULL ORDER BY position, id LIMIT 1`,
          [workspaceId],
        );
  if (!account) return null;
  const { prices } = account;
  const [w, digits] = [1, 2].map((n) => `$${people.params.length + n}`);
  const groups = await sql.query<{ start: string; people: number }>(
    `SELECT left(p.phone, ${digits}::int) AS start, count(*) AS people FROM (${people.text}) AS c
       JOIN profiles p ON p.workspace_id = ${w}::uuid AND p.id = c.profile_id WHERE p.phone IS NOT NULL GROUP BY 1`,
    [...people.params, workspaceId, decidingDigits(prices)],
  );
  const cost = { amount: 0, parts: 0, unpriced: 0 };
  for (const group of groups) {
    const price = priceOf(prices, group.start);
    cost.parts += group.people * each;
    if (price === null) cost.unpriced += group.people;
    else cost.amount += group.people * each * price;
  }
  const { amount, parts, unpriced } = cost;
  return {
    channel: 'sms',
    currency: prices.currency,
    amount: Math.round(amount * 100) / 100,
    parts: Math.round(parts),
    unpriced,
  };
}

const namedIn = ({ audience, exclude }: CampaignDefinition): [pointer: string, key: string][] => [
  ...(typeof audience === 'string' ? [['/audience', audience] as [string, string]] : []),
  ...exclude.map((key, n): [string, string] => [`/exclude/${n}`, key]),
];

/** The audiences that decide who gets it: those that it names, and those that their rules name. */
function behind(
  definition: CampaignDefinition,
  all: ReadonlyMap<string, AudienceRow>,
): NonNullable<CampaignReport['audiences']> {
  const found = new Map<string, AudienceRow>();
  const open = namedIn(definition).map(([, key]) => key);
  for (let key = open.shift(); key !== undefined; key = open.shift()) {
    const audience = all.get(key);
    if (!audience || found.has(key)) continue;
    found.set(key, audience);
    if (audience.definition) open.push(...mentionsOf(audience.definition).audiences);
  }
  return [...found.values()].map(({ key, version, definition: rule }) => ({
    key,
    version,
    definition: rule,
  }));
}
