/** The verifier against the signatures of the library that others use. */
import { describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { verifyWebhook, WebhookVerificationError } from './verify-webhook.js';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const other = 'whsec_plJ3nmyCDGBKInavdOK15jsl7CqG5mZL';
const body = JSON.stringify({
  id: 'e:1',
  type: 'delivery.sent',
  version: 1,
  timestamp: 't',
  data: null,
  name: 'Zoë',
});
const signed = (secrets = [secret], at = new Date()) => ({
  'webhook-id': 'e:1',
  'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
  'webhook-signature': secrets.map((s) => new Webhook(s).sign('e:1', at, body)).join(' '),
});
const seconds = (n: number) => new Date(Date.now() + n * 1000);

describe('verifyWebhook', () => {
  it('gives the event, from any kind of headers and body', async () => {
    const event = JSON.parse(body) as unknown;
    expect(await verifyWebhook(body, signed(), secret)).toEqual(event);
    expect(await verifyWebhook(new TextEncoder().encode(body), new Headers(signed()), secret)).toEqual(event);
    const upper = Object.fromEntries(Object.entries(signed()).map(([k, v]) => [k.toUpperCase(), [v]]));
    expect(await verifyWebhook(body, upper, secret.replace('whsec_', ''))).toEqual(event);
  });

  it('takes one of several signatures, and one of several secrets', async () => {
    await verifyWebhook(body, signed([other, secret]), secret);
    await verifyWebhook(body, signed([secret]), [other, secret]);
    const odd = { ...signed(), 'webhook-signature': `v1a,abc v1,%%% v2,x ${signed()['webhook-signature']}` };
    await verifyWebhook(body, odd, secret);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['another secret', () => verifyWebhook(body, signed([other]), secret)],
    ['another body', () => verifyWebhook(`${body} `, signed(), secret)],
    ['another id', () => verifyWebhook(body, { ...signed(), 'webhook-id': 'e:2' }, secret)],
    [
      'another time',
      () =>
        verifyWebhook(
          body,
          { ...signed(), 'webhook-timestamp': signed([secret], seconds(9))['webhook-timestamp'] },
          secret,
        ),
    ],
    ['an old one', () => verifyWebhook(body, signed([secret], seconds(-301)), secret)],
    ['one of the future', () => verifyWebhook(body, signed([secret], seconds(302)), secret)],
    ['no signature', () => verifyWebhook(body, { ...signed(), 'webhook-signature': '' }, secret)],
    ['a time that is none', () => verifyWebhook(body, { ...signed(), 'webhook-timestamp': 'now' }, secret)],
  ])('refuses %s', async (_, verify) => {
    await expect(verify()).rejects.toThrow(WebhookVerificationError);
  });
});
