/**
 * A person whose name stands nowhere else is put everywhere, and erased: then the whole database, and all that was logged
 * meanwhile, is searched for that name.
 */
import { consentsOf, suppressionsOf, recordConsents } from '@carillon/audience-service';
import type { AcceptedMessage, Import, Profile } from '@carillon/contracts';
import { Database, dayOf, newId } from '@carillon/database';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { apiFixture, type ApiFixture, type AskOptions } from './api.fixture.js';
import type { OperationName } from '@carillon/contracts';

let at: ApiFixture;
let database: Database;
let logged = '';
const streams = [process.stdout, process.stderr].map((stream) => ({
  stream,
  write: stream.write.bind(stream),
}));
beforeAll(async () => {
  for (const { stream, write } of streams)
    stream.write = ((chunk: string | Uint8Array, ...more: never[]) => {
      logged += String(chunk);
      return write(chunk, ...more);
    }) as typeof stream.write;
  at = await apiFixture({ LOG_LEVEL: 'debug' });
  database = new Database({ url: at.config.database.url, max: 2 });
}, 60_000);
afterAll(async () => {
  for (const { stream, write } of streams) stream.write = write;
  await database.close();
  await at.close();
}, 30_000);

const CANARY = /kanarie|02071838750|442071838750/i;
async function whereFound(): Promise<string[]> {
  const { rows: tables } = await at.owner.query<{ name: string }>(
    `SELECT oid::regclass::text AS name FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, to_regnamespace('bullmq'))`,
  );
  const found = new Set<string>();
  for (const { name } of tables) {
    const { rows } = await at.owner.query<{ text: string }>(
      name === 'import_chunks'
        ? `SELECT encode(bytes, 'escape') AS text FROM import_chunks`
        : `SELECT t::text AS text FROM ${name} t`,
    );
    if (rows.some(({ text }) => CANARY.test(text))) found.add(name.replace(/_\d{6,8}$/, ''));
  }
  return [...found].sort();
}
const make = async <T>(name: OperationName, call: AskOptions): Promise<T> => {
  const answer = await at.ask(at.here, name, call);
  if (answer.status >= 300) throw new Error(`${name}: ${answer.status} ${answer.text}`);
  return answer.json as T;
};
const EMAIL = 'Kanarie@example.com';

/** Puts the person everywhere. @returns their id */
async function everywhere(): Promise<string> {
  const params = { externalId: 'kanarie-1' };
  const profile = await make<Profile>('upsertProfile', {
    params,
    body: { email: EMAIL, phone: '+44 20 7183 8750', attributes: { nick: 'kanarie' } },
  });
  await make('addDevice', { params, body: { token: 'kanarie-token', platform: 'ios' } });
  await make('trackEvent', {
    body: { name: 'sang', profile: 'kanarie-1', properties: { song: 'kanarie' }, key: 'sang-kanarie' },
  });
  await make('setConsents', {
    params,
    body: {
      consents: [
        { channel: 'email', topic: 'marketing', word: 'out' },
        { channel: 'email', topic: 'news', word: 'in', address: EMAIL },
        { channel: 'sms', word: 'out', address: '+442071838750' },
      ],
    },
  });
  await make('addSuppressions', { body: { suppressions: [{ address: EMAIL, reason: 'complained' }] } });
  const message = await make<AcceptedMessage>('sendMessage', {
    body: {
      to: { profile: 'kanarie-1' },
      channels: ['email', 'in-app'],
      content: { email: { subject: 'Hi Kanarie', text: 'Hello' }, 'in-app': { title: 'Kanarie', body: 'x' } },
      data: { who: 'kanarie' },
      idempotencyKey: 'welcome-kanarie',
    },
  });
  const alone = await make<AcceptedMessage>('sendMessage', {
    body: {
      to: { email: EMAIL },
      channels: ['email'],
      content: { email: { subject: 'Hi Kanarie', text: 'Hello' } },
    },
  });
  const delivery = message.deliveries[0]!.id;
  const day = dayOf(delivery);
  await at.owner.query(
    `INSERT INTO receipts (day, workspace_id, provider_account_id, event_id, delivery_id, status, answer) VALUES ($1, $2, $3, 'e', $4, 'failed', '{"message": "Kanarie@example.com bounced"}')`,
    [day, at.here.id, newId(), delivery],
  );
  await at.owner.query(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, detail) VALUES ($1, $2, $3, 'replied', '{"message": "I am kanarie"}')`,
    [day, delivery, at.here.id],
  );
  await at.owner.query(
    `INSERT INTO inbox_items (id, workspace_id, profile_id, seq, delivery_id, title, body) VALUES ($1, $2, $3, 1, $4, 'Kanarie', '')`,
    [newId(), at.here.id, profile.id, message.deliveries[1]!.id],
  );
  await at.owner.query(
    `INSERT INTO soft_bounces (workspace_id, channel, address, last_delivery_id) VALUES ($1, 'email', $2, $3)`,
    [at.here.id, EMAIL.toLowerCase(), delivery],
  );
  const endpoint = newId();
  await at.owner.query(
    `INSERT INTO webhook_endpoints (id, workspace_id, url, types, secrets) VALUES ($1, $2, 'http://127.0.0.1:9/', '{}', '[]')`,
    [endpoint, at.here.id],
  );
  await at.owner.query(
    `INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at, payload, attempts) VALUES ($1, $2, $3, 'delivery.replied', now(), '{"to": "kanarie"}', '[{"answer": "thank you kanarie"}]')`,
    [endpoint, `${delivery}:77`, at.here.id],
  );
  await at.owner.query(
    `INSERT INTO profile_merges (id, workspace_id, kept_id, merged_id, merged_external_id, rule, detail, by) VALUES ($1, $2, $3, $4, 'kanarie-0', 'asked', '{"email": "kanarie"}', 'spec')`,
    [newId(), at.here.id, profile.id, newId()],
  );
  await at.owner.query(
    `INSERT INTO identities (workspace_id, namespace, value, profile_id) VALUES ($1, 'crm', 'kanarie-crm', $2)`,
    [at.here.id, profile.id],
  );
  await at.owner.query(
    `INSERT INTO webhook_endpoints (id, workspace_id, url, types, secrets) VALUES ($1, $2, 'http://127.0.0.1:9/', '{audience.entered}', '[]')`,
    [newId(), at.here.id],
  );
  await make('saveAudience', { params: { key: 'birds' }, body: { name: 'Birds' } });
  await make('changeMembers', { params: { key: 'birds' }, body: { add: ['kanarie-1'] } });
  await make('saveJourney', {
    params: { key: 'song' },
    body: {
      name: 'Song',
      definition: { entry: { kind: 'api' }, start: 'rest', steps: { rest: { kind: 'wait', for: '30d' } } },
    },
  });
  await make('goLiveJourney', { params: { key: 'song' }, body: {} });
  await make('enterJourney', {
    params: { key: 'song' },
    body: { profile: 'kanarie-1', data: { said: 'kanarie' }, eventKey: 'kanarie-enters' },
  });
  const enrollment = newId();
  await at.owner.query(
    `INSERT INTO enrollments (workspace_id, id, journey_id, version, profile_id, step, phase, key, leave_by, data)
     SELECT $1, $2, id, 1, $3, 'rest', 'waiting', 'kanarie', now() + interval '1 year', '{"event": {"said": "kanarie"}}' FROM journeys WHERE workspace_id = $1`,
    [at.here.id, enrollment, profile.id],
  );
  await at.owner.query(
    `INSERT INTO enrollment_steps (workspace_id, enrollment_id, no, step, kind, way, detail) VALUES ($1, $2, 1, 'rest', 'call', 'answered', '{"answer": "kanarie"}')`,
    [at.here.id, enrollment],
  );
  const simulation = newId();
  await at.owner.query(
    `INSERT INTO journey_simulations (workspace_id, id, journey_id, definition, result, created_by) SELECT $1, $2, id, '{}', '{}', 'spec' FROM journeys WHERE workspace_id = $1`,
    [at.here.id, simulation],
  );
  await at.owner.query(
    `INSERT INTO simulated_people (workspace_id, simulation_id, no, profile_id, shown, way) VALUES ($1, $2, 0, $3, '{}', '{"visits": [{"messages": [{"address": "kanarie"}]}]}')`,
    [at.here.id, simulation, profile.id],
  );
  const run = newId();
  await at.owner.query(
    `INSERT INTO runs (id, workspace_id, source, source_id, channel, class, message_id, day, planned_at, state)
     VALUES ($1, $2, 'campaign', 'spring', 'email', 'marketing', $3, $4, now(), 'running')`,
    [run, at.here.id, newId(), day],
  );
  await at.owner.query(
    `INSERT INTO run_members (day, run_id, seq, workspace_id, profile_id, data) VALUES ($1, $2, 1, $3, $4, '{"seat": "kanarie"}')`,
    [day, run, at.here.id, profile.id],
  );
  const imported = await make<Import>('createImport', { body: { name: 'people.csv' } });
  await at.owner.query(
    `INSERT INTO import_errors (workspace_id, import_id, line, reason, cells) VALUES ($1, $2, 2, 'It has too many cells', ARRAY['Kanarie@Example.com', 'x'])`,
    [at.here.id, imported.id],
  );
  expect(alone.id).toBeTruthy();
  return profile.id;
}

describe('a person', () => {
  it('is told everything, and erased everywhere; the address stays as blocked as it was', async () => {
    const id = await everywhere();
    expect(await whereFound()).toEqual(
      expect.arrayContaining([
        'consent_log',
        'consents',
        'deliveries',
        'delivery_events',
        'devices',
        'enrollment_steps',
        'enrollments',
        'events',
        'identities',
        'import_errors',
        'inbox_items',
        'journey_signals',
        'messages',
        'profile_merges',
        'profiles',
        'receipts',
        'run_members',
        'simulated_people',
        'soft_bounces',
        'suppressions',
        'webhook_messages',
      ]),
    );

    const told = await make<Record<string, unknown[]>>('exportPerson', {
      params: { externalId: 'kanarie-1' },
    });
    expect(told).toMatchObject({
      profile: { email: EMAIL.toLowerCase(), email_original: EMAIL, attributes: { nick: 'kanarie' } },
      devices: [{ token: 'kanarie-token' }],
      events: [{ name: 'sang', properties: { song: 'kanarie' } }],
      suppressions: [{ reason: 'complained' }],
      identities: [{ value: 'kanarie-crm' }],
      audiences: [{ key: 'birds' }],
      journeys: [
        { journey: 'song', data: { event: { said: 'kanarie' } }, steps: [{ detail: { answer: 'kanarie' } }] },
      ],
      simulations: [{ journey: 'song', way: { visits: [{ messages: [{ address: 'kanarie' }] }] } }],
      merges: [{ merged_external_id: 'kanarie-0' }],
      inbox: [{ title: 'Kanarie' }],
    });
    expect([told['consents']?.length, told['messages']?.length, told['deliveries']?.length]).toEqual([
      3, 2, 3,
    ]);

    const erased = await at.ask(at.here, 'erasePerson', { body: { externalId: 'kanarie-1' } });
    expect([erased.status, erased.json]).toEqual([
      200,
      { profileId: id, deliveries: 3, messages: 2, addresses: 2 },
    ]);
    expect(await whereFound()).toEqual([]);
    expect(logged).not.toMatch(CANARY);
    expect((await at.ask(at.here, 'erasePerson', { body: { externalId: 'kanarie-1' } })).status).toBe(404);

    await database.inWorkspace(at.here.id, async (sql) => {
      const words = async (channel: 'email' | 'sms', address: string) =>
        (await consentsOf(sql, at.here.id, channel, { addresses: [address], profileIds: [] }))(null, address)
          .consents;
      // Case is not told apart: the block is the stronger for it.
      expect(
        await suppressionsOf(sql, at.here.id, 'email', ['kanarie@example.com', 'other@example.com']),
      ).toEqual(new Map([['kanarie@example.com', 'complained']]));
      expect(await words('email', EMAIL)).toEqual([{ about: 'address', topic: 'marketing', word: 'out' }]);
      expect(await words('sms', '+442071838750')).toEqual([{ about: 'address', topic: '', word: 'out' }]);
      expect(await words('email', 'other@example.com')).toEqual([]);
      // Who comes back and says "in" is in again.
      await recordConsents(sql, at.here.id, [
        { channel: 'email', address: EMAIL, profileId: null, topic: 'news', word: 'in', source: 'form' },
      ]);
      expect(await words('email', EMAIL)).toEqual([{ about: 'address', topic: 'news', word: 'in' }]);
    });
    const audit = await make<{ items: { action: string; subject: string; by: string }[] }>('listAudit', {});
    expect(audit.items.slice(0, 2)).toEqual([
      expect.objectContaining({ action: 'profile.erased', subject: id, by: expect.stringMatching(/^key:/) }),
      expect.objectContaining({ action: 'profile.exported', subject: id }),
    ]);
  });

  it('leaves a record that cannot be changed unseen', async () => {
    const verify = () =>
      make<{ intact: boolean; lines: number; brokenAt: number | null; head: { seq: number } }>(
        'verifyAudit',
        {},
      );
    for (const externalId of ['v1', 'v2', 'v3']) {
      await make('upsertProfile', { params: { externalId }, body: { locale: 'en' } });
      await make('erasePerson', { body: { externalId } });
    }
    const before = await verify();
    expect(before).toMatchObject({ intact: true, brokenAt: null });
    expect(before.head.seq).toBe(before.lines);
    const seq = before.lines - 1;
    const change = (text: string) => at.owner.query(text, [at.here.id, seq]);
    await change(`UPDATE audit_log SET by = 'user:somebody else' WHERE workspace_id = $1 AND seq = $2`);
    expect(await verify()).toMatchObject({ intact: false, brokenAt: seq });
    await change('DELETE FROM audit_log WHERE workspace_id = $1 AND seq = $2');
    expect(await verify()).toMatchObject({ intact: false, brokenAt: seq + 1 });
    await change('DELETE FROM audit_log WHERE workspace_id = $1 AND seq > $2');
    // Cut off at its end: told by the head that somebody kept.
    expect(await verify()).toMatchObject({ intact: true, head: { seq: seq - 1 } });
  });

  it('is not erased by half while something is leaving', async () => {
    const params = { externalId: 'busy' };
    await make('upsertProfile', { params, body: { email: 'busy@example.com' } });
    const message = await make<AcceptedMessage>('sendMessage', {
      body: {
        to: { profile: 'busy' },
        channels: ['email'],
        content: { email: { subject: 'Hi', text: 'Hello' } },
      },
    });
    await at.owner.query(`UPDATE deliveries SET status = 'sending', handed_over_at = now() WHERE id = $1`, [
      message.deliveries[0]!.id,
    ]);
    const answer = await at.ask(at.here, 'erasePerson', { body: params });
    expect(answer.json).toMatchObject({ code: 'conflict' });
    expect((await at.ask(at.here, 'getProfile', { params })).json).toMatchObject({
      email: 'busy@example.com',
    });
  });
});
