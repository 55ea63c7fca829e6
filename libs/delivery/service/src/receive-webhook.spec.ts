/** Webhooks over the real API, as Twilio signs them: https://www.twilio.com/docs/usage/security#validating-requests */
import { returnPathOf } from '@carillon/channel-email';
import type { Delivery, DeliveryDetail, ProviderAccount, UnreadBounce } from '@carillon/contracts';
import { newId } from '@carillon/database';
import type { Receipt } from '@carillon/delivery-rules';
import { twilioSignature } from '@carillon/sandbox';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { applyParked, applyReceipts, forgetParked } from './apply-receipts.js';
import { callbackLink, links } from './links.js';

let api: TestApi;
let account: ProviderAccount;
const authToken = '0123456789abcdef0123456789abcdef';

beforeAll(async () => {
  api = await startTestApi({ PUBLIC_URL: 'https://carillon.example' });
  const body = {
    channel: 'sms',
    provider: 'twilio',
    name: 'Texts',
    settings: { accountSid: `AC${'1'.repeat(32)}`, authToken, from: '+15017122661' },
  };
  account = (await (await api.call('/v1/provider-accounts', { body })).json()) as ProviderAccount;
}, 60_000);
afterAll(() => api.close());

const reasonFor: Record<string, string> = {
  unknown: 'no_answer',
  failed: 'rejected',
  cancelled: 'cancelled_by_request',
  suppressed: 'suppressed_manually',
  expired: 'expired_before_sending',
  scheduled: 'retry',
};
/** A delivery that has been handed over. */
async function delivery(status = 'sent'): Promise<string> {
  const answer = await api.call('/v1/messages', {
    body: { to: { phone: '+447400123456' }, channels: ['sms'], content: { sms: { body: 'x' } } },
  });
  const { deliveries } = (await answer.json()) as { deliveries: { id: string }[] };
  const id = deliveries[0]?.id ?? '';
  await api.owner.query(
    `UPDATE deliveries SET status = $2, reason = $4, provider_account_id = $3, address = '+447400123456',
            sent_at = CASE WHEN $2 IN ('sent', 'delivered') THEN now() END,
            due_at = CASE WHEN $2 IN ('sending', 'scheduled') THEN now() + interval '1 hour' END WHERE id = $1`,
    [id, status, account.id, reasonFor[status] ?? null],
  );
  return id;
}
const detail = async (id: string): Promise<DeliveryDetail> =>
  (await (await api.call(`/v1/deliveries/${id}`)).json()) as DeliveryDetail;
const lineTypes = async (id: string) => (await detail(id)).timeline.map((line) => line.type);

interface Change {
  token?: string;
  url?: string;
  signed?: Record<string, string>;
  signature?: string | undefined;
}
/** A status callback about a delivery, as Twilio makes it, but for what a test changes. */
function callback(deliveryId: string, words: Record<string, string>, change: Change = {}): Promise<Response> {
  const message = { MessageSid: `SM${deliveryId.replaceAll('-', '')}` };
  const url = change.url ?? callbackLink(links(), account, deliveryId);
  const { pathname, search } = new URL(url);
  const signature =
    'signature' in change
      ? change.signature
      : twilioSignature(change.token ?? authToken, url, { ...message, ...(change.signed ?? words) });
  return fetch(`${api.url}${pathname}${search}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(signature === undefined ? {} : { 'x-twilio-signature': signature }),
    },
    body: new URLSearchParams({ ...message, ...words }).toString(),
  });
}
const told = (status: string, more: Record<string, string> = {}) => ({ MessageStatus: status, ...more });

describe('receipts', () => {
  it('become the status and a line of the timeline', async () => {
    const id = await delivery();
    expect((await callback(id, told('delivered'))).status).toBe(204);
    const { status, deliveredAt, timeline } = await detail(id);
    expect(status).toBe('delivered');
    expect(deliveredAt).not.toBeNull();
    expect(timeline.at(-1)).toMatchObject({ type: 'delivered', detail: { status: 'delivered' } });
  });

  it('count once, however often they are told', async () => {
    const id = await delivery();
    for (let n = 0; n < 3; n++) expect((await callback(id, told('delivered'))).status).toBe(204);
    await Promise.all(Array.from({ length: 5 }, () => callback(id, told('sent'))));
    const lines = await lineTypes(id);
    expect(lines.filter((type) => type === 'delivered')).toHaveLength(1);
    expect(lines.filter((type) => type === 'receipt')).toHaveLength(1);
  });

  it('that come together are written together, and one that cannot be written fails alone', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, () => delivery()));
    const poison = ids[20] ?? '';
    await api.owner.query(
      `CREATE FUNCTION refuse_line() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
       CREATE TRIGGER poison BEFORE INSERT ON delivery_events FOR EACH ROW WHEN (NEW.delivery_id = '${poison}') EXECUTE FUNCTION refuse_line()`,
    );
    const answers = await Promise.all(ids.map(async (id) => (await callback(id, told('delivered'))).status));
    await api.owner.query('DROP TRIGGER poison ON delivery_events; DROP FUNCTION refuse_line');
    expect(answers).toEqual(ids.map((id) => (id === poison ? 500 : 204)));
    const { rows } = await api.owner.query<{ status: string; n: number }>(
      'SELECT status, count(*)::int AS n FROM deliveries WHERE id = ANY($1) GROUP BY 1 ORDER BY 1',
      [ids],
    );
    expect(rows).toEqual([
      { status: 'delivered', n: 39 },
      { status: 'sent', n: 1 },
    ]);
    expect((await callback(poison, told('delivered'))).status).toBe(204);
    expect((await detail(poison)).status).toBe('delivered');
  });

  it('never move a status back, but stand in the timeline', async () => {
    const id = await delivery();
    await callback(id, told('delivered'));
    await callback(id, told('sent'));
    const { status, timeline } = await detail(id);
    expect(status).toBe('delivered');
    expect(timeline.at(-1)).toMatchObject({ type: 'receipt', detail: { status: 'sent', reported: 'sent' } });
  });

  it.each([
    ['unknown', 'delivered', 'delivered', null],
    ['unknown', 'undelivered', 'failed', 'recipient_unknown'],
    ['sending', 'delivered', 'delivered', null],
    ['delivered', 'undelivered', 'failed', 'recipient_unknown'],
    ['failed', 'delivered', 'failed', 'rejected'],
    ['cancelled', 'delivered', 'cancelled', 'cancelled_by_request'],
    ['scheduled', 'delivered', 'scheduled', 'retry'],
  ])('%s, told %s, is %s', async (before, word, after, reason) => {
    const id = await delivery(before);
    await callback(id, told(word, word === 'undelivered' ? { ErrorCode: '30005' } : {}));
    expect(await detail(id)).toMatchObject({ status: after, reason });
  });

  it('records words it does not know without guessing', async () => {
    const id = await delivery();
    await callback(id, told('levitating'));
    const { status, timeline } = await detail(id);
    expect(status).toBe('sent');
    expect(timeline.at(-1)).toMatchObject({ type: 'receipt', detail: { status: 'levitating' } });
  });

  it('passes failures on, and brings the next step of a route forward', async () => {
    const body = {
      to: { phone: '+447400123456', email: 'ada@example.com' },
      route: [{ channel: 'sms' }, { channel: 'email', after: '1h', unless: 'delivered' }],
      content: { sms: { body: 'x' }, email: { subject: 's', text: 't' } },
    };
    const answer = await api.call('/v1/messages', { body });
    const { deliveries } = (await answer.json()) as { deliveries: Delivery[] };
    const [first, second] = ['sms', 'email'].map(
      (channel) => deliveries.find((d) => d.channel === channel)?.id ?? '',
    );
    await api.owner.query(`UPDATE deliveries SET status = 'sent', due_at = NULL WHERE id = $1`, [first]);
    const due = async () => Date.parse((await detail(second ?? '')).dueAt ?? '') - Date.now();
    expect(await due()).toBeGreaterThan(3_000_000);
    const applied = await api.database.inWorkspace(api.workspaceId, (sql) =>
      applyReceipts(sql, { id: account.id, workspaceId: api.workspaceId }, [
        { deliveryId: first ?? '', eventId: 'f', status: 'failed', reason: 'recipient_unknown', answer: {} },
      ]),
    );
    expect(await due()).toBeLessThanOrEqual(0);
    expect(applied.eventIds).toEqual([expect.stringMatching(new RegExp(`^${first}:\\d+$`))]);
  });

  it('takes a batch about many deliveries, in any order, and leaves out strangers', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => delivery('sending')));
    const receipts = ids.flatMap((deliveryId, n) =>
      (['delivered', 'sent'] as const).map((status) => ({
        deliveryId,
        eventId: `${n}-${status}`,
        status,
        answer: { status },
      })),
    );
    const strangers = [newId(), 'not an id', '00000000-0000-7000-8000-000000000000'].map((deliveryId, n) => ({
      deliveryId,
      eventId: `stranger-${n}`,
      status: 'delivered' as const,
      answer: {},
    }));
    const account1 = { id: account.id, workspaceId: api.workspaceId };
    const apply = (some: readonly Receipt[]) =>
      api.database.inWorkspace(api.workspaceId, (sql) => applyReceipts(sql, account1, some));
    // Two webhooks at once must not block each other.
    const [one, other] = await Promise.all([
      apply([...receipts, ...strangers]),
      apply([...receipts].reverse()),
    ]);
    expect(new Set([...one.deliveryIds, ...other.deliveryIds])).toEqual(new Set(ids));
    for (const id of ids) {
      const { status, timeline } = await detail(id);
      expect(status).toBe('delivered');
      expect(timeline.filter((l) => ['sent', 'delivered', 'receipt'].includes(l.type))).toHaveLength(2);
    }
  });

  it('does not touch deliveries of another workspace', async () => {
    const id = await delivery();
    const elsewhere = newId();
    await api.owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'elsewhere', 'E')`, [
      elsewhere,
    ]);
    const applied = await api.database.inWorkspace(elsewhere, (sql) =>
      applyReceipts(sql, { id: account.id, workspaceId: elsewhere }, [
        { deliveryId: id, eventId: 'x', status: 'delivered', answer: {} },
      ]),
    );
    expect(applied.deliveryIds).toEqual([]);
    expect((await detail(id)).status).toBe('sent');
  });
});

describe('receipts that come before their delivery', () => {
  const mine = () => ({ id: account.id, workspaceId: api.workspaceId });
  const apply = (some: readonly Receipt[]) =>
    api.database.inWorkspace(api.workspaceId, (sql) => applyReceipts(sql, mine(), some));
  const unpark = () => api.database.acrossWorkspaces((sql) => applyParked(sql, 100));
  /** The row of a delivery, taken away and put back: as one that is written with its outcome. */
  const away = async (id: string) => {
    const { rows } = await api.owner.query<Record<string, unknown>>(
      'DELETE FROM deliveries WHERE id = $1 RETURNING *',
      [id],
    );
    return () =>
      api.owner.query(
        'INSERT INTO deliveries SELECT * FROM jsonb_populate_record(NULL::deliveries, $1::jsonb)',
        [JSON.stringify(rows[0])],
      );
  };

  it('wait for it, and are applied when it appears, once', async () => {
    const id = await delivery();
    const back = await away(id);
    for (let n = 0; n < 3; n++) expect((await callback(id, told('delivered'))).status).toBe(204);
    expect((await unpark()).taken).toBe(0);
    await back();
    const { applied } = await unpark();
    expect(applied).toEqual([{ workspaceId: api.workspaceId, deliveryIds: [id], eventIds: [] }]);
    expect((await detail(id)).status).toBe('delivered');
    await callback(id, told('delivered'));
    expect((await unpark()).taken).toBe(0);
    expect((await lineTypes(id)).filter((type) => type === 'delivered')).toHaveLength(1);
  });

  it('tell of failures like all others', async () => {
    const id = await delivery();
    const back = await away(id);
    await callback(id, told('undelivered', { ErrorCode: '30005' }));
    await back();
    const { applied } = await unpark();
    expect(applied[0]?.eventIds).toEqual([expect.stringMatching(new RegExp(`^${id}:\\d+$`))]);
    expect(await detail(id)).toMatchObject({ status: 'failed', reason: 'recipient_unknown' });
  });

  it('of another workspace never find one', async () => {
    const id = await delivery();
    const elsewhere = newId();
    await api.owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'strangers', 'S')`, [
      elsewhere,
    ]);
    await api.database.inWorkspace(elsewhere, (sql) =>
      applyReceipts(sql, { id: newId(), workspaceId: elsewhere }, [
        { deliveryId: id, eventId: 'stranger', status: 'failed', answer: {} },
      ]),
    );
    expect((await unpark()).taken).toBe(0);
    expect((await detail(id)).status).toBe('sent');
  });

  it('are forgotten after a day, and not kept at all for ids that are none of ours', async () => {
    const id = newId();
    await apply([
      { deliveryId: id, eventId: 'lost', status: 'delivered', answer: {} },
      { deliveryId: newId(new Date(Date.now() - 86_400_001)), eventId: 'old', status: 'sent', answer: {} },
      { deliveryId: newId(new Date(Date.now() + 3_600_000)), eventId: 'early', status: 'sent', answer: {} },
    ]);
    const kept = async () =>
      (await api.owner.query(`SELECT event_id FROM receipts WHERE event_id IN ('lost', 'old', 'early')`))
        .rows;
    expect(await kept()).toEqual([{ event_id: 'lost' }]);
    await api.owner.query(
      `UPDATE receipts SET received_at = now() - interval '25 hours' WHERE event_id = 'lost'`,
    );
    await api.database.acrossWorkspaces((sql) => forgetParked(sql));
    expect(await kept()).toEqual([]);
  });

  it('settle what waits to be sent again because it may have arrived', async () => {
    const id = await delivery('scheduled');
    await api.owner.query('UPDATE deliveries SET possible_duplicate = true WHERE id = $1', [id]);
    await callback(id, told('undelivered'));
    expect((await detail(id)).status).toBe('scheduled');
    await callback(id, told('delivered'));
    expect(await detail(id)).toMatchObject({ status: 'delivered', dueAt: null });
  });

  it.each(['cancelled', 'suppressed', 'expired'])(
    'tell of what was %s while it waited to be sent again that it had arrived; what never left stays as it is',
    async (status) => {
      const [left, not] = [await delivery(status), await delivery(status)];
      await api.owner.query('UPDATE deliveries SET possible_duplicate = true WHERE id = $1', [left]);
      for (const id of [left, not]) await callback(id, told('delivered'));
      expect((await detail(left)).status).toBe('delivered');
      expect((await detail(not)).status).toBe(status);
    },
  );
});

describe('receipts in any order, each three times', () => {
  /** What a provider may tell of one delivery; at most one failure, as providers do. */
  const told = fc.record({
    sent: fc.boolean(),
    delivered: fc.boolean(),
    failed: fc.option(fc.constantFrom('recipient_unknown', 'carrier_blocked', 'bounced'), { nil: null }),
    other: fc.boolean(),
    parked: fc.boolean(),
    before: fc.constantFrom('sending', 'sent', 'unknown'),
  } as const);

  it('end where the sorted unique ones end', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(told, { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        async (stories, random) => {
          round += 1;
          const mine = { id: account.id, workspaceId: api.workspaceId };
          // Two deliveries per story: one is told in order and once, the other as webhooks come.
          const pairs = await Promise.all(
            stories.map(
              async (story) => [await delivery(story.before), await delivery(story.before)] as const,
            ),
          );
          const receiptsOf = (id: string, story: (typeof stories)[number]): Receipt[] => [
            ...(story.other
              ? [{ deliveryId: id, eventId: `${id} other`, status: 'other', answer: {} } as const]
              : []),
            ...(story.sent
              ? [{ deliveryId: id, eventId: `${id} sent`, status: 'sent', answer: {} } as const]
              : []),
            ...(story.delivered
              ? [{ deliveryId: id, eventId: `${id} delivered`, status: 'delivered', answer: {} } as const]
              : []),
            ...(story.failed
              ? [
                  {
                    deliveryId: id,
                    eventId: `${id} failed`,
                    status: 'failed',
                    reason: story.failed,
                    answer: {},
                  } as const,
                ]
              : []),
          ];
          const apply = (some: readonly Receipt[]) =>
            api.database.inWorkspace(api.workspaceId, (sql) => applyReceipts(sql, mine, some));
          for (const [n, story] of stories.entries())
            for (const receipt of receiptsOf(pairs[n]?.[0] ?? '', story)) await apply([receipt]);

          const shuffled = stories
            .flatMap((story, n) =>
              Array.from({ length: 3 }, () => receiptsOf(pairs[n]?.[1] ?? '', story)).flat(),
            )
            .map((receipt) => ({ receipt, at: random.next().value as number }))
            .sort((a, b) => a.at - b.at)
            .map(({ receipt }) => receipt);
          const absent = stories.flatMap((story, n) => (story.parked ? [pairs[n]?.[1] ?? ''] : []));
          const { rows } = await api.owner.query<Record<string, unknown>>(
            'DELETE FROM deliveries WHERE id = ANY($1::uuid[]) RETURNING *',
            [absent],
          );
          const half = Math.floor(shuffled.length / 2);
          for (let at = 0; at < half; at += 3) await apply(shuffled.slice(at, Math.min(at + 3, half)));
          for (const row of rows)
            await api.owner.query(
              'INSERT INTO deliveries SELECT * FROM jsonb_populate_record(NULL::deliveries, $1::jsonb)',
              [JSON.stringify(row)],
            );
          // The clock and webhooks at the same time.
          await Promise.all([
            apply(shuffled.slice(half)),
            api.database.acrossWorkspaces((sql) => applyParked(sql, 100)),
          ]);
          await api.database.acrossWorkspaces((sql) => applyParked(sql, 100));

          for (const [n, [inOrder, asTheyCame]] of pairs.entries()) {
            const expected = await detail(inOrder);
            const got = await detail(asTheyCame);
            expect({
              n,
              status: got.status,
              reason: got.reason,
              sent: got.sentAt !== null,
              delivered: got.deliveredAt !== null,
            }).toEqual({
              n,
              status: expected.status,
              reason: expected.reason,
              sent: expected.sentAt !== null,
              delivered: expected.deliveredAt !== null,
            });
            const linesOf = (d: DeliveryDetail) =>
              d.timeline.filter((l) => ['sent', 'delivered', 'failed', 'receipt'].includes(l.type)).length;
            expect(linesOf(got)).toBe(linesOf(expected));
          }
        },
      ),
      { numRuns: 12 },
    );
    expect(round).toBeGreaterThanOrEqual(12);
  }, 60_000);
});

describe('what is not authentic', () => {
  const refusal = async (answer: Promise<Response>) => {
    const got = await answer;
    const { requestId: _, ...body } = (await got.json()) as Record<string, unknown>;
    return { status: got.status, body };
  };

  it('gets one answer, whatever was wrong', async () => {
    const id = await delivery();
    const base = `https://carillon.example/v1/webhooks/sms/twilio`;
    const query = new URL(callbackLink(links(), account, id)).search;
    const answers = await Promise.all(
      [
        callback(id, told('delivered'), { signature: undefined }),
        callback(id, told('delivered'), { signature: 'nonsense' }),
        callback(id, told('delivered'), { token: 'f'.repeat(32) }),
        callback(id, told('delivered'), { signed: told('failed') }),
        callback(id, told('delivered', { Extra: '1' }), { signed: told('delivered') }),
        callback(id, told('delivered'), { url: `${base}/${newId()}${query}` }),
        callback(id, told('delivered'), { url: `${base}/nonsense${query}` }),
        callback(id, told('delivered'), {
          url: `https://carillon.example/v1/webhooks/sms/nobody/${account.id}${query}`,
        }),
        callback(id, told('delivered'), {
          url: `https://carillon.example/v1/webhooks/pigeon/twilio/${account.id}${query}`,
        }),
        callback(id, told('delivered'), {
          url: `https://carillon.example/v1/webhooks/email/smtp/${account.id}${query}`,
        }),
        callback(id, told('delivered'), {
          url: `https://carillon.example/v1/webhooks/__proto__/x/${account.id}`,
        }),
      ].map(refusal),
    );
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]).toMatchObject({ status: 401, body: { code: 'webhook_refused' } });
    expect(await lineTypes(id)).not.toContain('delivered');
    expect((await detail(id)).status).toBe('sent');
  });

  it('takes as long for an account that exists as for one that does not', async () => {
    const id = await delivery();
    const query = new URL(callbackLink(links(), account, id)).search;
    const url = `https://carillon.example/v1/webhooks/sms/twilio/${newId()}${query}`;
    const time = async (change: Change) => {
      const began = performance.now();
      await callback(id, told('delivered'), change);
      return performance.now() - began;
    };
    for (const change of [{ signature: 'nonsense' }, { url }])
      expect(await time(change)).toBeGreaterThanOrEqual(49);
  });

  it('cannot name another delivery', async () => {
    const [mine, other] = [await delivery(), await delivery()];
    const url = callbackLink(links(), account, mine).replace(mine, other);
    expect((await callback(other, told('delivered'), { url })).status).toBe(204);
    expect((await detail(other)).status).toBe('sent');
  });

  it('is refused when it comes for a deleted account', async () => {
    const body = {
      channel: 'sms',
      provider: 'twilio',
      name: 'Gone',
      settings: { accountSid: `AC${'2'.repeat(32)}`, authToken, from: 'ACME' },
    };
    const gone = (await (await api.call('/v1/provider-accounts', { body })).json()) as ProviderAccount;
    await api.call(`/v1/provider-accounts/${gone.id}`, { method: 'DELETE' });
    const id = await delivery();
    expect((await callback(id, told('delivered'), { url: callbackLink(links(), gone, id) })).status).toBe(
      401,
    );
  });

  it('is refused when it is larger than 1 MB, before anything reads it', async () => {
    const id = await delivery();
    const answer = await callback(id, { ...told('delivered'), Junk: 'x'.repeat(1_100_000) });
    expect(answer.status).toBe(413);
    expect((await detail(id)).status).toBe('sent');
  });
});

describe('mails that come to a return address', () => {
  const bounces = { bounceMailbox: 'bounces@mail.example.com', bounceSecret: 'known to the forwarder' };
  let mailAccount: ProviderAccount;
  beforeAll(async () => {
    const settings = { host: 'smtp.example.com', from: 'Shop <shop@example.com>', ...bounces };
    const body = { channel: 'email', provider: 'smtp', name: 'Mails', settings };
    mailAccount = (await (await api.call('/v1/provider-accounts', { body })).json()) as ProviderAccount;
  });

  async function mail(): Promise<string> {
    const content = { email: { subject: 's', text: 't' } };
    const to = { email: 'ada@example.com' };
    const answer = await api.call('/v1/messages', { body: { to, channels: ['email'], content } });
    const id = ((await answer.json()) as { deliveries: { id: string }[] }).deliveries[0]?.id ?? '';
    await api.owner.query(
      `UPDATE deliveries SET status = 'sent', reason = NULL, due_at = NULL, sent_at = now() WHERE id = $1`,
      [id],
    );
    return id;
  }
  const post = (text: string, secret = bounces.bounceSecret) =>
    fetch(`${api.url}/v1/webhooks/email/smtp/${mailAccount.id}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'message/rfc822' },
      body: text.replaceAll('\n', '\r\n'),
    });
  const report = (to: string, status: string) =>
    `To: ${to}\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: text/plain\n\nNo.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nFinal-Recipient: rfc822; ada@example.com\nAction: failed\nStatus: ${status}\n--b--\n`;
  const complaint = (to: string) =>
    `To: ${to}\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n`;

  it('are a failure of the mail that they came back to, once', async () => {
    const id = await mail();
    const text = report(returnPathOf(bounces, id) ?? '', '5.1.1');
    for (let n = 0; n < 2; n++) expect((await post(text)).status).toBe(204);
    expect(await detail(id)).toMatchObject({ status: 'failed', reason: 'recipient_unknown' });
    expect((await lineTypes(id)).filter((type) => type === 'failed')).toHaveLength(1);
  });

  it('are a complaint, which changes no status', async () => {
    const id = await mail();
    expect((await post(complaint(returnPathOf(bounces, id) ?? ''))).status).toBe(204);
    const { status, timeline } = await detail(id);
    expect(status).toBe('sent');
    expect(timeline.at(-1)?.type).toBe('complained');
  });

  it('are taken from nobody else, and kept where they tell of nothing', async () => {
    const id = await mail();
    const to = returnPathOf({ ...bounces, bounceSecret: 'of somebody else' }, id) ?? '';
    expect((await post(report(returnPathOf(bounces, id) ?? '', '5.1.1'), 'guessed')).status).toBe(401);
    expect((await post(report(to, '5.1.1'))).status).toBe(204);
    expect((await detail(id)).status).toBe('sent');
    const { items } = (await (await api.call('/v1/unread-bounces')).json()) as { items: UnreadBounce[] };
    expect(items).toMatchObject([{ accountId: mailAccount.id, why: expect.stringMatching(/\.$/) }]);
    expect(items[0]?.head).not.toContain('ada@example.com');
  });
});
