/** A line to PostgreSQL that can be cut, as by a restart of it, or of the network. */
import { once } from 'node:events';
import net from 'node:net';

export interface Line {
  /** Leads to the same database. */
  url: string;
  /** Ends all connections, and each new one, until it is mended. @returns how many were turned away since */
  cut(): { turnedAway: () => number };
  /** The next answer is lost, and with it its connection: what was asked has been done. */
  loseAnswer(): void;
  /** What is open now stays so, and hears nothing any more. New connections pass. */
  silence(): void;
  mend(): void;
  close(): Promise<void>;
}

export async function lineTo(url: string): Promise<Line> {
  const { hostname, port } = new URL(url);
  const open = new Set<net.Socket>();
  const silent = new WeakSet<net.Socket>();
  let state: 'whole' | 'cut' | 'losing' = 'whole';
  let turnedAway = 0;
  const server = net.createServer((near) => {
    near.on('error', () => undefined);
    if (state === 'cut') {
      turnedAway += 1;
      near.destroy();
      return;
    }
    const far = net.connect(Number(port), hostname);
    far.on('error', () => near.destroy());
    far.on('close', () => near.destroy());
    near.on('close', () => (far.destroy(), open.delete(near)));
    near.pipe(far);
    far.on('data', (answer) => {
      if (state === 'losing') {
        state = 'whole';
        near.destroy();
      } else if (!silent.has(near)) near.write(answer);
    });
    open.add(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = () => {
    for (const near of open) near.destroy();
  };
  const through = new URL(url);
  through.host = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  return {
    url: through.href,
    cut: () => {
      state = 'cut';
      const before = turnedAway;
      end();
      return { turnedAway: () => turnedAway - before };
    },
    loseAnswer: () => (state = 'losing'),
    silence: () => {
      for (const near of open) silent.add(near);
    },
    mend: () => (state = 'whole'),
    close: async () => {
      end();
      server.close();
      await once(server, 'close');
    },
  };
}
