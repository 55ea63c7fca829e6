/** Failures by cause, deciding unknown deliveries and sending again: over the real API, and the clock's own functions. */
import type { DeliveryDetail, Explanation, Failures, Redrive } from '@carillon/contracts';
import { newId } from '@carillon/database';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { takeDue } from './due.js';
import { advanceRedrives } from './redrive.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api.close());
beforeEach(() => api.owner.query('TRUNCATE deliveries, delivery_events, messages, redrives'));

interface Ended {
  status?: string;
  reason?: string;
  message?: string;
  code?: string;
  address?: string;
  set?: string;
}
/** A delivery that ended as said, with its line of the timeline. */
async function ended(how: Ended = {}): Promise<string> {
  const { status = 'failed', reason = 'retries_exhausted', address = 'ada@example.com' } = how;
  const answer = await api.call('/v1/messages', {
    body: { to: { email: address }, channels: ['email'], content: { email: { subject: 's', text: 't' } } },
  });
  const { deliveries } = (await answer.json()) as { deliveries: { id: string }[] };
  const id = deliveries[0]?.id ?? '';
  await end(id, { ...how, status, reason, address });
  return id;
}
async function end(id: string, { status, reason, message, code, address, set }: Ended): Promise<void> {
  await api.owner.query(
    `UPDATE deliveries SET status = $2, reason = $3, provider = 'smtp', address = $4, tries = 3, attempt = 3, handed_over_at = now(), due_at = NULL${set ? `, ${set}` : ''} WHERE id = $1`,
    [id, status, reason, address],
  );
  await api.owner.query(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, reason, detail) SELECT day, id, workspace_id, $2, $3, $4 FROM deliveries WHERE id = $1`,
    [id, status, reason, { code: code ?? '451', message: message ?? 'Try again later' }],
  );
}
const detail = async (id: string) =>
  (await (await api.call(`/v1/deliveries/${id}`)).json()) as DeliveryDetail;
const post = async <T>(path: string, body?: unknown) => {
  const answer = await api.call(path, { method: 'POST', ...(body === undefined ? {} : { body }) });
  return { status: answer.status, json: (await answer.json()) as T };
};
const failures = async (query = '') => (await (await api.call(`/v1/failures${query}`)).json()) as Failures;
const preview = async (filter: object, more: object = {}) => {
  const { status, json } = await post<Redrive>('/v1/redrives', { filter, ...more });
  expect(status).toBe(200);
  return json;
};
const start = (fingerprint: string) => post<Redrive>('/v1/redrives', { dryRun: false, fingerprint });
const read = async (id: string) => (await (await api.call(`/v1/redrives/${id}`)).json()) as Redrive;
const advance = (slice = 100) => api.database.acrossWorkspaces((sql) => advanceRedrives(sql, slice));
const statusesOf = (ids: readonly string[]) => Promise.all(ids.map(async (id) => (await detail(id)).status));

describe('failures', () => {
  it('are grouped by what the provider said, without whom it said it about', async () => {
    const ids: string[] = [];
    for (const who of ['ada', 'bo', 'cy'])
      ids.push(
        await ended({
          address: `${who}@example.com`,
          reason: 'recipient_unknown',
          code: '550',
          message: `5.1.1 <${who}@example.com>: no such user`,
        }),
      );
    await ended({ reason: 'carrier_blocked', code: '554', message: '5.7.1 blocked' });
    await ended({ status: 'unknown', reason: 'no_answer', message: 'timed out after 30000 ms' });
    await ended({ status: 'sent', reason: 'no_answer' });
    const { total, groups } = await failures();
    expect(total).toBe(5);
    expect(groups).toHaveLength(3);
    expect(groups[0]).toMatchObject({
      reason: 'recipient_unknown',
      provider: 'smtp',
      code: '550',
      words: '5.1.1 <…>: no such user',
      count: 3,
      channels: ['email'],
      sampleIds: [...ids].reverse(),
      advice: expect.stringMatching(/\.$/),
    });
    expect((await failures('?status=unknown')).groups.map((g) => g.reason)).toEqual(['no_answer']);
    expect((await failures('?channel=sms')).total).toBe(0);
    expect((await failures('?to=2020-01-01T00:00:00Z')).total).toBe(0);
  });

  it('count a delivery once, by its latest failure, and not at all once it has succeeded', async () => {
    const id = await ended({ message: 'first' });
    await end(id, { status: 'failed', reason: 'bounced', message: 'second', address: 'ada@example.com' });
    expect((await failures()).groups).toMatchObject([{ reason: 'bounced', words: 'second', count: 1 }]);
    await api.owner.query(`UPDATE deliveries SET status = 'sent', reason = NULL WHERE id = $1`, [id]);
    expect((await failures()).total).toBe(0);
  });
});

describe('an unknown delivery', () => {
  it.each([
    ['sent', { status: 'sent', reason: null, possibleDuplicate: false }],
    ['failed', { status: 'failed', reason: 'decided_by_person', possibleDuplicate: false }],
    ['resend', { status: 'scheduled', reason: 'redriven', possibleDuplicate: true, attempts: 0 }],
  ])('is decided by a person: %s', async (as, after) => {
    const id = await ended({ status: 'unknown', reason: 'no_answer' });
    const { status, json } = await post<DeliveryDetail>(`/v1/deliveries/${id}/resolve`, {
      as,
      note: 'asked her',
    });
    expect(status).toBe(200);
    expect(json).toMatchObject(after);
    expect(json.timeline.at(-1)).toMatchObject({
      type: 'resolved',
      detail: { as, by: 'API key spec', note: 'asked her' },
    });
    const again = await post<{ code: string; detail: string }>(`/v1/deliveries/${id}/resolve`, { as });
    expect(again).toMatchObject({ status: 409, json: { code: 'conflict' } });
  });

  it('is the only kind that can be decided', async () => {
    const id = await ended();
    expect((await post(`/v1/deliveries/${id}/resolve`, { as: 'resend' })).status).toBe(409);
    expect((await detail(id)).status).toBe('failed');
    expect((await post(`/v1/deliveries/${newId()}/resolve`, { as: 'sent' })).status).toBe(404);
  });
});

describe('explain', () => {
  it('tells of account, rule, route and what a person can do', async () => {
    const id = await ended({ status: 'unknown', reason: 'no_answer', message: 'timed out', code: 'TIMEOUT' });
    const explain = async (one: string) =>
      (await (await api.call(`/v1/deliveries/${one}/explain`)).json()) as Explanation;
    expect(await explain(id)).toMatchObject({
      verdict: expect.stringContaining('may or may not have arrived'),
      because: expect.arrayContaining(['It was handed over 3 times.']),
      next: 'Nothing happens by itself: a late receipt, or a person, settles it.',
      youCan: [expect.stringContaining('decide')],
    });
    const answer = await api.call('/v1/messages', {
      body: {
        to: { email: 'ada@example.com', phone: '+447400123456' },
        route: [{ channel: 'email' }, { channel: 'sms', after: '5m', unless: 'delivered' }],
        content: { email: { subject: 's', text: 't' }, sms: { body: 't' } },
      },
    });
    const { deliveries } = (await answer.json()) as { deliveries: { id: string; channel: string }[] };
    const told = await explain(deliveries.find((d) => d.channel === 'sms')?.id ?? '');
    expect(told.because).toContain('It is step 2 of 2 of a route. The others: 1. email: queued.');
    expect(told.next).toContain('unless the step before succeeds');
  });
});

describe('explain of a delivery that waits', () => {
  it('counts the attempts left by the policy of its workspace', async () => {
    const id = await ended();
    await api.owner.query(
      `UPDATE deliveries SET status = 'scheduled', reason = 'retry', due_at = now() + interval '1 minute' WHERE id = $1`,
      [id],
    );
    const because = async () =>
      ((await (await api.call(`/v1/deliveries/${id}/explain`)).json()) as Explanation).because;
    expect(await because()).toContainEqual(expect.stringContaining('37 more attempts are left'));
    const policy = { attempts: 5, windowSeconds: 600 };
    await api.call('/v1/retry-policies/email', { method: 'PATCH', body: policy });
    expect(await because()).toContainEqual(
      expect.stringMatching(/2 more attempts are left, the last in (10|9) minutes at the latest/),
    );
    const none = { attempts: null, windowSeconds: null };
    await api.call('/v1/retry-policies/email', { method: 'PATCH', body: none });
    expect(await because()).toContainEqual(expect.stringContaining('37 more attempts are left'));
  });
});

describe('a re-drive', () => {
  it('previews, then sends exactly that again, in slices, and says how far it is', async () => {
    const ids = [await ended(), await ended(), await ended()];
    const shown = await preview({ reason: ['retries_exhausted'] });
    expect(shown).toMatchObject({
      state: 'preview',
      preview: { total: 3, risky: 0, suppressedNow: 0, truncated: false, byCause: [{ count: 3 }] },
      requestedBy: 'API key spec',
    });
    expect(await statusesOf(ids)).toEqual(['failed', 'failed', 'failed']);
    await advance();
    expect(await statusesOf(ids)).toEqual(['failed', 'failed', 'failed']);

    // What fails after the preview is not part of it.
    const later = await ended();
    const [one, two] = await Promise.all([start(shown.fingerprint), start(shown.fingerprint)]);
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(two.json.id).toBe(one.json.id);
    await advance(2);
    expect(await read(shown.id)).toMatchObject({ state: 'running', done: 2, redriven: 2 });
    await advance(2);
    expect(await read(shown.id)).toMatchObject({ state: 'done', done: 3, redriven: 3, skipped: 0 });
    expect(await statusesOf(ids)).toEqual(['scheduled', 'scheduled', 'scheduled']);
    expect((await detail(later)).status).toBe('failed');
    expect(await detail(ids[0] ?? '')).toMatchObject({
      reason: 'redriven',
      attempts: 0,
      possibleDuplicate: false,
      timeline: expect.arrayContaining([
        expect.objectContaining({ type: 'redriven', detail: { by: 'API key spec', redrive: shown.id } }),
      ]),
    });
    // The clock offers them like all that is due; starting again starts nothing.
    const { offer } = await api.database.acrossWorkspaces((sql) =>
      takeDue(
        sql,
        100,
        () => ({ attempts: 3, windowMs: 1000, backoffMs: 1, maxBackoffMs: 1 }),
        () => 0,
      ),
    );
    expect(offer.map((o) => o.id).sort()).toEqual([...ids].sort());
    expect((await start(shown.fingerprint)).json).toMatchObject({ id: shown.id, state: 'done', redriven: 3 });
    await advance();
    expect((await read(shown.id)).redriven).toBe(3);
  });

  it('leaves alone what was accepted, arrived, expired or reached otherwise, also when that happens after the preview', async () => {
    const sent = await ended();
    const arrived = await ended({ reason: 'bounced', set: 'sent_at = now(), delivered_at = now()' });
    const expired = await ended({ set: `expires_at = now() - interval '1 minute'` });
    const good = await ended();
    const answer = await api.call('/v1/messages', {
      body: {
        to: { email: 'ada@example.com', phone: '+447400123456' },
        route: [{ channel: 'email' }, { channel: 'sms' }],
        content: { email: { subject: 's', text: 't' }, sms: { body: 't' } },
      },
    });
    const { deliveries } = (await answer.json()) as { deliveries: { id: string; channel: string }[] };
    const step = (channel: string) => deliveries.find((d) => d.channel === channel)?.id ?? '';
    await end(step('email'), { status: 'failed', reason: 'retries_exhausted', address: 'ada@example.com' });
    await api.owner.query(
      `UPDATE deliveries SET status = 'delivered', reason = NULL, due_at = NULL WHERE id = $1`,
      [step('sms')],
    );
    const shown = await preview({ status: ['failed'] });
    expect(shown.preview).toMatchObject({
      total: 2,
      leftOut: { unknown: 0, delivered: 1, reached: 1, expired: 1 },
    });
    await api.owner.query(`UPDATE deliveries SET status = 'sent', reason = NULL WHERE id = $1`, [sent]);
    await start(shown.fingerprint);
    await advance();
    expect(await read(shown.id)).toMatchObject({ state: 'done', done: 2, redriven: 1, skipped: 1 });
    expect(await statusesOf([sent, arrived, expired, good, step('email')])).toEqual([
      'sent',
      'failed',
      'failed',
      'scheduled',
      'failed',
    ]);
  });

  it('takes what may have arrived only when told to, and marks it', async () => {
    const unknown = await ended({ status: 'unknown', reason: 'no_answer' });
    const risky = await ended({ set: 'possible_duplicate = true' });
    const careful = await preview({});
    expect(careful.preview).toMatchObject({ total: 0, leftOut: { unknown: 2 } });
    await start(careful.fingerprint);
    await advance();
    expect(await statusesOf([unknown, risky])).toEqual(['unknown', 'failed']);

    const bold = await preview({}, { includeUnknown: true });
    expect(bold.preview).toMatchObject({ total: 2, risky: 2 });
    await start(bold.fingerprint);
    await advance();
    expect(await statusesOf([unknown, risky])).toEqual(['scheduled', 'scheduled']);
    expect((await detail(unknown)).possibleDuplicate).toBe(true);
  });

  it('chooses by cause, channel, ids and time, and says who has opted out since', async () => {
    const full = await ended({ message: 'Mailbox of <a@x.org> is full' });
    const slow = await ended({ message: 'Slow down', address: 'bo@example.com' });
    await api.owner.query(
      `INSERT INTO suppressions (workspace_id, channel, address, reason, source) VALUES ($1, 'email', 'bo@example.com', 'complained', 'spec')`,
      [api.workspaceId],
    );
    const { groups } = await failures();
    const cause = groups.find((g) => g.words?.startsWith('Mailbox'))?.cause;
    expect((await preview({ cause })).preview).toMatchObject({
      total: 1,
      suppressedNow: 0,
      sampleIds: [full],
    });
    expect((await preview({ ids: [slow] })).preview).toMatchObject({ total: 1, suppressedNow: 1 });
    expect((await preview({ channel: ['sms'] })).preview.total).toBe(0);
    expect((await preview({ to: '2020-01-01T00:00:00Z' })).preview.total).toBe(0);
    expect((await preview({ template: 'none' })).preview.total).toBe(0);
    expect((await preview({ accountId: newId() })).preview.total).toBe(0);
  });

  it('stops when it is cancelled', async () => {
    const ids = [await ended(), await ended()];
    const shown = await preview({});
    await start(shown.fingerprint);
    await advance(1);
    const { json } = await post<Redrive>(`/v1/redrives/${shown.id}/cancel`);
    expect(json).toMatchObject({ state: 'cancelled', redriven: 1 });
    await advance();
    expect((await statusesOf(ids)).sort()).toEqual(['failed', 'scheduled']);
  });

  it('says what to do about a request that cannot be', async () => {
    expect(await post('/v1/redrives', { dryRun: false })).toMatchObject({
      status: 422,
      json: { errors: [{ pointer: '/fingerprint', message: expect.stringMatching(/^preview first/i) }] },
    });
    expect(await post('/v1/redrives', {})).toMatchObject({
      status: 422,
      json: { errors: [{ pointer: '/filter' }] },
    });
    expect(await start('nonsense')).toMatchObject({ status: 409, json: { code: 'conflict' } });
    const old = await preview({});
    await api.owner.query(`UPDATE redrives SET created_at = now() - interval '61 minutes' WHERE id = $1`, [
      old.id,
    ]);
    expect((await start(old.fingerprint)).status).toBe(409);
  });

  it('is listed once it has been started', async () => {
    const shown = await preview({});
    const list = async () =>
      ((await (await api.call('/v1/redrives')).json()) as { items: Redrive[] }).items.map((r) => r.id);
    expect(await list()).toEqual([]);
    await start(shown.fingerprint);
    expect(await list()).toEqual([shown.id]);
  });
});

describe('what the operator has set', () => {
  it('is told to every key', async () => {
    expect(await (await api.call('/v1/installation')).json()).toEqual({
      retentionDays: 90,
      eventRetentionDays: 365,
      idempotencyHours: 48,
      backlogLimit: 200_000,
    });
  });
});

describe('policies', () => {
  it('are the usual ones until the workspace says otherwise, and keep its other settings', async () => {
    const policies = async () => (await api.call('/v1/policies')).json();
    expect(await policies()).toEqual({ unknown: { transactional: 'retry', marketing: 'hold' } });
    await api.owner.query(`UPDATE workspaces SET settings = '{"defaultCountry": "GB"}' WHERE id = $1`, [
      api.workspaceId,
    ]);
    const changed = { unknown: { transactional: 'hold', marketing: 'hold' } };
    const answer = await api.call('/v1/policies', { method: 'PUT', body: changed });
    expect(await answer.json()).toEqual(changed);
    expect(await policies()).toEqual(changed);
    const { rows } = await api.owner.query<{ country: string }>(
      `SELECT settings ->> 'defaultCountry' AS country FROM workspaces WHERE id = $1`,
      [api.workspaceId],
    );
    expect(rows[0]?.country).toBe('GB');
  });
});
