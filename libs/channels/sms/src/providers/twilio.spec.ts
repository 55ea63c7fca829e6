import { describe } from '@jest/globals';
import { twilioSignature } from '@carillon/sandbox';
import { describeProvider } from '@carillon/testing';
import { twilio } from './twilio.js';

const accountSid = 'AC0123456789abcdef0123456789abcdef';
const authToken = '0123456789abcdef0123456789abcdef';

describe('twilio', () => {
  describeProvider(twilio, {
    channel: 'sms',
    settings: ({ url }) => ({ accountSid, authToken, from: '+15017122661', endpoint: url }),
    wrongCredentials: ({ url }) => ({ accountSid, authToken: 'wrong', from: '+15017122661', endpoint: url }),
    rendered: { body: 'Your parcel has left Rotterdam', encoding: 'GSM-7', segments: 1 },
    // Numbers of https://www.twilio.com/docs/iam/test-credentials, and the sandbox's own beside them.
    addresses: {
      accepted: ['+447700900123', '+33612345678'],
      refused: { to: '+15005550001', reason: 'recipient_unknown' },
      deferred: '+15005550153',
      rateLimited: { to: '+15005550129', retryAfterMs: 2000 },
      resetAfter: '+15005550162',
      silent: '+15005550161',
    },
    webhook: {
      signatureHeader: 'x-twilio-signature',
      receipts: [
        { to: '+447700900123', receipts: [{ status: 'sent' }, { status: 'delivered' }] },
        {
          to: '+15005550105',
          receipts: [{ status: 'sent' }, { status: 'failed', reason: 'recipient_unknown' }],
        },
        {
          to: '+15005550107',
          receipts: [{ status: 'sent' }, { status: 'failed', reason: 'carrier_blocked' }],
        },
      ],
      strange(_settings, url) {
        const fields = { MessageSid: 'SM1', MessageStatus: 'teleported', AccountSid: accountSid };
        return {
          method: 'POST',
          url,
          headers: { 'x-twilio-signature': twilioSignature(authToken, url, fields) },
          rawBody: Buffer.from(new URLSearchParams(fields).toString()),
        };
      },
    },
  });
});
