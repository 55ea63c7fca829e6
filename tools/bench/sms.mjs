/**
 * `npm run bench -- sms`: one HTTP call per message through the twilio client with our transport, beside the raw HTTP
 * floor of the same run: the provider alone in this process, and from batches accepted at once to recorded answers.
 */
import pg from 'pg';
import {
  costCells,
  costHead,
  httpFloor,
  machine,
  measure,
  pointAccount,
  round,
  startPart,
  table,
  untilSent,
} from './harness.mjs';

const ALONE = 20_000;
const BATCHES = 30;

export default async function sms({ url, apiKey, ownerUrl, pids, setting }) {
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  const sink = await startPart('sink');
  const load = await startPart('load', { url, apiKey });
  try {
    console.log(`${setting}; ${machine()}; generator, sink and database on the same machine\n`);
    await pointAccount(owner, 'sms', sink.ready.url);
    const rows = [['SMS', 'messages/s', ...costHead]];
    await httpFloor(sink.ready.url, 2000);
    const http = (await httpFloor(sink.ready.url)).valueOf();
    const send = await twilioAlone(sink.ready.url);
    await send(2000);
    const alone = await measure({ owner, processes: { client: process.pid, sink: sink.pid } }, () =>
      send(ALONE),
    );
    const burst = async (batches) => {
      const { rows: times } = await owner.query('SELECT now() AS now');
      const { accepted, refused, firstRefusal } = await load.ask({ clients: 4, batches, channel: 'sms' });
      if (refused > 0) throw new Error(`${refused} refused: ${firstRefusal}`);
      await untilSent(owner, 'sms', times[0].now, accepted);
      return accepted;
    };
    await burst(6);
    const whole = await measure({ owner, processes: { ...pids, generator: load.pid, sink: sink.pid } }, () =>
      burst(BATCHES),
    );
    rows.push(['floor: undici to the sink, 16 connections', round(http), '', '', '', '']);
    rows.push(['twilio client alone, lists of 100', round(alone.perSecond), ...costCells(alone)]);
    rows.push([
      'accepted in batches of 500, to recorded answers',
      round(whole.perSecond),
      ...costCells(whole),
    ]);
    table(rows);
    console.log(
      `\nof the floor: client alone ${(alone.perSecond / http).toFixed(2)}, whole path ${(whole.perSecond / http).toFixed(2)}`,
    );
  } finally {
    await load.stop();
    await sink.stop();
    await owner.end();
  }
}

/** The provider as the dispatcher calls it, four lists of 100 side by side. */
async function twilioAlone(endpoint) {
  const { smsChannel } = await import('../../libs/channels/sms/dist/index.js');
  const { createHttpOut } = await import('../../libs/http-out/dist/index.js');
  const provider = smsChannel.providers.find(({ name }) => name === 'twilio');
  const out = createHttpOut({ level: 'operator', allowPrivate: true, connections: 100 });
  const kept = new Map();
  const settings = { endpoint, accountSid: `AC${'0'.repeat(31)}1`, authToken: 'token', from: '+15017122661' };
  const context = {
    account: { id: 'bench', revision: '1', workspaceId: 'bench', name: 'bench' },
    settings,
    http: out,
    callbackUrl: (id) => `https://carillon.example.com/v1/webhooks/sms/twilio/bench?delivery=${id}`,
    signal: new AbortController().signal,
    keep: (key, make) => kept.get(key) ?? kept.set(key, make()).get(key),
  };
  const list = Array.from({ length: 100 }, (_, n) => ({
    deliveryId: `d${n}`,
    attemptId: `d${n}`,
    address: '+15005550170',
    messageClass: 'transactional',
    rendered: { body: `Order ${n} is on its way.`, segments: 1 },
  }));
  return async (count) => {
    let left = count / 100;
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (left-- > 0) {
          const outcomes = await provider.send(list, context);
          const bad = outcomes.find(({ kind }) => kind !== 'accepted');
          if (bad) throw new Error(JSON.stringify(bad));
        }
      }),
    );
    return count;
  };
}
