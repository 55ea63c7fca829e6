/**
 * What preparing tries beside counting, outside of any transaction: a few people's messages are rendered as they would leave,
 * links are followed, and DNS is asked about who sends. Takes seconds at most; the counts are taken afterwards, of the same version.
 */
import type {
  BodyOf,
  CampaignDefinition,
  CampaignFinding,
  CampaignSample,
  Preview,
} from '@carillon/contracts';
import { asAWhole, capped, profilesByIds } from '@carillon/audience-service';
import type { Database, Sql } from '@carillon/database';
import {
  followLinks,
  previewTemplate,
  senderFaultsOf,
  usableAccounts,
  type RenderPool,
  type SendingAccount,
} from '@carillon/delivery-service';
import { ProblemException } from '@carillon/server';
import { peopleOf } from './campaign-audience.js';
import type { CampaignRow } from './campaign-rows.js';
import { latestOf, saidBy, type Said, type Tried } from './prepare-campaign.js';

const PEOPLE = 3;
/** Ten variants on four channels would be many. */
const MOST_SAMPLES = 24;
const BEGINNING = 200;
/** An audience that takes longer is counted, and nobody of it is tried. */
const LOOK_MS = 20_000;

interface ToTry {
  said: Said[];
  brokenLinks: 'stop' | 'warn';
  people: string[];
  /** Beside what each of them is told. */
  data: Record<string, unknown>;
  senders: SendingAccount[];
}

/** Reads what is to be tried. */
export async function toTry(sql: Sql, workspaceId: string, { definition }: CampaignRow): Promise<ToTry> {
  const { said } = await saidBy(sql, workspaceId, definition);
  const senders = definition.channels.includes('email')
    ? (await usableAccounts(sql, workspaceId, 'email')).filter((account) => !account.paused)
    : [];
  const data = definition.each ? { each: await latestOf(sql, workspaceId, definition.each.event) } : {};
  const { brokenLinks = 'stop' } = definition;
  return { said, senders, data, brokenLinks, people: await fewOf(sql, workspaceId, definition) };
}

/** An audience that is not there, or costs too much, is for counting to tell. */
async function fewOf(sql: Sql, workspaceId: string, definition: CampaignDefinition): Promise<string[]> {
  try {
    await asAWhole(sql, LOOK_MS);
    const { text, params } = await peopleOf(sql, workspaceId, definition);
    const few = await capped(LOOK_MS, () =>
      sql.query<{ id: string }>(`SELECT profile_id AS id FROM (${text}) AS c LIMIT ${PEOPLE}`, params),
    );
    const ids = few.map(({ id }) => id);
    return (await profilesByIds(sql, workspaceId, ids)).map((one) => one.externalId);
  } catch (error) {
    if (error instanceof ProblemException) return [];
    throw error;
  }
}

export async function tryCampaign(
  database: Database,
  renderer: RenderPool,
  workspaceId: string,
  { said, people, data, senders, brokenLinks }: ToTry,
): Promise<Tried> {
  const [samples, links, faults] = await Promise.all([
    samplesOf(database, renderer, workspaceId, { said, people, data }),
    linkFindings(said, brokenLinks),
    senderFaultsOf(senders),
  ]);
  return {
    samples,
    findings: [
      ...sampleFindings(said, samples),
      ...links,
      ...faults.map(({ level, message }) => ({
        level,
        code: 'unverified_sender',
        at: '/channels',
        message,
      })),
    ],
  };
}

async function samplesOf(
  database: Database,
  renderer: RenderPool,
  workspaceId: string,
  { said, people, data }: Pick<ToTry, 'said' | 'people' | 'data'>,
): Promise<CampaignSample[]> {
  const asked = people
    .flatMap((profile) =>
      said.flatMap((voice) => voice.channels.map((channel) => ({ profile, voice, channel }))),
    )
    .slice(0, MOST_SAMPLES);
  const samples = asked.map(async ({ profile, voice, channel }): Promise<CampaignSample[]> => {
    const request: BodyOf<'previewTemplate'> = {
      channel,
      profile,
      data: { ...data, ...voice.data } as BodyOf<'previewTemplate'>['data'],
      ...(voice.template ? { version: voice.template.version } : {}),
      ...(voice.content ? { content: voice.content } : {}),
    };
    try {
      const { rendered, errors } = await previewTemplate(
        database,
        renderer,
        workspaceId,
        voice.template?.key ?? 'campaign',
        request,
      );
      const says = rendered && beginningOf(rendered);
      return [
        {
          profile,
          channel,
          variant: voice.variant,
          says,
          problem: says === null ? (errors[0]?.message ?? 'It could not be rendered.') : null,
        },
      ];
    } catch (error) {
      // Who, or what, has gone meanwhile is no sample.
      if (error instanceof ProblemException) return [];
      throw error;
    }
  });
  return (await Promise.all(samples)).flat();
}

function beginningOf({ email, sms, push, 'in-app': inApp }: NonNullable<Preview['rendered']>): string {
  const line = email
    ? [email.subject, email.text].join(' — ')
    : sms
      ? sms.body
      : [push?.title ?? inApp?.title, push?.body ?? inApp?.body].join(' — ');
  const text = line.replace(/\s+/g, ' ').trim();
  return text.length > BEGINNING ? `${text.slice(0, BEGINNING - 1)}…` : text;
}

/** What fails for all who were tried fails for everybody. */
function sampleFindings(said: readonly Said[], samples: readonly CampaignSample[]): CampaignFinding[] {
  return said.flatMap(({ variant, channels, at }) =>
    channels.flatMap((channel): CampaignFinding[] => {
      const tried = samples.filter((s) => s.variant === variant && s.channel === channel);
      const failed = tried.filter((s) => s.problem !== null);
      const [first] = failed;
      if (!first) return [];
      const who =
        failed.length === tried.length ? 'anybody who was tried' : failed.map((s) => s.profile).join(', ');
      return [
        {
          level: failed.length === tried.length ? 'error' : 'warning',
          code: 'cannot_render',
          at,
          message: `The ${channel} message cannot be made for ${who}: ${first.problem}`,
        },
      ];
    }),
  );
}

async function linkFindings(said: readonly Said[], broken: ToTry['brokenLinks']): Promise<CampaignFinding[]> {
  const of = new Map(said.flatMap(({ addresses, at }) => addresses.map((href) => [href, at] as const)));
  const { dead, none, notFound, left } = await followLinks([...of.keys()]);
  const notFollowed = (message: string): CampaignFinding => ({
    level: 'warning',
    code: 'links_not_followed',
    at: [...of.values()][0] ?? '',
    message,
  });
  const findings = dead.map(({ href, why, certain }): CampaignFinding => ({
    level: certain && broken === 'stop' ? 'error' : 'warning',
    code: 'dead_link',
    at: of.get(href) ?? '',
    message: `The link “${href.slice(0, 200)}” ${why}.`,
  }));
  if (none) {
    const names =
      notFound.length > 0 ? `, and no host named ${notFound.slice(0, 3).join(' or ')} is known here` : '';
    findings.push(notFollowed(`None of its links could be reached from here${names}: follow them yourself.`));
  }
  if (left > 0)
    findings.push(
      notFollowed(`${left} of its links were not followed, because it has so many: follow them yourself.`),
    );
  return findings;
}
