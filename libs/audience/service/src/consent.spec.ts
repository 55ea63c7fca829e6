import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePartitions, newId, dayOf } from '@carillon/database';
import { audienceFixture, type AudienceFixture } from './audience.fixture.js';
import { consentsOf, recordConsents, suppressAddresses, suppressionsOf } from './index.js';
import { RouteEventController } from './route-event.js';

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
        )(profile, address);
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
      at.database.inWorkspace(workspaceId, async (sql) =>
        (await consentsOf(sql, workspaceId, channel, about))(null, 'c@x.example'),
      );
    expect(await wordsAt(at.here, 'email')).toHaveLength(1);
    expect(await wordsAt(at.here, 'sms')).toEqual([]);
    expect(await wordsAt(at.elsewhere, 'email')).toEqual([]);
  });
});

describe('suppressions', () => {
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
    const controller = new RouteEventController(at.database);
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
      expect(words(profileId, null)).toEqual([{ topic: 'news', word: 'out' }]);
      expect(words(null, 'r6@x.example')).toEqual([{ topic: 'news', word: 'out' }]);
      const stops = await consentsOf(sql, at.here, 'sms', { addresses: ['r+447700900123'], profileIds: [] });
      expect(stops(null, 'r+447700900123')).toEqual([{ topic: '', word: 'out' }]);
    });

    const before = await at.owner.query('SELECT * FROM consents ORDER BY 1, 2, 3, 4, 5');
    await route(events);
    expect(await listed()).toEqual(expected);
    expect((await at.owner.query('SELECT * FROM consents ORDER BY 1, 2, 3, 4, 5')).rows).toEqual(before.rows);
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
