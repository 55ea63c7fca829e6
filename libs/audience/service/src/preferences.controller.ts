/**
 * The preference page (`/p/<token>`, by the same sealed link as unsubscribing) and the page that confirms a subscription
 * (`/c/<token>`). Nobody signs in: who holds the link holds the address it was sent to. GET changes nothing; a POST may
 * come twice, and what it says holds before its answer leaves.
 */
import { config } from '@carillon/config';
import type { Topic } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { allowPage, Public } from '@carillon/server';
import { Controller, Get, Header, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { confirmConsent, openConfirmation } from './confirm-consent.js';
import { consentsOf, recordConsents, type ConsentFacts } from './consent.js';
import { readConsentPolicy } from './consent-policy.js';
import { whoTheyBecame } from './find-profiles.js';
import { localised, textsFor, type PageTexts } from './page-texts.js';
import { listTopics } from './topics.js';
import { confirmPage, gonePage, preferencePage, type TopicChoice } from './unsubscribe-page.js';
import { readUnsubscribeToken, type UnsubscribeSubject } from './unsubscribe-token.js';

interface Visit {
  subject: UnsubscribeSubject;
  sender: string;
  locale: string | null;
  texts: PageTexts;
  /** Of the subject, as the person is to read it. */
  topicName: string;
}

@Public()
@Controller()
export class PreferencesController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Get('p/:token')
  @Header('x-robots-tag', 'noindex')
  page(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return this.answer(token, request, reply, null);
  }

  @Post('p/:token')
  @HttpCode(200)
  save(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return this.answer(token, request, reply, formOf(request));
  }

  @Get('c/:token')
  @Header('x-robots-tag', 'noindex')
  confirmation(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return this.confirmationPage(token, request, reply, false);
  }

  @Post('c/:token')
  @HttpCode(200)
  confirm(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    return this.confirmationPage(token, request, reply, formOf(request).get('action') === 'confirm');
  }

  private async answer(
    token: string,
    request: FastifyRequest,
    reply: FastifyReply,
    form: URLSearchParams | null,
  ): Promise<string> {
    const nonce = allowPage(reply);
    const { signingKey, previousSigningKeys } = config().secrets;
    const subject = readUnsubscribeToken([signingKey, ...previousSigningKeys], token);
    const language = request.headers['accept-language'];
    const shown =
      subject &&
      (await this.database.inWorkspace(subject.workspaceId, async (sql) => {
        const visit = await visitOf(sql, subject, language);
        if (!visit) return null;
        const topics = await listTopics(sql, subject.workspaceId);
        const saved = form !== null && (await saveForm(sql, visit, topics, form));
        return { visit, saved, ...(await stateOf(sql, visit, topics)) };
      }));
    if (!shown) {
      reply.status(404);
      return gonePage(textsFor(null, language), nonce);
    }
    const { visit, ...state } = shown;
    if (form !== null && !state.saved) reply.status(400);
    return preferencePage(visit.texts, nonce, visit.sender, visit.subject, state);
  }

  private async confirmationPage(
    token: string,
    request: FastifyRequest,
    reply: FastifyReply,
    confirms: boolean,
  ): Promise<string> {
    const nonce = allowPage(reply);
    const named = openConfirmation(token);
    const language = request.headers['accept-language'];
    const found =
      named &&
      (await this.database.inWorkspace(named.workspaceId, (sql) =>
        confirmConsent(sql, named.workspaceId, named.id, confirms),
      ));
    if (!found) {
      reply.status(404);
      return gonePage(textsFor(null, language), nonce);
    }
    const texts = textsFor(found.locale, language);
    const topic = localised(found.names ?? {}, found.locale, texts.lang) || found.topic;
    return confirmPage(texts, nonce, found.sender, topic, found.confirmed);
  }
}

const formOf = (request: FastifyRequest): URLSearchParams =>
  new URLSearchParams(request.body instanceof Uint8Array ? Buffer.from(request.body).toString('utf8') : '');

/** @returns null when the workspace is not there */
export async function visitOf(
  sql: Sql,
  named: UnsubscribeSubject,
  acceptLanguage: string | undefined,
): Promise<Visit | null> {
  const { profileId } = named;
  const became = profileId === null ? null : await whoTheyBecame(sql, named.workspaceId, [profileId]);
  const subject = { ...named, profileId: became?.get(profileId ?? '') ?? profileId };
  const [row] = await sql.query<{
    sender: string;
    locale: string | null;
    names: Record<string, string> | null;
  }>(
    `SELECT name AS sender, (SELECT locale FROM profiles WHERE workspace_id = $1 AND id = $2) AS locale,
       (SELECT names FROM topics WHERE workspace_id = $1 AND key = $3) AS names FROM workspaces WHERE id = $1`,
    [subject.workspaceId, subject.profileId, subject.topic],
  );
  if (!row) return null;
  const { names, ...who } = row;
  const texts = textsFor(who.locale, acceptLanguage);
  const topicName = localised(names ?? {}, who.locale, texts.lang) || subject.topic;
  return { subject, ...who, texts, topicName };
}

/** What holds for each topic, by the rules of the gate. */
async function facts(
  sql: Sql,
  { subject }: Visit,
  topics: readonly Topic[],
): Promise<(topic: string) => ConsentFacts> {
  const read = await consentsOf(sql, subject.workspaceId, subject.channel, {
    addresses: subject.address === null ? [] : [subject.address],
    profileIds: subject.profileId === null ? [] : [subject.profileId],
    topics: topics.map((topic) => topic.key),
  });
  return (topic) => read(subject.profileId, subject.address, topic);
}

async function stateOf(
  sql: Sql,
  visit: Visit,
  topics: readonly Topic[],
): Promise<{ topics: TopicChoice[]; outOfAll: boolean; blocked: boolean }> {
  const { subject, locale, texts } = visit;
  const { noConsentMeans } = await readConsentPolicy(sql, subject.workspaceId);
  const holds = await facts(sql, visit, topics);
  const subscribed = (topic: Topic): boolean => {
    const { consents, topicFacts } = holds(topic.key);
    const path = [
      ...(topicFacts?.path ?? [topic.key]),
      ...(topic.class === 'marketing' ? ['marketing'] : []),
    ];
    const nearest = (['profile', 'address'] as const).map((about) => {
      const own = consents.filter((c) => c.about === about);
      return path.flatMap((key) => own.find((c) => c.topic === key)?.word ?? [])[0];
    });
    if (nearest.includes('out')) return false;
    if (nearest.includes('in')) return true;
    if (nearest.includes('pending')) return false;
    return topic.class === 'transactional' || (topicFacts?.byDefault ?? noConsentMeans) === 'in';
  };
  const { consents } = holds('');
  const says = (topic: string, word: string) => consents.some((c) => c.topic === topic && c.word === word);
  const choices = inTree(topics).map(({ topic, depth }) => ({
    key: topic.key,
    name: localised(topic.name, locale, texts.lang) || topic.key,
    description: localised(topic.description, locale, texts.lang),
    depth,
    subscribed: subscribed(topic),
  }));
  return { topics: choices, outOfAll: says('marketing', 'out'), blocked: says('', 'out') };
}

/** Each topic after the one above it. */
function inTree(topics: readonly Topic[]): { topic: Topic; depth: number }[] {
  const known = new Set(topics.map((topic) => topic.key));
  const below = (parent: string | null, depth: number): { topic: Topic; depth: number }[] =>
    depth > 10
      ? []
      : topics
          .filter((t) => (t.parent !== null && known.has(t.parent) ? t.parent : null) === parent)
          .flatMap((topic) => [{ topic, depth }, ...below(topic.key, depth + 1)]);
  return below(null, 0);
}

/** @returns false when it is no form of ours */
async function saveForm(
  sql: Sql,
  visit: Visit,
  topics: readonly Topic[],
  form: URLSearchParams,
): Promise<boolean> {
  const { subject } = visit;
  const { channel, address, profileId, workspaceId } = subject;
  const say = (words: { topic: string; word: 'in' | 'out' }[]) =>
    recordConsents(
      sql,
      workspaceId,
      words.map((word) => ({ channel, address, profileId, source: 'page', ...word })),
    );
  switch (form.get('action')) {
    case 'none':
      await say([{ topic: 'marketing', word: 'out' }]);
      return true;
    case 'unblock':
      await say([{ topic: '', word: 'in' }]);
      return true;
    case 'save': {
      const ticked = new Set(form.getAll('topic'));
      const before = new Map((await stateOf(sql, visit, topics)).topics.map((t) => [t.key, t.subscribed]));
      const changed = topics.filter((t) => before.get(t.key) !== ticked.has(t.key));
      const outs = changed.filter((t) => !ticked.has(t.key));
      await say(outs.map((t) => ({ topic: t.key, word: 'out' })));
      // What is ticked holds, also below a topic that was just left.
      const now = new Map((await stateOf(sql, visit, topics)).topics.map((t) => [t.key, t.subscribed]));
      const ins = topics.filter((t) => ticked.has(t.key) && !now.get(t.key));
      await say(ins.map((t) => ({ topic: t.key, word: 'in' })));
      return true;
    }
    default:
      return false;
  }
}
