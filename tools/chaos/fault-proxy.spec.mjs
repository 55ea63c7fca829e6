/** Each way in which the proxy misbehaves, seen from both ends. */
import net from 'node:net';
import { eventually } from '@carillon/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { startFaultProxy } from './fault-proxy.mjs';

const closing = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that keeps what it hears and says it back. */
async function echo() {
  const heard = [];
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      heard.push(data.toString());
      socket.write(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: server.address().port, heard: () => heard.join('') };
}

async function through(fault, seed = 1) {
  const server = await echo();
  const proxy = await startFaultProxy({ target: { port: server.port }, seed });
  closing.unshift(() => proxy.close());
  proxy.set(fault);
  /** Says something; resolves with what came back until `enough` of it came, or the line broke. */
  const ask = (text, enough = text.length) =>
    new Promise((resolve) => {
      const socket = net.connect(proxy.port, '127.0.0.1', () => socket.write(text));
      let back = '';
      const end = (how) => {
        socket.destroy();
        resolve({ back, how });
      };
      socket.on('data', (data) => {
        back += data;
        if (back.length >= enough) end('answered');
      });
      socket.on('error', ({ code }) => end(code));
      socket.on('end', () => end('ended'));
    });
  return { ...server, proxy, ask };
}

describe('the fault proxy', () => {
  it('passes everything when it is told nothing', async () => {
    const { ask } = await through({});
    expect(await ask('hello')).toEqual({ back: 'hello', how: 'answered' });
  });

  it('delivers the pattern and cuts before the answer', async () => {
    const { ask, heard } = await through({ cutAfter: '\r\n.\r\n' });
    expect(await ask('body\r\n.\r\n')).toEqual({ back: '', how: 'ECONNRESET' });
    expect(heard()).toBe('body\r\n.\r\n');
  });

  it('delivers the pattern and falls silent, also when all is well for the others', async () => {
    const { ask, heard, proxy } = await through({ silentAfter: '\r\n.\r\n' });
    const silent = ask('body\r\n.\r\n');
    await eventually(() => heard() === 'body\r\n.\r\n');
    proxy.set({}, { spare: true });
    expect(await ask('hello')).toEqual({ back: 'hello', how: 'answered' });
    proxy.set({});
    expect(await silent).toEqual({ back: '', how: 'ECONNRESET' });
  });

  it('cuts before the pattern is delivered, and after so many bytes', async () => {
    const before = await through({ cutBefore: '\r\n.\r\n' });
    expect((await before.ask('body\r\n.\r\n')).how).toBe('ECONNRESET');
    expect(before.heard()).toBe('');
    const bytes = await through({ cutAfterBytes: 3 });
    expect((await bytes.ask('four')).how).toBe('ECONNRESET');
  });

  it('drips and delays, and keeps the order', async () => {
    const { ask } = await through({ dripBytes: 2, latencyMs: 20 });
    const started = performance.now();
    expect(await ask('abcdefgh')).toEqual({ back: 'abcdefgh', how: 'answered' });
    expect(performance.now() - started).toBeGreaterThan(100);
  });

  it('strikes the same connections for the same seed', async () => {
    const strike = async (seed) => {
      const { ask } = await through({ refuse: true, share: 0.5 }, seed);
      const hows = [];
      for (let n = 0; n < 12; n++) hows.push((await ask('x')).how);
      return hows.join();
    };
    const [once, again, other] = [await strike(7), await strike(7), await strike(8)];
    expect(again).toBe(once);
    expect(other).not.toBe(once);
    expect(once).toContain('answered');
    expect(once).toContain('ECONNRESET');
  });
});
