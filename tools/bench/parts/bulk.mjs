/**
 * A dispatcher for email and a clock in a process of its own, with a provider that accepts everything and sends nothing:
 * what the product itself costs. The provider exists here alone. Asked anything, tells its memory; asked `{ profile }`,
 * begins a CPU profile, to be left in that folder; asked `{ profiled }`, ends it under that name.
 */
import { startProfile } from '../harness.mjs';

const lib = (name) => import(`../../../libs/${name}/dist/index.js`);
const { startWorker } = await lib('server');
const { DispatcherModule } = await lib('delivery/dispatcher');
const { channelShapes } = await lib('delivery/service');
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
await startWorker({
  name: 'bench',
  services: ['dispatcher-email', 'scheduling'],
  modules: [DispatcherModule.forChannels([{ ...channelShapes.email, providers: [sink] }]), SchedulingModule],
});
let endProfile = async () => {};
process.on('message', async ({ profile, profiled }) => {
  if (profile) endProfile = await startProfile(profile);
  if (profiled) await endProfile(profiled);
  process.send({ answer: { rss: process.memoryUsage().rss, bytes } });
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
