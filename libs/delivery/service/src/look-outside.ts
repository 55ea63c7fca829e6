/**
 * Looks at what lies outside before many messages lead there: whether links answer, and whether DNS says that who sends is who
 * it says. Through the guarded way out, a few at a time, for seconds at most. What is certain is told from what may be otherwise for
 * others, or later.
 */
import { config } from '@carillon/config';
import { senderFaults } from '@carillon/delivery-rules';
import {
  AnswerTooLarge,
  ConnectionFailed,
  createHttpOut,
  EgressRefused,
  hostsOfTenants,
  textRecords,
  type HttpOut,
  type Resolver,
} from '@carillon/http-out';
import { Turns } from '@carillon/server';
import net from 'node:net';
import { providerOf } from './account-settings.js';
import type { SendingAccount } from './sending-accounts.js';

const MOST_LINKS = 30;
const AT_ONCE = 10;
const DEADLINE_MS = 4_000;

/** What is wrong with which address, in half a sentence: “answered 404”. */
export interface DeadLink {
  href: string;
  why: string;
  /** It leads nowhere, for everybody: there is no such page or host. */
  certain: boolean;
}

/** What following them came to. */
export interface Followed {
  dead: DeadLink[];
  /** None of them could be reached: it is most likely this installation that cannot. No other fault is told then. */
  none: boolean;
  /** Hosts that were not found by their name, where none could be reached. */
  notFound: string[];
  /** How many were not followed, because there are too many. */
  left: number;
}

export async function followLinks(hrefs: readonly string[], resolve?: Resolver): Promise<Followed> {
  const asked = hrefs.slice(0, MOST_LINKS);
  const out = createHttpOut({
    ...hostsOfTenants(config().out.allowPrivateNetworks),
    deadlineMs: DEADLINE_MS,
    connections: 2,
    ...(resolve && { resolve }),
  });
  try {
    const turns = new Turns(AT_ONCE);
    const faults = await Promise.all(asked.map((href) => turns.take(() => faultOf(out, href))));
    const reached = (fault: Fault | null | undefined) =>
      fault?.is !== 'unreached' && fault?.is !== 'no_such_host';
    const left = hrefs.length - asked.length;
    if (asked.length > 0 && !faults.some(reached)) {
      const hosts = asked
        .filter((_, i) => faults[i]?.is === 'no_such_host')
        .map((href) => new URL(href).host);
      return { dead: [], none: true, notFound: [...new Set(hosts)], left };
    }
    // Where a host was found by its name, names are found from here: one that was not is written wrong.
    const named = asked.some((href, i) => hasName(href) && reached(faults[i]));
    const dead = asked.flatMap((href, i) => {
      const fault = faults[i];
      if (!fault) return [];
      const certain = fault.is === 'gone' || (fault.is === 'no_such_host' && named);
      const why = fault.is === 'no_such_host' && !certain ? UNREACHED : fault.why;
      return [{ href, why, certain }];
    });
    return { dead, none: false, notFound: [], left };
  } finally {
    await out.close();
  }
}

/** What may be otherwise for others, or later. */
const DOUBTS: Record<number, string> = {
  401: ': it is shown to who signs in',
  403: ': it may be shown to people all the same, or to some of them',
  429: ': it is asked too often at this moment',
  503: ': it is away at this moment',
};
/** Pages that are not there, and will not be by themselves. */
const GONE = [404, 410];
const hasName = (href: string): boolean => {
  const host = URL.canParse(href) ? new URL(href).hostname : '';
  return host.includes('.') && net.isIP(host) === 0;
};

interface Fault {
  why: string;
  is: 'gone' | 'doubtful' | 'unreached' | 'no_such_host';
}
const UNREACHED = 'could not be reached';

async function faultOf(out: HttpOut, href: string): Promise<Fault | null> {
  const headers = { 'user-agent': 'Carillon-Links/1', accept: '*/*' };
  try {
    const head = await out.request({ method: 'HEAD', url: href, headers });
    // Many servers answer only those who ask for the whole.
    const { status } = head.status < 400 ? head : await out.request({ method: 'GET', url: href, headers });
    if (status < 400 || status === 405) return null;
    const why = `answered ${status}${DOUBTS[status] ?? ''}`;
    return { why, is: GONE.includes(status) ? 'gone' : 'doubtful' };
  } catch (error) {
    if (error instanceof AnswerTooLarge) return null;
    if (error instanceof EgressRefused) return { why: 'is not on the public internet', is: 'doubtful' };
    return error instanceof ConnectionFailed && error.code === 'ENOTFOUND'
      ? { why: 'names a host that does not exist', is: 'no_such_host' }
      : { why: UNREACHED, is: 'unreached' };
  }
}

/** Faults of those who would send, by the name of their account. */
export async function senderFaultsOf(
  accounts: readonly SendingAccount[],
  ask: typeof textRecords = textRecords,
): Promise<{ level: 'error' | 'warning'; message: string }[]> {
  const senders = new Map(
    accounts.flatMap((account) => {
      const sender = providerOf(account.channel, account.provider)?.sender?.(account.settings);
      return sender ? [[JSON.stringify(sender), sender] as const] : [];
    }),
  );
  const judged = [...senders.values()].map(async (sender) => {
    const above = sender.domain.split('.').slice(1).join('.');
    const [spf, dmarc, aboveDmarc, dkim] = await Promise.all([
      ask(sender.domain),
      ask(`_dmarc.${sender.domain}`),
      above.includes('.') ? ask(`_dmarc.${above}`) : [],
      sender.dkim ? ask(sender.dkim.name) : null,
    ]);
    return senderFaults(sender, {
      spf,
      dkim,
      dmarc: dmarc && aboveDmarc ? [...dmarc, ...aboveDmarc] : null,
    });
  });
  return (await Promise.all(judged)).flat();
}
