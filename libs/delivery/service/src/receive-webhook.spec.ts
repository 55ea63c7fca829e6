/** Webhooks over the real API, as Twilio signs them: https://www.twilio.com/docs/usage/security#validating-requests */
import type { Delivery, DeliveryDetail, ProviderAccount } from '@carillon/contracts';
import { newId } from '@carillon/database';
import type { Receipt } from '@carillon/delivery-rules';
import { twilioSignature } from '@carillon/sandbox';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { applyReceipts } from './apply-receipts.js';
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
