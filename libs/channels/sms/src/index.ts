/** The SMS channel: one number per person, one text, receipts by webhook. Given to `runDispatcher` and the API. */
import { defineChannel } from '@carillon/delivery-rules';
import { twilio } from './providers/twilio.js';
import { render, type RenderedSms } from './render.js';

export type { RenderedSms } from './render.js';

export const smsChannel = defineChannel<RenderedSms>({
  channel: 'sms',
  addresses: ({ phone }) => (phone ? [{ address: phone }] : []),
  render,
  show: (sms) => ({ channel: 'sms', sms }),
  providers: [twilio],
  retry: { attempts: 40, windowMs: 6 * 3_600_000, backoffMs: 5_000, maxBackoffMs: 1_800_000 },
  batchSize: 100,
});
