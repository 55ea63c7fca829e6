/** The in-app channel: the feed of a profile in this installation. Given to `runDispatcher` and the API. */
import { defineChannel } from '@carillon/delivery-rules';
import { inbox } from './providers/inbox.js';
import { render, type RenderedInApp } from './render.js';

export type { RenderedInApp } from './render.js';

export const inAppChannel = defineChannel<RenderedInApp>({
  channel: 'in-app',
  addresses: ({ profileId }) => (profileId ? [{ address: profileId }] : []),
  render,
  show: ({ title, body, url, imageUrl }) => ({ channel: 'in-app', 'in-app': { title, body, url, imageUrl } }),
  providers: [inbox],
  retry: { attempts: 40, windowMs: 24 * 3_600_000, backoffMs: 500, maxBackoffMs: 7_200_000 },
  batchSize: 250,
});
