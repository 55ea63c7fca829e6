/**
 * A TCP proxy that misbehaves on purpose, the same way for the same seed: late, dripping, silent, resetting, or cutting
 * after so many bytes or after a pattern. Stands between Carillon and a provider's stand-in. Node's own modules only.
 */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from './random.mjs';

/**
 * @typedef {object} Fault what happens to a connection; several may hold at once
 * @property {number} [share] of the connections that it happens to, 1 unless given
 * @property {number} [latencyMs] before each piece goes on
 * @property {number} [dripBytes] pieces of this size, one every 20 ms
 * @property {boolean} [blackhole] nothing goes on, in either direction, and nobody is told
 * @property {boolean} [refuse] reset at once
 * @property {number} [cutAfterBytes] reset once so many bytes came from the client
 * @property {string} [cutAfter] reset once this came from the client and went on: the server has it, the client never hears
 * @property {string} [silentAfter] the same, but nobody is told: nothing goes on any more, in either direction
 * @property {string} [cutBefore] the same, but the server never gets the piece with it
 */

/** @param {{ target: { port: number, host?: string }, seed: number }} options */
export async function startFaultProxy({ target, seed }) {
  const random = randomFrom(seed);
  const open = new Set();
  /** @type {Fault} */
  let fault = {};

  const server = net.createServer({ noDelay: true }, (client) => {
    const mine = random() < (fault.share ?? 1) ? fault : {};
    const upstream = net.connect({ port: target.port, host: target.host ?? '127.0.0.1', noDelay: true });
    const both = [client, upstream];
    const reset = () => both.forEach((socket) => socket.resetAndDestroy());
    for (const socket of both) {
      open.add(socket);
      socket.on('error', reset);
      socket.on('close', () => open.delete(socket));
    }
    if (mine.refuse) return reset();
    const line = { deaf: Boolean(mine.blackhole) };
    pump(client, upstream, mine, line, reset);
    pump(upstream, client, { latencyMs: mine.latencyMs, dripBytes: mine.dripBytes }, line, reset);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));

  return {
    port: server.address().port,
    /**
     * For connections from now on; those that are open are reset, so that pools meet it too.
     * @param {Fault} next
     * @param {{ spare?: boolean }} [how] `spare`: not those that are open
     */
    set(next, { spare = false } = {}) {
      fault = next;
      for (const socket of spare ? [] : open) socket.resetAndDestroy();
    },
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One direction. Pieces keep their order whatever each of them waits for. */
function pump(
  from,
  to,
  { latencyMs, dripBytes, cutAfterBytes, cutAfter, silentAfter, cutBefore },
  line,
  reset,
) {
  let passed = 0;
  let tail = '';
  let queue = Promise.resolve();
  from.on('data', (data) => {
    if (line.deaf) return;
    passed += data.length;
    const seen = tail + data.toString('latin1');
    tail = seen.slice(-64);
    if (cutBefore && seen.includes(cutBefore)) return reset();
    if (cutAfterBytes !== undefined && passed > cutAfterBytes) return reset();
    const last = cutAfter !== undefined && seen.includes(cutAfter);
    queue = queue.then(async () => {
      if (latencyMs) await sleep(latencyMs);
      for (let at = 0; at < data.length; at += dripBytes ?? data.length) {
        if (to.destroyed) return;
        to.write(data.subarray(at, at + (dripBytes ?? data.length)));
        if (dripBytes) await sleep(20);
      }
      // The other side needs a moment to read it and to act on it; its answer finds nobody.
      if (last) setTimeout(reset, 50);
    });
    line.deaf ||= last || (silentAfter !== undefined && seen.includes(silentAfter));
  });
  from.on('end', () => void queue.then(() => to.end()));
}
