/**
 * Looks at what lies outside before many messages lead there: whether links answer, and whether DNS says that who sends is who
 * it says. Through the guarded way out, a few at a time, for seconds at most; what cannot be reached is said, and stops nothing.
 */
import { config } from '@carillon/config';
import { senderFaults } from '@carillon/delivery-rules';
import {
  AnswerTooLarge,
  createHttpOut,
  EgressRefused,
  hostsOfTenants,
  textRecords,
  type HttpOut,
} from '@carillon/http-out';
import { Turns } from '@carillon/server';
import { providerOf } from './account-settings.js';
import type { SendingAccount } from './sending-accounts.js';

const MOST_LINKS = 30;
const AT_ONCE = 10;
const DEADLINE_MS = 4_000;

/** What is wrong with which address, in half a sentence: “answered 404”. */
export interface DeadLink {
  href: string;
  why: string;
}

/** @returns null when none of them could be reached: then it is most likely this installation that cannot */
export async function deadLinks(hrefs: readonly string[]): Promise<DeadLink[] | null> {
  const asked = hrefs.slice(0, MOST_LINKS);
  const out = createHttpOut({
    ...hostsOfTenants(config().out.allowPrivateNetworks),
    deadlineMs: DEADLINE_MS,
    connections: 2,
  });
  try {
    const turns = new Turns(AT_ONCE);
    const faults = await Promise.all(asked.map((href) => turns.take(() => faultOf(out, href))));
    if (asked.length > 0 && faults.every((fault) => fault?.unreached)) return null;
    return asked.flatMap((href, i) => (faults[i] ? [{ href, why: faults[i].why }] : []));
  } finally {
    await out.close();
  }
}

async function faultOf(out: HttpOut, href: string): Promise<{ why: string; unreached: boolean } | null> {
  const headers = { 'user-agent': 'Carillon-Links/1', accept: '*/*' };
  try {
    const head = await out.request({ method: 'HEAD', url: href, headers });
    // Many servers answer only those who ask for the whole.
    const { status } = head.status < 400 ? head : await out.request({ method: 'GET', url: href, headers });
    // Who is told to sign in, or to come back later, has found the place.
    const there = status < 400 || [401, 403, 405, 429, 503].includes(status);
    return there ? null : { why: `answered ${status}`, unreached: false };
  } catch (error) {
    if (error instanceof AnswerTooLarge) return null;
    if (error instanceof EgressRefused) return { why: 'is not on the public internet', unreached: false };
    return { why: 'could not be reached', unreached: true };
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
