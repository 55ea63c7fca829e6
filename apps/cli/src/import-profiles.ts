/**
 * Sends the rows of a profiles file in batches and joins what the file, the reader and the API say about bad rows.
 * Used by `profiles import` and by the demo; prints nothing itself.
 */
import {
  type Carillon,
  ConnectionError,
  RateLimitedProblem,
  ServerProblem,
  TimeoutError,
} from '@carillon/sdk';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BadRow, type GoodRow, isBad, type ProfilesFile } from './profiles-csv.js';

export interface Imported {
  rows: number;
  created: number;
  updated: number;
  bad: BadRow[];
}

/**
 * @param onProgress after every batch: rows so far, bad ones included
 * @param dryRun judges without sending
 */
export async function importProfiles(
  carillon: Pick<Carillon, 'profiles'> | undefined,
  file: ProfilesFile,
  options: { batch: number; signal: AbortSignal; onProgress?: (soFar: Imported) => void },
): Promise<Imported> {
  const soFar: Imported = { rows: 0, created: 0, updated: 0, bad: [] };
  let waiting: GoodRow[] = [];
  const flush = async () => {
    const batch = waiting;
    waiting = [];
    if (carillon && batch.length) await sendBatch(carillon, batch, soFar, options.signal);
    options.onProgress?.(soFar);
  };
  for await (const row of file.rows) {
    options.signal.throwIfAborted();
    soFar.rows += 1;
    if (isBad(row)) soFar.bad.push(row);
    else waiting.push(row);
    if (waiting.length >= options.batch) await flush();
  }
  await flush();
  soFar.bad.sort((a, b) => a.line - b.line);
  return soFar;
}

async function sendBatch(
  { profiles }: Pick<Carillon, 'profiles'>,
  batch: readonly GoodRow[],
  soFar: Imported,
  signal: AbortSignal,
): Promise<void> {
  const result = await patiently(signal, () =>
    profiles.bulkUpsert(
      batch.map((row) => row.profile),
      { signal },
    ),
  );
  soFar.created += result.created;
  soFar.updated += result.updated;
  for (const { index, outcome, errors } of result.results) {
    const row = batch[index];
    if (outcome !== 'failed' || !row) continue;
    const reasons = (errors ?? []).map(({ pointer, message }) => `${fieldOf(pointer)}${message}`);
    soFar.bad.push({ line: row.line, cells: row.cells, reason: reasons.join(' ') || 'the API refused it' });
  }
}

/** `/email` or `/profiles/3/email` → `email: `. */
function fieldOf(pointer: string): string {
  const field = pointer
    .replace(/^\/profiles\/\d+/, '')
    .replace(/^\//, '')
    .replaceAll('/', '.');
  return field ? `${field}: ` : '';
}

/** Upserting the same rows twice changes nothing, so the import may wait and go on where a general POST may not. */
async function patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const mayPass =
        error instanceof RateLimitedProblem ||
        error instanceof ConnectionError ||
        error instanceof TimeoutError ||
        (error instanceof ServerProblem && error.status === 503);
      if (!mayPass || tries >= 6) throw error;
      const asked = error instanceof RateLimitedProblem ? error.retryAfterMs : 250 * 2 ** tries;
      await sleep(asked, undefined, { signal });
    }
  }
}
