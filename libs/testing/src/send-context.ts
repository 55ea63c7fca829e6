/**
 * What a dispatcher hands to a provider, made for a test: the real way out (loopback allowed), an inbox that keeps its
 * items in memory. Nothing here pretends to be a provider's client. Called by `describeProvider` and provider specs.
 */
import { createHttpOut } from '@carillon/http-out';
import type { InboxPort, SendContext } from '@carillon/delivery-rules';

export interface TestContext<Settings> {
  context: SendContext<Settings>;
  /** What `context.inbox` has stored. */
  inbox: Parameters<InboxPort['store']>[0][number][];
  /** As the runtime does at shutdown: closes what the provider kept, then all connections. */
  close(): Promise<void>;
}

let accounts = 0;
export function sendContext<Settings>(
  settings: Settings,
  parts: { signal?: AbortSignal; callbackUrl?: (deliveryId: string) => string | null } = {},
): TestContext<Settings> {
  const out = createHttpOut({ level: 'operator', allowPrivate: true });
  const kept = new Map<string, { value: unknown; close: (value: never) => void | Promise<void> }>();
  const inbox: TestContext<Settings>['inbox'] = [];
  const context: SendContext<Settings> = {
    account: { id: `account-${++accounts}`, revision: '1', workspaceId: 'workspace', name: 'Test' },
    settings,
    http: { request: (request) => out.request(request as Parameters<typeof out.request>[0]) },
    net: { connect: (to) => out.guardedSocket(to), agentFor: (url) => out.agentFor(url) },
    inbox: {
      store: async (items) =>
        items.map((item) => {
          const i = inbox.findIndex(({ deliveryId }) => deliveryId === item.deliveryId);
          return `item-${i === -1 ? inbox.push(item) : i + 1}`;
        }),
      find: async (deliveryIds) =>
        new Map(
          inbox.flatMap(({ deliveryId }, i): [string, string][] =>
            deliveryIds.includes(deliveryId) ? [[deliveryId, `item-${i + 1}`]] : [],
          ),
        ),
    },
    callbackUrl: parts.callbackUrl ?? (() => null),
    signal: parts.signal ?? new AbortController().signal,
    keep<T>(key: string, make: () => T, close: (value: T) => void | Promise<void>): T {
      const known = kept.get(key);
      if (known) return known.value as T;
      const value = make();
      kept.set(key, { value, close });
      return value;
    },
  };
  return {
    context,
    inbox,
    async close() {
      for (const { value, close } of kept.values()) await close(value as never);
      await out.close();
    },
  };
}
