/**
 * The guard against server-side request forgery: decides at connect time, on the very addresses that will be dialled.
 * A name is resolved once, every answer is checked, and the connection goes to a checked answer: there is no moment
 * between check and use in which a rebinding name server could change its mind. Addresses written as literals never
 * reach a lookup in Node, hence `refusal` beside `lookup`.
 * Not a URL filter: string checks on host names are what attackers get around. Called by every way out of this library.
 */
import { lookup as dnsLookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { EgressRefused } from './errors.js';

/** Resolves a host name to all its addresses. The default asks the operating system, hosts file included. */
export type Resolver = (hostname: string, family: 0 | 4 | 6) => Promise<LookupAddress[]>;

/** Who chose the host, and therefore how far it is trusted. */
export interface EgressPolicy {
  /**
   * `untrusted`: chosen by a tenant or by a request (webhooks, SMTP hosts, push endpoints): public addresses, known ports.
   * `operator`: chosen by whoever runs Carillon (provider endpoints, proxies, the sandbox): any port.
   */
  level: 'untrusted' | 'operator';
  /** Loopback and private networks too; honoured at level `operator` only. Metadata services stay out of reach. */
  allowPrivate: boolean;
  /** Ports open to level `untrusted`. */
  ports: readonly number[];
  resolve: Resolver;
}

/**
 * For hosts that tenants choose, as webhooks and links are. Only where the installation allows private networks do its tenants run
 * it, too.
 */
export const hostsOfTenants = (allowPrivate: boolean): Pick<EgressPolicy, 'level' | 'allowPrivate'> => ({
  level: allowPrivate ? 'operator' : 'untrusted',
  allowPrivate,
});

export interface Guard {
  /** What is wrong with a host (name or literal) and port, before any name is resolved. */
  refusal(host: string, port: number): EgressRefused | undefined;
  /** A drop-in for `dns.lookup` in `net.connect`, `tls.connect` and agents; fails with EgressRefused. */
  lookup: LookupFunction;
}

/** Ranges that a private installation may open: they hold its own machines. */
const PRIVATE_RANGES = new Set(['loopback', 'private', 'uniqueLocal', 'carrierGradeNat']);

/**
 * Instance metadata services that live outside the link-local range, one per cloud: they hand out credentials, so no
 * policy opens them. Sources: AWS IMDS over IPv6, Google over IPv6, Alibaba, Azure's wire server.
 */
const METADATA = new Set(
  ['fd00:ec2::254', 'fd20:ce::254', '100.100.100.200', '168.63.129.16'].map((a) =>
    ipaddr.parse(a).toString(),
  ),
);

/**
 * The reason an address may not be dialled, in a word or two, or undefined when it may.
 * Everything that is not plain public unicast is refused, which covers forms that embed an IPv4 address
 * (::ffff:0:0/96, NAT64, 6to4, Teredo) without having to unwrap them.
 * @param address a textual IPv4 or IPv6 address, zone index allowed
 */
export function refusedAddress(address: string, allowPrivate: boolean): string | undefined {
  if (!ipaddr.isValid(address)) return 'unreadable';
  const parsed = ipaddr.parse(address);
  if (METADATA.has(parsed.toString())) return 'metadata service';
  const range = parsed.range();
  if (allowPrivate && PRIVATE_RANGES.has(range)) return undefined;
  if (range !== 'unicast') return range;
  // 2000::/3 is all that is handed out as global unicast (RFC 4291, IANA registry); `range()` calls ::7f00:1 unicast too.
  if (parsed instanceof ipaddr.IPv6 && (parsed.parts[0] ?? 0) >> 13 !== 1) return 'reserved';
  return undefined;
}

/** Builds the guard for a policy. */
export function createGuard(policy: EgressPolicy): Guard {
  const allowPrivate = policy.level === 'operator' && policy.allowPrivate;

  const refuseAddress = (address: string): EgressRefused | undefined => {
    const range = refusedAddress(address, allowPrivate);
    return range === undefined
      ? undefined
      : new EgressRefused('address', `The host is not on the public internet (${range}).`);
  };

  return {
    refusal(host, port) {
      if (policy.level === 'untrusted' && !policy.ports.includes(port)) {
        return new EgressRefused(
          'port',
          `Port ${port} is not allowed. Use one of ${policy.ports.join(', ')}.`,
        );
      }
      if (isIP(host)) return refuseAddress(host);
      // RFC 6761 section 6.3: these names are loopback, whatever a resolver says.
      return allowPrivate || !/(^|\.)localhost\.?$/i.test(host) ? undefined : refuseAddress('127.0.0.1');
    },

    lookup(hostname, options, callback) {
      const family = { 4: 4, IPv4: 4, 6: 6, IPv6: 6 }[options.family ?? 0] ?? 0;
      policy.resolve(hostname, family as 0 | 4 | 6).then(
        (addresses) => {
          // One bad answer spoils all: a name that mixes public and internal addresses is an attack or a mistake.
          for (const { address } of addresses) {
            const refused = refuseAddress(address);
            if (refused) return callback(refused, '', 0);
          }
          const [first] = addresses;
          if (!first) {
            return callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '', 0);
          }
          if (options.all) callback(null, addresses);
          else callback(null, first.address, first.family);
        },
        (error: NodeJS.ErrnoException) => callback(error, '', 0),
      );
    },
  };
}

export const systemResolver: Resolver = (hostname, family) => dnsLookup(hostname, { all: true, family });
