/**
 * The process in which templates run, which others wrote. Started by render-process.ts, and killed by it at any moment:
 * so it does nothing but render, keeps nothing but compiled templates, and has no environment, hence no secrets.
 */
import type { Channel as ChannelName, ContentByChannel } from '@carillon/contracts';
import type { RenderInput, RenderResult } from '@carillon/delivery-rules';
import { channelShapes } from './channels.js';

/** What it is sent. */
export interface RenderOrder {
  channel: ChannelName;
  inputs: readonly RenderInput[];
}
/** What it sends, per message and in order, after a first `ready`. A bug is told, not thrown. */
export type RenderAnswer = RenderResult<unknown> | { bug: string };

// Ctrl-C reaches the whole group of processes; somebody may still wait for what is being rendered.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (order: RenderOrder) => void answerEach(order));
warmUp();
await send('ready');

async function answerEach({ channel, inputs }: RenderOrder): Promise<void> {
  // Each answer has left before the next message is begun: the first without one is the one that did not end.
  for (const input of inputs) await send(answer(channel, input));
}

function answer(channel: ChannelName, input: RenderInput): RenderAnswer {
  try {
    return channelShapes[channel].render(input);
  } catch (error) {
    return { bug: error instanceof Error ? (error.stack ?? error.message) : typeof error };
  }
}

/** Resolves when the system has it: from then on it arrives, even if this process dies. */
function send(message: RenderAnswer | 'ready'): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
}

/** Lets the code that renders be loaded and compiled before somebody waits for it. */
function warmUp(): void {
  const text =
    'Hi {{ profile.name | default: "you" }}, {% for n in list %}{{ n | currency: "EUR" }}{% endfor %}';
  const html = `<html><body><p>${text}</p><a href="{{ unsubscribe_url }}">{{ "now" | date }}</a></body></html>`;
  const said = { title: text, body: text };
  const content: ContentByChannel = {
    email: { subject: text, html },
    sms: said,
    push: said,
    'in-app': said,
  };
  const nobody = {
    profileId: null,
    externalId: null,
    email: null,
    phone: null,
    locale: null,
    timezone: null,
  };
  for (let n = 0; n < 10; n++) {
    for (const channel of Object.values(channelShapes)) {
      channel.render({
        content,
        data: { list: [n, 2, 3] },
        recipient: { ...nobody, attributes: {}, devices: [] },
        messageClass: 'marketing',
        replyTo: null,
        attachments: [],
        cacheKey: `warm-up ${n}`,
        unsubscribeUrl: 'https://unsubscribe.invalid/',
      });
    }
  }
}
