/**
 * In-app: the person's own feed in this installation. Storing is the arrival, so that what is accepted is delivered.
 * The store itself (database, counters, stream) is handed in as `context.inbox`.
 */
import {
  defineProvider,
  type Finding,
  type Missing,
  type Outcome,
  type Outgoing,
  type SendContext,
} from '@carillon/delivery-rules';
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

/** Our own table, and storing is one transaction: what is not there was never stored. */
async function lookup(batch: readonly Missing[], context: SendContext<Settings>): Promise<Finding[]> {
  const items = await context.inbox.find(batch.map(({ deliveryId }) => deliveryId));
  return batch.map(({ deliveryId }) => {
    const providerMessageId = items.get(deliveryId);
    return providerMessageId === undefined
      ? { kind: 'absent', answer: { message: 'There is no such item in the inbox.' } }
      : { kind: 'found', status: 'delivered', providerMessageId, answer: {} };
  });
}

export const inbox = defineProvider<RenderedInApp, Settings>({
  name: 'inbox',
  title: 'Carillon inbox',
  docs: '/docs',
  settings: Settings,
  send,
  lookup,
  test: async () => ({ ok: true, sentence: 'The inbox is part of this installation.' }),
});
