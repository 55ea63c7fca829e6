/**
 * In-app: the person's own feed in this installation. Storing is the arrival, so that what is accepted is delivered.
 * The store itself (database, counters, stream) is handed in as `context.inbox`.
 */
import { defineProvider, type Outcome, type Outgoing, type SendContext } from '@carillon/delivery-rules';
import { z } from 'zod';
import type { RenderedInApp } from '../render.js';

const Settings = z.object({});
type Settings = z.infer<typeof Settings>;

async function send(
  batch: readonly Outgoing<RenderedInApp>[],
  context: SendContext<Settings>,
): Promise<Outcome[]> {
  const ids = await context.inbox.store(
    batch.map(({ deliveryId, address, rendered }) => ({ deliveryId, profileId: address, ...rendered })),
  );
  // Idempotent by delivery id: a lost answer is asked for again and gives the same item.
  return batch.map((_message, i) => ({
    kind: 'accepted',
    delivered: true,
    providerMessageId: ids[i] ?? null,
    answer: {},
  }));
}

export const inbox = defineProvider<RenderedInApp, Settings>({
  name: 'inbox',
  title: 'Carillon inbox',
  docs: '/docs',
  settings: Settings,
  send,
  test: async () => ({ ok: true, sentence: 'The inbox is part of this installation.' }),
});
