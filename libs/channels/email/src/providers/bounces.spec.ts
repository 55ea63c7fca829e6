/** Reports as mail servers write them, each to the return address of one mail. */
import { describe, expect, it } from '@jest/globals';
import { WebhookRefused, WebhookUnreadable, type Receipt } from '@carillon/delivery-rules';
import { deliveryOfReturnPath, readBounce, returnPathOf } from './bounces.js';

const settings = { bounceMailbox: 'bounces@mail.acme.test', bounceSecret: 'a secret of its own 42' };
const deliveryId = '019ac3b2-7f00-7a11-8b22-c3d4e5f60718';
const to = returnPathOf(settings, deliveryId) ?? '';
const bearer = { authorization: `Bearer ${settings.bounceSecret}` };

const read = (raw: string, headers: Record<string, string> = bearer) =>
  readBounce(
    {
      method: 'POST',
      url: 'https://carillon.test/v1/webhooks/email/smtp/x',
      headers,
      rawBody: Buffer.from(raw.replaceAll('\n', '\r\n')),
    },
    settings,
  );

/** multipart/report with these delivery-status fields. */
const report = (
  from: string,
  words: string,
  fields: string,
  { head = `To: ${to}`, type = 'message/delivery-status' } = {},
) => `Return-Path: <>
${head}
From: ${from}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b1"

This is a MIME-encapsulated message.

--=_b1
Content-Type: text/plain; charset=us-ascii

${words}

--=_b1
Content-Description: Delivery report
Content-Type: ${type}

${fields}

--=_b1
Content-Type: message/rfc822

From: shop@acme.test
To: ana@example.com
Delivered-To: bounces+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@mail.acme.test
Subject: Hello
Message-ID: <${deliveryId}@acme.test>

Hello
--=_b1--
`;
const perMessage = 'Reporting-MTA: dns; mx.example.com\nArrival-Date: Thu, 26 Nov 2026 21:00:00 +0000';
const fields = (action: string, status: string, diagnostic?: string) =>
  `${perMessage}\n\nFinal-Recipient: rfc822; ana@example.com\nOriginal-Recipient: rfc822;ana@example.com\nAction: ${action}\n${
    status ? `Status: ${status}\n` : ''
  }Remote-MTA: dns; mx.example.com${diagnostic ? `\nDiagnostic-Code: ${diagnostic}` : ''}`;

describe('delivery reports', () => {
  it.each<[string, string, Partial<Receipt>]>([
    [
      'Postfix, no such person',
      report(
        'MAILER-DAEMON@mx.acme.test (Mail Delivery System)',
        "I'm sorry to have to inform you that your message could not be delivered.\n\n<ana@example.com>: host mx.example.com[192.0.2.1] said: 550 5.1.1\n    <ana@example.com>: Recipient address rejected: User unknown (in reply to RCPT TO command)",
        fields(
          'failed',
          '5.1.1',
          'smtp; 550 5.1.1 <ana@example.com>: Recipient address rejected:\n    User unknown in virtual mailbox table',
        ),
      ),
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    [
      'Postfix, gave up after days',
      report(
        'MAILER-DAEMON@mx.acme.test',
        'could not be delivered',
        fields('failed', '4.4.1', 'X-Postfix; connect to mx.example.com[192.0.2.1]:25: Connection timed out'),
      ),
      { status: 'failed', reason: 'recipient_unreachable' },
    ],
    [
      'Postfix, only late',
      report(
        'MAILER-DAEMON@mx.acme.test',
        'delayed',
        fields('delayed', '4.4.1', 'X-Postfix; connection timed out'),
      ),
      { status: 'other' },
    ],
    [
      'Exchange Online, no such person',
      report(
        'postmaster@acme.onmicrosoft.com',
        'Delivery has failed to these recipients or groups:',
        fields(
          'failed',
          '5.1.10',
          'smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ana@example.com not found by SMTP address lookup',
        ),
      ),
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    [
      'Exchange, a full mailbox',
      report(
        'postmaster@acme.onmicrosoft.com',
        'The mailbox is full',
        fields(
          'failed',
          '5.2.2',
          'smtp;554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException',
        ),
      ),
      { status: 'failed', reason: 'recipient_unreachable' },
    ],
    [
      'Exchange, refused by a rule',
      report(
        'postmaster@acme.test',
        'rejected',
        fields('failed', '5.7.1', 'smtp;550 5.7.1 TRANSPORT.RULES.RejectMessage'),
      ),
      { status: 'failed', reason: 'carrier_blocked' },
    ],
    [
      'Gmail, no such person',
      report(
        'Mail Delivery Subsystem <mailer-daemon@googlemail.com>',
        '** Address not found **',
        fields(
          'failed',
          '5.1.1',
          "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try\n 550-5.1.1 double-checking the recipient's email address for typos",
        ),
        { head: `To: ${to}\nX-Failed-Recipients: ana@example.com` },
      ),
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    [
      'Gmail, out of storage',
      report(
        'Mail Delivery Subsystem <mailer-daemon@googlemail.com>',
        'full',
        fields('failed', '5.2.2', "smtp; 552-5.2.2 The recipient's inbox is out of storage space."),
      ),
      { status: 'failed', reason: 'recipient_unreachable' },
    ],
    [
      'Exim with a report',
      report(
        'Mail Delivery System <Mailer-Daemon@mx.acme.test>',
        'A message that you sent could not be delivered to one or more of its recipients.',
        fields('failed', '5.0.0', 'smtp; 550 No such user here'),
        { head: `Delivered-To: ${to.toUpperCase()}\nX-Failed-Recipients: ana@example.com` },
      ),
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    [
      'a code that says nothing, and words about spam',
      report(
        'm@x.test',
        'no',
        fields('failed', '5.0.0', 'smtp; 550 Message blocked, user@example.com unknown reputation'),
      ),
      { status: 'failed', reason: 'carrier_blocked' },
    ],
    [
      'a code that says nothing, and words that say nothing',
      report('m@x.test', 'no', fields('failed', '5.0.0', 'smtp; 550 Requested action not taken')),
      { status: 'failed', reason: 'rejected' },
    ],
    [
      'a better code in the words',
      report('m@x.test', 'no', fields('failed', '5.0.0', 'smtp; 554 5.7.1 Service unavailable')),
      { status: 'failed', reason: 'carrier_blocked' },
    ],
    [
      'no status at all',
      report('m@x.test', 'no', fields('failed', '', 'smtp; 550 5.1.1 unknown')),
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    ['it has arrived', report('m@x.test', 'ok', fields('delivered', '2.0.0')), { status: 'delivered' }],
    ['it was passed on', report('m@x.test', 'ok', fields('relayed', '2.0.0')), { status: 'other' }],
    ['without any action', report('m@x.test', 'no', perMessage), { status: 'other' }],
    [
      'in UTF-8 (RFC 6533)',
      report('m@x.test', 'nein', fields('failed', '5.1.1', 'smtp; 550 5.1.1 unbekannt'), {
        type: 'message/global-delivery-status',
      }),
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    [
      'Exim as of old, without a report',
      `To: ${to}\nX-Failed-Recipients: ana@example.com\nAuto-Submitted: auto-replied\nFrom: Mailer-Daemon@mx.acme.test\nSubject: Mail delivery failed: returning message to sender\n\nThis message was created automatically by mail delivery software.\n\n  ana@example.com\n    SMTP error from remote mail server after RCPT TO:<ana@example.com>:\n    550 5.1.1 <ana@example.com>: Recipient address rejected`,
      { status: 'failed', reason: 'recipient_unknown' },
    ],
    [
      'a complaint (RFC 5965)',
      `To: ${to}\nFrom: fbl@isp.test\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: text/plain\n\nThis is an email abuse report\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n--b\nContent-Type: message/rfc822\n\nFrom: a@b.test\n\nHello\n--b--\n`,
      { status: 'complained' },
    ],
    [
      'out of office',
      `To: ${to}\nFrom: Ana <ana@example.com>\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nBack on Monday. 550 5.1.1 user unknown`,
      { status: 'other' },
    ],
    [
      'a person who answers',
      `To: ${to}\nFrom: ana@example.com\nSubject: Re: Hello\n\nThanks`,
      { status: 'other' },
    ],
  ])('%s', async (_, raw, wanted) => {
    const [receipt, ...more] = await read(raw);
    expect(more).toEqual([]);
    expect(receipt).toMatchObject({ deliveryId, ...wanted });
    expect(receipt?.reason).toBe(wanted.reason);
    expect(JSON.stringify(receipt?.answer)).not.toContain('ana@example.com');
  });

  it('the same report twice is the same event', async () => {
    const raw = report('m@x.test', 'no', fields('failed', '5.1.1'));
    const [[a], [b], [c]] = [await read(raw), await read(raw), await read(`${raw}\n`)];
    expect(a?.eventId).toBe(b?.eventId);
    expect(c?.eventId).not.toBe(a?.eventId);
  });

  it('what the envelope says counts where headers were rewritten', async () => {
    const raw = report('m@x.test', 'no', fields('failed', '5.1.1'), { head: 'To: someone@acme.test' });
    const [receipt] = await read(raw, { ...bearer, 'x-envelope-to': to });
    expect(receipt?.deliveryId).toBe(deliveryId);
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['no mail', '\0\u0001\u0002'],
    [
      'no return address of ours',
      report('m@x.test', 'no', fields('failed', '5.1.1'), { head: 'To: bounces@mail.acme.test' }),
    ],
    [
      'another signature',
      report('m@x.test', 'no', fields('failed', '5.1.1'), {
        head: `To: ${returnPathOf({ ...settings, bounceSecret: 'the secret of another' }, deliveryId)}`,
      }),
    ],
  ])('%s is unreadable, not guessed at', async (_, raw) => {
    await expect(read(raw)).rejects.toThrow(WebhookUnreadable);
  });

  it('only whoever knows the secret may bring one', async () => {
    const raw = report('m@x.test', 'no', fields('failed', '5.1.1'));
    const basic = Buffer.from(`forwarder:${settings.bounceSecret}`).toString('base64');
    expect(await read(raw, { authorization: `Basic ${basic}` })).toHaveLength(1);
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: settings.bounceSecret }])
      await expect(read(raw, headers as Record<string, string>)).rejects.toThrow(WebhookRefused);
    await expect(
      readBounce({ method: 'POST', url: '', headers: {}, rawBody: Buffer.from(raw) }, {}),
    ).rejects.toThrow(WebhookRefused);
  });
});

describe('return addresses', () => {
  it('name their mail in any case, and no other: every changed letter is refused', () => {
    const { bounceSecret } = settings;
    expect(to).toMatch(/^bounces\+[a-z2-7]{39}@mail\.acme\.test$/);
    expect(to.indexOf('@')).toBeLessThanOrEqual(64);
    expect(deliveryOfReturnPath(bounceSecret, to.toUpperCase())).toBe(deliveryId);
    const start = to.indexOf('+') + 1;
    // The last letter holds three bits of the signature and two that say nothing.
    for (let i = start; i < start + 38; i++) {
      const other = to[i] === 'a' ? 'b' : 'a';
      expect(deliveryOfReturnPath(bounceSecret, to.slice(0, i) + other + to.slice(i + 1))).toBeNull();
    }
    expect(returnPathOf({}, deliveryId)).toBeUndefined();
  });
});
