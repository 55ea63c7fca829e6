import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePartitions, newId, dayOf, type Sql } from '@carillon/database';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { consentsOf, recordConsents, suppressAddresses, suppressionsOf, type ConsentFacts } from './index.js';
import { Outcomes } from './outcomes.js';
import { RouteEventController } from './route-event.js';
import { releaseSuppressions } from './suppression.js';
import { saveTopic } from './topics.js';

let at: AudienceFixture;
beforeAll(async () => {
  at = await audienceFixture();
  await ensurePartitions(at.database);
}, 60_000);
afterAll(() => at.close(), 30_000);

describe('consent', () => {
  it('applies by address and by profile, and the newest word wins', async () => {
    const profileId = newId();
    await at.database.inWorkspace(at.here, async (sql) => {
      const words = async (profile: string | null, address: string | null) =>
        (
          await consentsOf(sql, at.here, 'email', {
            addresses: ['a@x.example', 'b@x.example'],
            profileIds: [profileId],
          })
        )(profile, address).consents.map(({ topic, word }) => ({ topic, word }));
      expect(await words(profileId, 'a@x.example')).toEqual([]);

      await recordConsents(sql, at.here, [
        { channel: 'email', address: 'a@x.example', profileId, topic: 'news', word: 'out', source: 'page' },
      ]);
      const out = { topic: 'news', word: 'out' };
      expect(await words(profileId, 'a@x.example')).toEqual([out, out]);
      expect(await words(null, 'a@x.example')).toEqual([out]);
      // The person, at another address of theirs.
      expect(await words(profileId, 'b@x.example')).toEqual([out]);
      expect(await words(null, 'b@x.example')).toEqual([]);

      await recordConsents(sql, at.here, [
        {
          channel: 'email',
          address: 'a@x.example',
          profileId: null,
          topic: 'news',
          word: 'in',
          source: 'api',
        },
      ]);
      expect(await words(null, 'a@x.example')).toEqual([{ topic: 'news', word: 'in' }]);
    });
  });

  it('of one channel and workspace says nothing about another', async () => {
    const about = { addresses: ['c@x.example'], profileIds: [] };
    await at.database.inWorkspace(at.here, (sql) =>
      recordConsents(sql, at.here, [
        { channel: 'email', address: 'c@x.example', profileId: null, topic: '', word: 'out', source: 'api' },
      ]),
    );
    const wordsAt = (workspaceId: string, channel: 'email' | 'sms') =>
      at.database.inWorkspace(
        workspaceId,
        async (sql) => (await consentsOf(sql, workspaceId, channel, about))(null, 'c@x.example').consents,
      );
    expect(await wordsAt(at.here, 'email')).toHaveLength(1);
    expect(await wordsAt(at.here, 'sms')).toEqual([]);
    expect(await wordsAt(at.elsewhere, 'email')).toEqual([]);
  });
});

describe('topics', () => {
  const topic = (parent: string | null, byDefault: 'in' | 'out' | null = null) => ({
    name: { en: 'A topic' },
    description: {},
    parent,
    class: 'marketing' as const,
    byDefault,
    doubleOptIn: null,
    position: 0,
  });
  const nora = newId();
  const say = (sql: Sql, topicKey: string, word: 'in' | 'out') =>
    recordConsents(sql, at.here, [
      { channel: 'email', address: null, profileId: nora, topic: topicKey, word, source: 'api' },
    ]);
  /** What the gate says about a message of the topic to this person. */
  async function judged(sql: Sql, topicKey: string): Promise<ConsentFacts> {
    const words = await consentsOf(sql, at.here, 'email', {
      addresses: [],
      profileIds: [nora],
      topics: [topicKey, null],
    });
    return words(nora, null, topicKey);
  }

  it('are read with those above them, in one statement with the words', async () => {
    await at.database.inWorkspace(at.here, async (sql) => {
      await saveTopic(sql, at.here, 'shop', topic(null, 'out'));
      await saveTopic(sql, at.here, 'shop.news', topic('shop'));
      await saveTopic(sql, at.here, 'shop.news.daily', topic('shop.news'));
      expect((await judged(sql, 'shop.news.daily')).topicFacts).toEqual({
        path: ['shop.news.daily', 'shop.news', 'shop'],
        class: 'marketing',
        byDefault: 'out',
      });
      expect((await judged(sql, 'never-described')).topicFacts).toBeNull();
    });
  });

  it('out of a parent is out of its children, unless in to a child later', async () => {
    await at.database.inWorkspace(at.here, async (sql) => {
      const words = async () =>
        Object.fromEntries(
          (await judged(sql, 'shop.news.daily')).consents.map(({ topic: key, word }) => [key, word]),
        );
      await say(sql, 'shop.news.daily', 'in');
      await say(sql, 'shop', 'out');
      expect(await words()).toEqual({ shop: 'out', 'shop.news.daily': 'out' });
      await say(sql, 'shop.news.daily', 'in');
      expect(await words()).toEqual({ shop: 'out', 'shop.news.daily': 'in' });
      await say(sql, 'marketing', 'out');
      expect(await words()).toEqual({ shop: 'out', 'shop.news.daily': 'out', marketing: 'out' });
    });
    const { rows } = await at.owner.query(
      `SELECT topic, word FROM consent_log WHERE profile_id = $1 ORDER BY id`,
      [nora],
    );
    expect(rows.map(({ topic: key, word }) => `${key} ${word}`)).toEqual([
      'shop.news.daily in',
      'shop out',
      'shop.news.daily in',
      'marketing out',
    ]);
  });

  it('cannot stand below themselves', async () => {
    await expect(
      at.database.inWorkspace(at.here, (sql) => saveTopic(sql, at.here, 'shop', topic('shop.news.daily'))),
    ).rejects.toThrow(/cannot stand below itself/);
  });

  it('history cannot be changed by the services', async () => {
    for (const text of [
      `UPDATE consent_log SET word = 'in' WHERE workspace_id = $1`,
      'DELETE FROM consent_log WHERE workspace_id = $1',
      'DELETE FROM audit_log WHERE workspace_id = $1',
    ])
      await expect(at.database.inWorkspace(at.here, (sql) => sql.execute(text, [at.here]))).rejects.toThrow(
        /permission denied/,
      );
  });
});

describe('suppressions', () => {
  it('of a domain hold for all its addresses, and for no other domain', async () => {
    await at.database.inWorkspace(at.here, async (sql) => {
      await suppressAddresses(sql, at.here, [
        { channel: 'email', address: '@gone.example', reason: 'suppressed_manually', source: 'api' },
      ]);
      const found = await suppressionsOf(sql, at.here, 'email', [
        'a@gone.example',
        'b@gone.example',
        'c@begone.example',
        'gone.example@x.example',
      ]);
      expect([...found.keys()]).toEqual(['a@gone.example', 'b@gone.example']);
    });
  });

  it('are released by domain and dates, and begin anew', async () => {
    await at.database.inWorkspace(at.here, async (sql) => {
      await suppressAddresses(
        sql,
        at.here,
        ['1', '2', '3'].map((name) => ({
          channel: 'email' as const,
          address: `${name}@isp.example`,
          reason: 'hard_bounced' as const,
          source: 'provider',
        })),
      );
      await sql.execute(
        `UPDATE suppressions SET created_at = '2026-01-01' WHERE workspace_id = $1 AND address = '3@isp.example'`,
        [at.here],
      );
      const wish = { channel: 'email' as const, domain: 'ISP.example', from: '2026-06-01T00:00:00Z' };
      expect(await releaseSuppressions(sql, at.here, { ...wish, dryRun: true })).toEqual({
        matching: 2,
        released: 0,
      });
      expect(await releaseSuppressions(sql, at.here, { ...wish, dryRun: false })).toEqual({
        matching: 2,
        released: 2,
      });
      expect([
        ...(await suppressionsOf(sql, at.here, 'email', ['1@isp.example', '3@isp.example'])).keys(),
      ]).toEqual(['3@isp.example']);
    });
  });

  it('keep the first reason, whoever adds the address again', async () => {
    await at.database.inWorkspace(at.here, async (sql) => {
      const add = (reason: 'hard_bounced' | 'complained') =>
        suppressAddresses(sql, at.here, [
          { channel: 'email', address: 'd@x.example', reason, source: 'api' },
          { channel: 'email', address: 'd@x.example', reason, source: 'api' },
        ]);
      expect(await add('hard_bounced')).toBe(1);
      expect(await add('complained')).toBe(0);
      expect(await suppressionsOf(sql, at.here, 'email', ['d@x.example', 'e@x.example'])).toEqual(
        new Map([['d@x.example', 'hard_bounced']]),
      );
      expect(await suppressionsOf(sql, at.here, 'sms', ['d@x.example'])).toEqual(new Map());
    });
  });
});

describe('route-event', () => {
  /** A delivery with one event. @returns the id that travels in the queue */
  async function happened(
    workspaceId: string,
    what: {
      channel: string;
      address: string | null;
      type: string;
      reason?: string;
      profileId?: string;
      topic?: string;
    },
  ): Promise<string> {
    const id = newId();
    await at.owner.query(
      `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, reason, address, profile_id, topic)
       VALUES ($1, $2, $3, $4, $5, 'marketing', 'bulk', 'api', 'failed', 'rejected', $6, $7, $8)`,
      [
        dayOf(id),
        id,
        workspaceId,
        newId(),
        what.channel,
        what.address,
        what.profileId ?? null,
        what.topic ?? null,
      ],
    );
    const { rows } = await at.owner.query<{ id: string }>(
      `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason) VALUES ($1, $2, $3, $4, $5) RETURNING id`,
      [dayOf(id), id, workspaceId, what.type, what.reason ?? null],
    );
    return `${id}:${rows[0]?.id}`;
  }
  const route = (eventIds: string[]) => {
    const controller = new RouteEventController(new Outcomes(at.database));
    return controller.route(
      { v: 1, eventIds },
      { queue: 'route-event', jobId: '1', signal: new AbortController().signal },
    );
  };
  const listed = async () =>
    (
      await at.owner.query(
        `SELECT workspace_id, channel, address, reason FROM suppressions WHERE address LIKE 'r%' ORDER BY address`,
      )
    ).rows;

  it('suppresses hard bounces and complaints, records opt-outs, and leaves the rest alone', async () => {
    const profileId = newId();
    const events = [
      await happened(at.here, {
        channel: 'email',
        address: 'r1@x.example',
        type: 'failed',
        reason: 'recipient_unknown',
      }),
      await happened(at.here, {
        channel: 'email',
        address: 'r2@x.example',
        type: 'failed',
        reason: 'bounced',
      }),
      await happened(at.elsewhere, { channel: 'email', address: 'r3@x.example', type: 'complained' }),
      await happened(at.here, {
        channel: 'email',
        address: 'r4@x.example',
        type: 'failed',
        reason: 'content_refused',
      }),
      await happened(at.here, {
        channel: 'push',
        address: 'r5-token',
        type: 'failed',
        reason: 'recipient_unknown',
      }),
      await happened(at.here, { channel: 'email', address: null, type: 'complained' }),
      await happened(at.here, {
        channel: 'email',
        address: 'r6@x.example',
        type: 'unsubscribed',
        topic: 'news',
        profileId,
      }),
      await happened(at.here, { channel: 'sms', address: 'r+447700900123', type: 'unsubscribed' }),
    ];
    await route(events);
    const expected = [
      { workspace_id: at.here, channel: 'email', address: 'r1@x.example', reason: 'hard_bounced' },
      { workspace_id: at.here, channel: 'email', address: 'r2@x.example', reason: 'hard_bounced' },
      { workspace_id: at.elsewhere, channel: 'email', address: 'r3@x.example', reason: 'complained' },
    ];
    expect(await listed()).toEqual(expected);
    await at.database.inWorkspace(at.here, async (sql) => {
      const words = await consentsOf(sql, at.here, 'email', {
        addresses: ['r6@x.example'],
        profileIds: [profileId],
      });
      expect(words(profileId, null).consents).toEqual([{ about: 'profile', topic: 'news', word: 'out' }]);
      expect(words(null, 'r6@x.example').consents).toEqual([
        { about: 'address', topic: 'news', word: 'out' },
      ]);
      const stops = await consentsOf(sql, at.here, 'sms', { addresses: ['r+447700900123'], profileIds: [] });
      expect(stops(null, 'r+447700900123').consents).toEqual([{ about: 'address', topic: '', word: 'out' }]);
    });

    const before = await at.owner.query('SELECT * FROM consents ORDER BY 1, 2, 3, 4, 5');
    await route(events);
    expect(await listed()).toEqual(expected);
    expect((await at.owner.query('SELECT * FROM consents ORDER BY 1, 2, 3, 4, 5')).rows).toEqual(before.rows);
  });

  it('counts failures that may pass: one a delivery, a day apart, to the threshold; a success begins anew', async () => {
    const profileId = newId();
    const fail = async () =>
      route([
        await happened(at.here, {
          channel: 'email',
          address: 's1@x.example',
          type: 'failed',
          reason: 'recipient_unreachable',
          profileId,
        }),
      ]);
    const count = async () =>
      (await at.owner.query(`SELECT count FROM soft_bounces WHERE address = 's1@x.example'`)).rows[0]?.count;
    const aDayPasses = () =>
      at.owner.query(`UPDATE soft_bounces SET last_at = last_at - interval '25 hours'`);
    await at.owner.query(
      `UPDATE workspaces SET settings = settings || '{"softBounce":{"threshold":3,"spacingHours":24}}' WHERE id = $1`,
      [at.here],
    );
    await fail();
    await fail();
    expect(await count()).toBe(1);
    await aDayPasses();
    await fail();
    expect(await count()).toBe(2);
    await aDayPasses();
    const sent = newId();
    await at.owner.query(
      `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, address, profile_id, sent_at)
       VALUES ($1, $2, $3, $2, 'email', 'marketing', 'bulk', 'api', 'sent', 's1@x.example', $4, now())`,
      [dayOf(sent), sent, at.here, profileId],
    );
    await fail();
    expect(await count()).toBe(1);
    await at.owner.query(`DELETE FROM deliveries WHERE id = $1`, [sent]);
    for (let more = 0; more < 2; more++) {
      await aDayPasses();
      await fail();
    }
    const suppressed = await at.owner.query(`SELECT reason FROM suppressions WHERE address = 's1@x.example'`);
    expect(suppressed.rows).toEqual([{ reason: 'soft_bounced' }]);
  });

  it('passes over what is not there any more', async () => {
    await route([
      `${newId()}:1`,
      'nonsense',
      `${newId()}:99999999999999999999`,
      '01890000-0000-7000-8000-000000000000:5',
    ]);
  });
});
