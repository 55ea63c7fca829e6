/** The push channel: one attempt per device of the person, addressed by its token. Given to `runDispatcher` and the API. */
import { defineChannel } from '@carillon/delivery-rules';
import { fcm } from './providers/fcm.js';
import { render, type RenderedPush } from './render.js';

export type { RenderedPush } from './render.js';

export const pushChannel = defineChannel<RenderedPush>({
  channel: 'push',
  addresses: ({ devices }) => devices.map(({ id, token }) => ({ address: token, attemptId: id })),
  render,
  show: ({ title, body, url, imageUrl }) => ({ channel: 'push', push: { title, body, url, imageUrl } }),
  providers: [fcm],
  retry: { attempts: 40, windowMs: 6 * 3_600_000, backoffMs: 2_000, maxBackoffMs: 1_800_000 },
  batchSize: 100,
});
