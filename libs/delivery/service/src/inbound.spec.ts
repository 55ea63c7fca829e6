/** What people write back by SMS, over the real API, as Twilio signs it. */
import type { DeliveryDetail, ProviderAccount } from '@carillon/contracts';
import { newId } from '@carillon/database';
import { twilioSignature } from '@carillon/sandbox';
import { startTestApi, type TestApi } from '@carillon/testing/api';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

let api: TestApi;
let account: ProviderAccount;
const authToken = '0123456789abcdef0123456789abcdef';
const phone = '+447400123456';

beforeAll(async () => {
  api = await startTestApi({ PUBLIC_URL: 'https://carillon.example' });
  const body = {
    channel: 'sms',
    provider: 'twilio',
    name: 'Texts',
    settings: { accountSid: `AC${'1'.repeat(32)}`, authToken, from: '+15017122661' },
  };
  account = (await (await api.call('/v1/provider-accounts', { body })).json()) as ProviderAccount;
  await api.call('/v1/consent-policy', {
    method: 'PUT',
    body: {
      sms: {
        stop: ['BASTA'],
        replies: { stop: 'You get <no> more & that is that.', start: null, help: null },
      },
    },
  });
}, 60_000);
afterAll(() => api.close());

/** A message from a phone to our number. */
function written(fields: Record<string, string>, token = authToken): Promise<Response> {
  const path = `/v1/webhooks/sms/twilio/${account.id}`;
  const body = {
    MessageSid: `SM${newId()}`,
    From: phone,
    To: '+15017122661',
    SmsStatus: 'received',
    ...fields,
  };
  return fetch(`${api.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': twilioSignature(token, `https://carillon.example${path}`, body),
    },
    body: new URLSearchParams(body).toString(),
  });
}
const words = async () =>
  (
    await api.owner.query(`SELECT topic, word, source FROM consents WHERE channel = 'sms' AND address = $1`, [
      phone,
    ])
  ).rows;

describe('a text from a phone', () => {
  it('that stops is effective before it is answered, and answered once in TwiML', async () => {
    const answer = await written({ Body: 'Basta!' });
    // The answer is here: so is the word.
    expect(await words()).toEqual([{ topic: '', word: 'out', source: 'keyword' }]);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/xml');
    expect(await answer.text()).toBe(
      '<?xml version="1.0" encoding="UTF-8"?><Response><Message>You get &lt;no&gt; more &amp; that is that.</Message></Response>',
    );
    const quiet = await written({ Body: 'START' });
    expect(await quiet.text()).toContain('<Response></Response>');
    expect(await words()).toEqual([{ topic: '', word: 'in', source: 'keyword' }]);
  });

  it('is left to Twilio where that has understood and answered it', async () => {
    const answer = await written({ Body: 'Halt', OptOutType: 'STOP' });
    expect(await answer.text()).toContain('<Response></Response>');
    expect(await words()).toEqual([{ topic: '', word: 'out', source: 'keyword' }]);
    await written({ Body: 'START' });
  });

  it('that is no keyword is a line on the last message to that person, once', async () => {
    await api.call('/v1/profiles/ida', { method: 'PUT', body: { phone } });
    const sent = await api.call('/v1/messages', {
      body: { to: { profile: 'ida' }, channels: ['sms'], content: { sms: { body: 'x' } } },
    });
    const { deliveries } = (await sent.json()) as { deliveries: { id: string }[] };
    const id = deliveries[0]?.id ?? '';
    await api.owner.query(
      `UPDATE deliveries SET status = 'sent', due_at = NULL, address = $2 WHERE id = $1`,
      [id, phone],
    );
    for (let times = 0; times < 3; times++)
      expect((await written({ Body: 'When do you open?', MessageSid: 'SM1' })).status).toBe(200);
    const detail = (await (await api.call(`/v1/deliveries/${id}`)).json()) as DeliveryDetail;
    expect(detail.timeline.filter((line) => line.type === 'replied')).toEqual([
      expect.objectContaining({ detail: expect.objectContaining({ message: 'When do you open?' }) }),
    ]);
  });

  it('that Twilio has not signed changes nothing', async () => {
    const before = await words();
    expect((await written({ Body: 'STOP' }, 'f'.repeat(32))).status).toBe(401);
    expect(await words()).toEqual(before);
  });
});
