/**
 * Node agents behind the guard, for clients that bring their own HTTP (firebase-admin and other users of node:http).
 * Their requests get the guard and pooling, but not our deadlines and body caps: those stay the client's business.
 */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { EgressRefused } from './errors.js';
import type { Guard } from './guard.js';

type Connected = (error: Error | null, socket?: net.Socket) => void;
type Dial = (options: Dialled, done: Connected) => net.Socket | undefined;
type Dialled = net.TcpNetConnectOpts & tls.ConnectionOptions & { socketPath?: string | null };

/** A pooling agent for the protocol of `url`; it may be used for any host the guard lets through. */
export function guardedAgent(protocol: string, guard: Guard): http.Agent {
  const agent =
    protocol === 'https:' ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
  const plain = agent as unknown as { createConnection: Dial };
  const dial = plain.createConnection.bind(agent);
  plain.createConnection = (options, done) => {
    const refused = options.socketPath
      ? new EgressRefused('scheme', 'Local sockets are not reachable from here.')
      : guard.refusal(options.host ?? '', Number(options.port));
    if (refused) {
      done(refused);
      return undefined;
    }
    return dial({ ...options, lookup: guard.lookup }, done);
  };
  return agent;
}

/**
 * An agent for `https:` requests whose connections all go to `endpoint`, whichever host the client names: how a client
 * with a fixed host is pointed at a proxy or at the sandbox. An `http:` endpoint gets plain bytes. Its path is ignored.
 */
export function agentTo(endpoint: URL, guard: Guard): https.Agent {
  const agent = new https.Agent({ keepAlive: true });
  const secure = endpoint.protocol === 'https:';
  const host = endpoint.hostname.replace(/^\[|\]$/g, '');
  const port = Number(endpoint.port || (secure ? 443 : 80));
  (agent as unknown as { createConnection: Dial }).createConnection = (_options, done) => {
    const refused = guard.refusal(host, port);
    if (refused) {
      done(refused);
      return undefined;
    }
    return dial({ host, port, tls: secure, guard });
  };
  return agent;
}

/** Starts a connection through the guard's lookup. The caller has asked `guard.refusal` and handles the events. */
export function dial(to: { host: string; port: number; tls: boolean; guard: Guard }): net.Socket {
  const { host, port, guard } = to;
  if (!to.tls) return net.connect({ host, port, lookup: guard.lookup });
  // A server name must not be an address (RFC 6066 section 3).
  return tls.connect({ host, port, lookup: guard.lookup, servername: net.isIP(host) ? '' : host });
}
