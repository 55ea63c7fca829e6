/**
 * A CSV of a million people through the front door, against the floor of the same run: COPY of the same people, already
 * cut and judged, into a table with the same columns and indexes. `npm run bench -- import [rows]`.
 */
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { costCells, costHead, machine, measure as watch, round, sleep, table } from './harness.mjs';

/** @param {number} n @returns the people of the file, in pieces of text */
function* people(n) {
  const zones = ['Europe/London', 'Europe/Paris', 'America/New_York', 'Asia/Tokyo', 'Europe/Berlin'];
  const locales = ['en-GB', 'fr-FR', 'en-US', 'ja', 'de'];
  for (let i = 0, piece = 'id,email,phone,locale,timezone,First name,Last name,plan,age,city\n'; i < n;) {
    const k = (i * 2654435761) % 4294967296;
    piece += `c-${i},person.${i}@mail${k % 500}.example.com,+44770${String(9000000 + (i % 1000000)).slice(0, 7)},${locales[k % 5]},${zones[k % 5]},Ada${k % 1000},"Love${k % 97}, lace",${k % 3 ? 'free' : 'pro'},${18 + (k % 60)},City ${k % 400}\n`;
    if (++i % 5000 === 0 || i === n) {
      yield piece;
      piece = '';
    }
  }
}

/** Peak of resident memory since the process began, in MB. */
const peakOf = (pid) =>
  Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

export default async function measure({ url, apiKey, ownerUrl, pids, more, setting }) {
  const rows = Number(more[0] ?? 1_000_000);
  console.log(`\n${round(rows)} people; ${setting}; ${machine()}\n`);
  const ask = async (method, at, body, type = 'application/json') => {
    const answer = await fetch(`${url}${at}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, ...(body ? { 'content-type': type } : {}) },
      body,
    });
    if (!answer.ok) throw new Error(`${method} ${at}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };

  const memory = () => Math.max(...Object.values(pids ?? {}).map(peakOf));
  const atFirst = memory();
  const made = await ask('POST', '/v1/imports', JSON.stringify({ name: 'people.csv' }));
  const began = performance.now();
  let [no, bytes, rest] = [0, 0, ''];
  const put = (part) => ask('PUT', `/v1/imports/${made.id}/parts/${no++}`, part, 'text/csv');
  for (const piece of people(rows)) {
    rest += piece;
    if (rest.length > 400_000) {
      bytes += rest.length;
      await put(rest);
      rest = '';
    }
  }
  if (rest) await put(rest);
  const uploaded = performance.now();
  const afterUpload = memory();
  const owner = new pg.Client({ connectionString: ownerUrl });
  await owner.connect();
  let shown;
  const cost = await watch({ owner, processes: pids }, async () => {
    await ask('POST', `/v1/imports/${made.id}/start`);
    do {
      await sleep(500);
      shown = await ask('GET', `/v1/imports/${made.id}`);
      process.stderr.write(
        `\r${round(shown.rows)} rows, ${round(shown.rate ?? 0)}/s, ${shown.etaSeconds ?? '…'} s left   `,
      );
    } while (['queued', 'running'].includes(shown.state));
    return rows;
  });
  await owner.end();
  process.stderr.write('\n');
  if (shown.state !== 'done') throw new Error(`${shown.state}: ${shown.problem}`);
  const seconds = (new Date(shown.finishedAt) - new Date(shown.startedAt)) / 1000;
  const most = memory();

  const floor = await copyFloor(ownerUrl, rows);
  const again = await secondTime(ask, rows);
  table([
    ['', 'rows/s', 'of COPY', 'seconds', ...costHead.map((name) => name.replace('message', 'row'))],
    ['COPY into the same indexes', round(rows / floor), '1.00', floor.toFixed(1), '', '', '', ''],
    [
      'import, all people new',
      round(rows / seconds),
      (floor / seconds).toFixed(2),
      seconds.toFixed(1),
      ...costCells(cost),
    ],
    [
      'import of what is known',
      round(again.rows / again.seconds),
      '',
      again.seconds.toFixed(1),
      '',
      '',
      '',
      '',
    ],
  ]);
  console.log(
    `\nupload ${round(bytes / 1e6)} MB in ${((uploaded - began) / 1000).toFixed(1)} s; most resident memory of the process: before ${round(atFirst)}, uploaded ${round(afterUpload)}, in the end ${round(most)} MB; created ${round(shown.created)}, failed ${round(shown.failed)}`,
  );
}

/** @returns seconds */
async function copyFloor(ownerUrl, rows) {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query(`CREATE TABLE floor (LIKE profiles INCLUDING ALL)`);
    const names =
      'id, workspace_id, external_id, email, email_original, phone, phone_original, locale, timezone, phone_zone, attributes';
    const file = path.join('/tmp', `carillon-floor-${process.pid}.csv`);
    await client.query(
      `COPY (SELECT ${names} FROM profiles ORDER BY created_at, id LIMIT ${rows}) TO '${file}' WITH (FORMAT csv)`,
    );
    const began = performance.now();
    await client.query(`COPY floor (${names}) FROM '${file}' WITH (FORMAT csv)`);
    const took = (performance.now() - began) / 1000;
    fs.rmSync(file, { force: true });
    await client.query('DROP TABLE floor');
    return took;
  } finally {
    await client.end();
  }
}

/** A tenth of the same file once more: everybody is there and says the same. */
async function secondTime(ask, rows) {
  const some = Math.ceil(rows / 10);
  const made = await ask('POST', '/v1/imports', JSON.stringify({ name: 'again.csv' }));
  let no = 0;
  for (const piece of people(some))
    await ask('PUT', `/v1/imports/${made.id}/parts/${no++}`, piece, 'text/csv');
  await ask('POST', `/v1/imports/${made.id}/start`);
  let shown;
  do {
    await sleep(200);
    shown = await ask('GET', `/v1/imports/${made.id}`);
  } while (['queued', 'running'].includes(shown.state));
  if (shown.unchanged !== some) throw new Error(`of ${some} known people ${shown.unchanged} were unchanged`);
  return { rows: some, seconds: (new Date(shown.finishedAt) - new Date(shown.startedAt)) / 1000 };
}
