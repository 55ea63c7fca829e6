/** Below HTTP: what ports are open, and what somebody meets there who does not speak as he should. For e2e specs. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

export interface Slow {
  socket: Socket;
  begun: string;
  /** What the API said before it hung up. */
  said: Promise<string>;
}
/** Somebody who begins and does not come to an end. */
export function slowSender(port: number, begun: string): Slow {
  const socket = connect(port, '127.0.0.1', () => socket.write(begun));
  let said = '';
  socket.on('data', (chunk: Buffer) => (said += chunk.toString('latin1')));
  // A reset is one way of being let go.
  socket.on('error', () => undefined);
  return { socket, begun, said: new Promise((resolve) => socket.on('close', () => resolve(said))) };
}

/** Says `text` to a port as it is, and gives all that comes back. */
export function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

export function reachable(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2_000 }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
    socket.on('timeout', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

/** TCP ports that a process and all it has started listen on; undefined where the system does not tell (no /proc). */
export function listening(pid: number): number[] | undefined {
  if (!existsSync('/proc/net/tcp')) return undefined;
  const statOf = (one: string) => {
    try {
      return readFileSync(`/proc/${one}/stat`, 'utf8').replace(/.*\) /s, '').split(' ');
    } catch {
      return []; // It ended while we looked.
    }
  };
  const parents = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => [name, statOf(name)[1] ?? '0']),
  );
  const isOurs = (one: string): boolean =>
    one === String(pid) || (parents.has(one) && isOurs(parents.get(one) ?? ''));
  const sockets = new Set(
    [...parents.keys()].filter(isOurs).flatMap((one) => {
      try {
        return readdirSync(`/proc/${one}/fd`).map((fd) => readlinkSync(`/proc/${one}/fd/${fd}`));
      } catch {
        return [];
      }
    }),
  );
  return ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync).flatMap((file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, ...rest]) => state === '0A' && sockets.has(`socket:[${rest[5]}]`))
      .map(([, local]) => parseInt(local?.split(':')[1] ?? '', 16)),
  );
}
