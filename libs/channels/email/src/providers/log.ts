/**
 * Email that goes nowhere: one line on standard output per message, which tells sizes and never who or what. For
 * development without a mail server, load tests of everything before it, and a rehearsal on real data.
 */
import { textBytes } from '@carillon/content';
import { defineProvider, type Outcome, type Outgoing } from '@carillon/delivery-rules';
import { z } from 'zod';
import type { RenderedEmail } from '../render.js';

const Settings = z.object({});
type Settings = z.infer<typeof Settings>;

function lineOf({ deliveryId, messageClass, rendered }: Outgoing<RenderedEmail>): string {
  return JSON.stringify({
    provider: 'log',
    deliveryId,
    class: messageClass,
    htmlBytes: textBytes(rendered.html ?? ''),
    textBytes: textBytes(rendered.text),
    attachments: rendered.attachments.length,
  });
}

async function send(batch: readonly Outgoing<RenderedEmail>[]): Promise<Outcome[]> {
  return batch.map((message) => {
    console.info(lineOf(message));
    return { kind: 'accepted', providerMessageId: message.deliveryId, answer: {} };
  });
}

export const log = defineProvider<RenderedEmail, Settings>({
  name: 'log',
  title: 'Log (sends nothing)',
  docs: '/docs',
  settings: Settings,
  send,
  test: async () => ({ ok: true, sentence: 'There is nothing to sign in to.' }),
});
