/** What the runtime hands to a provider: its settings, the guarded ways out, signed links, and a place for its clients. */
import type { HttpPort, InboxPort, NetPort, SendContext } from '@carillon/delivery-rules';
import { createHttpOut, type HttpOut } from '@carillon/http-out';
import { callbackLink, type Links } from './links.js';
import type { SendingAccount } from './sending-accounts.js';

export interface SendContextsOptions {
  links: Links;
  inboxFor(workspaceId: string): InboxPort;
  /** May an operator's endpoint be on loopback or a private network? */
  allowPrivateNetworks: boolean;
}

interface Way {
  http: HttpPort;
  net: NetPort;
  out: HttpOut;
}

export class SendContexts {
  readonly links: Links;
  private readonly kept = new Map<
    string,
    { value: unknown; close: (value: never) => void | Promise<void> }
  >();
  private readonly ways: Record<'operator' | 'untrusted', Way>;

  constructor(private readonly options: SendContextsOptions) {
    this.links = options.links;
    this.ways = {
      operator: wayOut('operator', options.allowPrivateNetworks),
      untrusted: wayOut('untrusted', false),
    };
  }

  for(account: SendingAccount, signal: AbortSignal): SendContext<unknown> {
    // An endpoint is the operator's word (regions, proxies, the sandbox); every other host is the tenant's.
    const way = this.ways[account.operatorEndpoint ? 'operator' : 'untrusted'];
    return {
      account: {
        id: account.id,
        revision: String(account.revision),
        workspaceId: account.workspaceId,
        name: account.name,
      },
      settings: account.settings,
      http: way.http,
      net: way.net,
      inbox: this.options.inboxFor(account.workspaceId),
      callbackUrl: (deliveryId) => callbackLink(this.links, account, deliveryId),
      signal,
      keep: (key, make, close) => this.keep(key, make, close),
    };
  }

  private keep<T>(key: string, make: () => T, close: (value: T) => void | Promise<void>): T {
    const found = this.kept.get(key);
    if (found) return found.value as T;
    const value = make();
    this.kept.set(key, { value, close: close as (value: never) => void | Promise<void> });
    return value;
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.kept.values()].map(async ({ value, close }) => close(value as never)));
    this.kept.clear();
    await Promise.all([this.ways.operator.out.close(), this.ways.untrusted.out.close()]);
  }
}

function wayOut(level: 'operator' | 'untrusted', allowPrivate: boolean): Way {
  const out = createHttpOut({ level, allowPrivate, connections: 100 });
  return {
    out,
    http: { request: (options) => out.request(options) },
    net: {
      connect: (options) => out.guardedSocket(options),
      agentFor: (url) => out.agentFor(url),
    },
  };
}
