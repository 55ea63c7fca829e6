/** Topics, what a person said, and the workspace's rules about it, over HTTP. */
import { normalizeEmail, normalizePhone } from '@carillon/audience-rules';
import type { Channel, ConsentRecord, PersonConsents, ProblemError } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { actorOf, audit } from './audit.js';
import { idsByExternalId } from './find-profiles.js';
import { askForConfirmations } from './confirm-consent.js';
import { NOBODY, recordConsents, type NewConsent } from './consent.js';
import { readConsentPolicy, writeConsentPolicy } from './consent-policy.js';
import { archiveTopic, confirmationsOf, listTopics, saveTopic } from './topics.js';

/** Of the history that is shown with a profile. */
const MOST_HISTORY = 200;

interface Person {
  id: string;
  email: string | null;
  phone: string | null;
}

@Controller()
export class ConsentController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listTopics')
  async listTopics({ caller }: Call<'listTopics'>): Promise<Result<'listTopics'>> {
    return { items: await this.in(caller, (sql) => listTopics(sql, caller.workspaceId)) };
  }

  @Operation('saveTopic')
  saveTopic({ params, body, caller }: Call<'saveTopic'>): Promise<Result<'saveTopic'>> {
    return this.in(caller, async (sql) => {
      const topic = await saveTopic(sql, caller.workspaceId, params.key, body);
      await audit(sql, caller, 'topic.saved', params.key);
      return topic;
    });
  }

  @Operation('archiveTopic')
  async archiveTopic({ params, caller }: Call<'archiveTopic'>): Promise<void> {
    await this.in(caller, async (sql) => {
      if (!(await archiveTopic(sql, caller.workspaceId, params.key))) throw notFound('topic');
      await audit(sql, caller, 'topic.archived', params.key);
    });
  }

  @Operation('getConsents')
  getConsents({ params, caller }: Call<'getConsents'>): Promise<PersonConsents> {
    return this.in(caller, async (sql) =>
      consentsOfPerson(sql, caller.workspaceId, await personAt(sql, caller.workspaceId, params.externalId)),
    );
  }

  @Operation('setConsents')
  setConsents({ params, body, caller }: Call<'setConsents'>): Promise<PersonConsents> {
    const { workspaceId } = caller;
    return this.in(caller, async (sql) => {
      const person = await personAt(sql, workspaceId, params.externalId);
      const templates = await confirmationsOf(
        sql,
        workspaceId,
        body.consents.flatMap((c) => (c.word === 'in' && !c.confirmed ? [c.topic] : [])),
      );
      const errors: ProblemError[] = [];
      const words = body.consents.map((wish, i): NewConsent => {
        const address = wish.address === undefined ? null : addressFor(wish.channel, wish.address);
        if (address && !address.ok)
          errors.push({ pointer: `/consents/${i}/address`, code: address.code, message: address.sentence });
        const asks = wish.word === 'in' && !wish.confirmed && templates.has(wish.topic);
        return {
          channel: wish.channel,
          topic: wish.topic,
          word: asks ? 'pending' : wish.word,
          source: wish.source,
          textVersion: wish.textVersion,
          by: actorOf(caller),
          address: address?.ok ? address.value : null,
          profileId: wish.address === undefined ? person.id : null,
        };
      });
      if (errors.length > 0)
        throw new ProblemException(
          'invalid_request',
          `The body is not valid: ${errors[0]?.pointer ?? ''}: ${errors[0]?.message ?? ''}`,
          { errors },
        );
      await recordConsents(sql, workspaceId, words);
      await askForConfirmations(
        sql,
        workspaceId,
        person,
        words
          .filter((w) => w.word === 'pending')
          .map((w) => ({ ...w, template: templates.get(w.topic) ?? '' })),
      );
      if (caller.kind === 'user')
        await audit(sql, caller, 'consent.recorded', person.id, {
          words: words.map(({ channel, topic, word }) => ({ channel, topic, word })),
        });
      return consentsOfPerson(sql, workspaceId, person);
    });
  }

  @Operation('getConsentPolicy')
  getPolicy({ caller }: Call<'getConsentPolicy'>): Promise<Result<'getConsentPolicy'>> {
    return this.in(caller, (sql) => readConsentPolicy(sql, caller.workspaceId));
  }

  @Operation('setConsentPolicy')
  setPolicy({ body, caller }: Call<'setConsentPolicy'>): Promise<Result<'setConsentPolicy'>> {
    return this.in(caller, async (sql) => {
      const policy = await writeConsentPolicy(sql, caller.workspaceId, body);
      await audit(sql, caller, 'consent-policy.changed', caller.workspaceId, { ...policy });
      return policy;
    });
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

const addressFor = (channel: Channel, text: string) =>
  channel === 'email'
    ? normalizeEmail(text)
    : channel === 'sms'
      ? normalizePhone(text)
      : ({ ok: true, value: text } as const);

async function personAt(sql: Sql, workspaceId: string, externalId: string): Promise<Person> {
  const id = (await idsByExternalId(sql, workspaceId, [externalId])).get(externalId);
  const [row] = await sql.query<Person>(
    'SELECT id, email, phone FROM profiles WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id ?? null],
  );
  if (!row) throw notFound('profile');
  return row;
}

interface Row extends Omit<ConsentRecord, 'at' | 'address'> {
  address: string;
  at: Date;
}
const shown = 'channel, topic, address, word, source, text_version AS "textVersion", by, at';

/** The words about a profile, and about its addresses of today. */
export async function consentsOfPerson(
  sql: Sql,
  workspaceId: string,
  person: Person,
): Promise<PersonConsents> {
  const addresses = [person.email, person.phone].filter((address) => address !== null);
  const params = [workspaceId, person.id, NOBODY, addresses];
  const whose = `workspace_id = $1 AND (profile_id = $2 OR (profile_id = $3 AND address = ANY($4)))`;
  const now = await sql.query<Row>(
    `SELECT ${shown} FROM consents WHERE ${whose} ORDER BY channel, topic, address`,
    params,
  );
  const before = await sql.query<Row>(
    `SELECT ${shown} FROM consent_log WHERE ${whose} ORDER BY id DESC LIMIT ${MOST_HISTORY}`,
    params,
  );
  const record = (row: Row): ConsentRecord => ({
    ...row,
    address: row.address === '' ? null : row.address,
    at: row.at.toISOString(),
  });
  return { consents: now.map(record), history: before.map(record) };
}
