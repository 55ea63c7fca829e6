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
  try {
    // What has no answer by then is unknown; SMTP alone would wait ten minutes for its final dot.
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    // Every message of the batch may listen to it; that is no leak.
    setMaxListeners(0, patience);
    const outcomes = await provider.send(outgoing, contexts.for(account, patience));
    return outgoing.map((_, i) => outcomes[i] ?? unknown('the provider gave no outcome'));
  } catch (error) {
    // Providers report outcomes as values. A throw is a bug, and bytes may have left.
    log.error(`provider ${account.provider} threw`, error instanceof Error ? error.stack : undefined);
    return outgoing.map(() => unknown('the provider code failed'));
  }
}

const unknown = (message: string): Outcome => ({ kind: 'unknown', answer: { message } });
