/** UUIDv7 (RFC 9562 §5.7): time-ordered ids whose first 48 bits are the planned time, so that an id tells its day partition. */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(16 * 256);
let used = pool.length;
let lastMs = 0;
let counter = 0;

/**
 * A new id. `at` is the planned time (default now). Ids made in one process for the same millisecond rise: a 12-bit
 * counter stands in `rand_a` (RFC 9562 §6.2, method 1), and runs on into the next millisecond when it is full.
 */
export function newId(at?: Date): string {
  if (used >= pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, (used += 16));
  let ms = at ? at.getTime() : Date.now();
  if (!at) {
    if (ms <= lastMs) {
      ms = lastMs;
      counter += 1;
      if (counter > 0xfff) {
        counter = 0;
        ms += 1;
      }
    } else {
      counter = (bytes[6]! << 2) & 0x3ff; // starts low, so that there is room to rise
    }
    lastMs = ms;
    bytes[6] = 0x70 | (counter >> 8);
    bytes[7] = counter & 0xff;
  } else {
    bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  }
  bytes.writeUIntBE(ms, 0, 6);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The time inside a UUIDv7. */
export const timeOf = (id: string): Date => new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
/** The UTC day partition of an id, as `YYYY-MM-DD`. An id that is no UUIDv7 gives a day that has no partition. */
export const dayOf = (id: string): string => {
  const time = timeOf(id);
  // Year 10889 is as far as 48 bits reach; PostgreSQL dates go further, ISO strings do not.
  return time.getUTCFullYear() > 9999 ? '9999-12-31' : time.toISOString().slice(0, 10);
};

/**
 * The first id of a series: 2^32 ids of one planned time that lie side by side. Nothing else gets an id inside it, since
 * what tells series apart is 42 random bits beside the time, and the series' own row is stored under its first id.
 */
export const newSeries = (at: Date): string => idInSeries(newId(at), 0);

/** The id at a place of a series, given any id of it. Making it again gives the same id. */
export const idInSeries = (series: string, place: number): string =>
  series.slice(0, 28) + place.toString(16).padStart(8, '0');

/** The place of an id in its series. */
export const placeInSeries = (id: string): number => Number.parseInt(id.slice(28), 16);
