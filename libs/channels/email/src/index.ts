/** The email channel: one mailbox per person, HTML and text, attachments. Given to `runDispatcher` and the API. */
import { defineChannel } from '@carillon/delivery-rules';
import { log } from './providers/log.js';
import { smtp } from './providers/smtp.js';
import { render, type RenderedEmail } from './render.js';

export { returnPathOf } from './providers/bounces.js';
export { needsConversion, type RenderedEmail } from './render.js';

export const emailChannel = defineChannel<RenderedEmail>({
  channel: 'email',
  addresses: ({ email }) => (email ? [{ address: email }] : []),
  render,
  show: ({ from, subject, html, text }, to) => ({
    channel: 'email',
    email: { from, to, subject, html: html === null ? null : String(html), text: String(text) },
  }),
  providers: [smtp, log],
  // RFC 5321 section 4.5.4.1 asks for half hours and days; a person who waits for a code asks for seconds.
  retry: { attempts: 40, windowMs: 48 * 3_600_000, backoffMs: 5_000, maxBackoffMs: 14_400_000 },
  batchSize: 100,
});
