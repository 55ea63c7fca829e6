/** One call of a provider, whatever it does: the outcomes of a sub-batch, as values. Knows no rows. */
import type { Channel, Outcome, Outgoing, Provider } from '@carillon/delivery-rules';
import type { SendContexts, SendingAccount } from '@carillon/delivery-service';
import type { LoggerService } from '@nestjs/common';
import { setMaxListeners } from 'node:events';

/** How long a batch may be at its provider. */
const PATIENCE_MS = 120_000;

/** One outcome per message, in the order given. */
export async function callProvider(
  channel: Channel,
  contexts: SendContexts,
  account: SendingAccount,
  outgoing: readonly Outgoing<unknown>[],
  signal: AbortSignal,
  log: Pick<LoggerService, 'error'>,
): Promise<Outcome[]> {
  const provider = channel.providers.find((p: Provider) => p.name === account.provider);
  if (!provider)
    return outgoing.map(() => ({
      kind: 'misconfigured',
      answer: { message: `this installation has no provider ${account.provider}` },
    }));
  // What has no answer by then is unknown; SMTP alone would wait ten minutes for its final dot.
  const patience = patienceFor(signal, PATIENCE_MS);
  try {
    const outcomes = await provider.send(outgoing, contexts.for(account, patience.signal));
    return outgoing.map((_, i) => outcomes[i] ?? unknown('the provider gave no outcome'));
  } catch (error) {
    // Providers report outcomes as values. A throw is a bug, and bytes may have left.
    log.error(`provider ${account.provider} threw`, error instanceof Error ? error.stack : undefined);
    return outgoing.map(() => unknown('the provider code failed'));
  } finally {
    patience.end();
  }
}

/**
 * A signal that is given when another one is, or after a time, until it is ended. Node's own (`any` of it and a `timeout`) lives
 * until its time is over, whoever has had an answer long before: at a thousand calls a second, two minutes of them.
 */
export function patienceFor(signal: AbortSignal, ms: number): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  // Every message of a batch may listen, and every batch to what stops it; neither is a leak.
  setMaxListeners(0, controller.signal, signal);
  const stop = () => controller.abort(signal.reason);
  const timer = setTimeout(
    () => controller.abort(new DOMException(`no answer in ${ms} ms`, 'TimeoutError')),
    ms,
  );
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return {
    signal: controller.signal,
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    },
  };
}

const unknown = (message: string): Outcome => ({ kind: 'unknown', answer: { message } });
