/**
 * A dispatcher for email and SMS and a clock in a process of its own, with providers that exist here alone: for email one that
 * accepts everything and sends nothing (what the product itself costs), for SMS one HTTP call per message. Asked anything, tells its memory; asked `{ profile }`,
 * begins a CPU profile, to be left in that folder; asked `{ profiled }`, ends it under that name; asked `{ texts }`, accepts so many one by one.
 */
import { startProfile } from '../harness.mjs';

const lib = (name) => import(`../../../libs/${name}/dist/index.js`);
const { startWorker } = await lib('server');
const { DispatcherModule } = await lib('delivery/dispatcher');
const { Acceptance, channelShapes } = await lib('delivery/service');
const { SchedulingModule } = await lib('scheduling/service');
const { z } = await import('zod');

let bytes = 0;
const sink = {
  name: 'sink',
  title: 'Sink',
  docs: '/docs',
  settings: z.object({}),
  async send(batch) {
    for (const { rendered } of batch) bytes += rendered.html.length;
    return batch.map(({ deliveryId }) => ({ kind: 'accepted', providerMessageId: deliveryId, answer: {} }));
  },
};
/** As thin as a provider can be: a POST of JSON through the guarded way out, and the id from the answer. */
const bareHttp = {
  name: 'bare-http',
  title: 'Bare HTTP',
  docs: '/docs',
  settings: z.object({ endpoint: z.string() }),
  send: (batch, { http, settings }) =>
    Promise.all(
      batch.map(async ({ address, deliveryId, rendered }) => {
        const { status, body } = await http.request({
          method: 'POST',
          url: settings.endpoint,
          headers: { 'content-type': 'application/json', authorization: 'Bearer token' },
          body: JSON.stringify({ to: address, from: '+15017122661', text: rendered.body, id: deliveryId }),
        });
        if (status !== 201) return { kind: 'rejected', reason: 'rejected', answer: { code: status } };
        return {
          kind: 'accepted',
          providerMessageId: JSON.parse(body.toString()).sid,
          answer: { code: status },
        };
      }),
    ),
};
const { app } = await startWorker({
  name: 'bench',
  services: ['dispatcher-email', 'dispatcher-sms', 'scheduling'],
  modules: [
    DispatcherModule.forChannels([
      { ...channelShapes.email, providers: [sink] },
      { ...channelShapes.sms, providers: [bareHttp] },
    ]),
    SchedulingModule,
  ],
});
let endProfile = async () => {};
/** A transactional text each twentieth of a second, as a login code is asked for. */
async function sendTexts(workspaceId, count) {
  const acceptance = app.get(Acceptance, { strict: false });
  for (let n = 0; n < count; n++) {
    const message = {
      to: { phone: `+1500555${String(n % 10_000).padStart(4, '0')}` },
      channels: ['sms'],
      class: 'transactional',
      content: { sms: { body: 'Your code is 123456.' } },
    };
    const result = await acceptance.accept(workspaceId, { message, idempotencyKey: null });
    if (!result.ok) throw new Error(result.detail);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
process.on('message', async ({ profile, profiled, texts, workspaceId }) => {
  if (texts) await sendTexts(workspaceId, texts);
  if (profile) endProfile = await startProfile(profile);
  if (profiled) await endProfile(profiled);
  process.send({ answer: { rss: process.memoryUsage().rss, bytes } });
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
