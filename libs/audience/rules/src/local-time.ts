/** Days and moments in somebody's zone, as PostgreSQL reads them: a local time that is skipped is read with the offset before, one that comes twice as the later. Pure. */

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-u-ca-iso8601', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, format);
  }
  return format;
}

/** What a clock on the wall shows, as milliseconds of a UTC that showed the same. */
export function wallClock(at: number, zone: string): number {
  if (!(at >= WHOLE_MINUTES_SINCE)) return shownAt(at, zone);
  const minute = Math.floor(at / MINUTE);
  const kept = offsets.get(zone)?.get(minute);
  return at + (kept ?? keepOffset(minute, zone));
}

/**
 * Asking Intl costs more than most rules, and many people of one zone are asked about one minute: what was found is kept. By the
 * minute, because zones have changed their clocks at 00:01; seconds were last seen in Monrovia, on 7 January 1972.
 */
const offsets = new Map<string, Map<number, number>>();
const WHOLE_MINUTES_SINCE = Date.UTC(1973, 0, 1);
const MINUTE = 60_000;
const MOST_OFFSETS = 50_000;
let keptOffsets = 0;

function keepOffset(minute: number, zone: string): number {
  if (++keptOffsets > MOST_OFFSETS) {
    offsets.clear();
    keptOffsets = 1;
  }
  const offset = shownAt(minute * MINUTE, zone) - minute * MINUTE;
  let own = offsets.get(zone);
  if (!own) offsets.set(zone, (own = new Map()));
  own.set(minute, offset);
  return offset;
}

function shownAt(at: number, zone: string): number {
  const seconds = Math.floor(at / 1000) * 1000;
  const parts = Object.fromEntries(
    formatOf(zone)
      .formatToParts(seconds)
      .map(({ type, value }) => [type, Number(value)]),
  ) as Record<string, number>;
  const shown = new Date(0);
  shown.setUTCFullYear(parts['year'] ?? 1970, (parts['month'] ?? 1) - 1, parts['day'] ?? 1);
  shown.setUTCHours(parts['hour'] ?? 0, parts['minute'] ?? 0, parts['second'] ?? 0);
  return shown.getTime() + (at - seconds);
}

const DAY = 86_400_000;
const iso = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
const utcMidnight = (date: string): number => Date.parse(`${date}T00:00:00Z`);

/** The calendar day (YYYY-MM-DD) of a moment. */
export const localDay = (at: Date, zone: string): string => iso(wallClock(at.getTime(), zone));

/** The day so many days after another. */
export const dayAfter = (date: string, days: number): string => iso(utcMidnight(date) + days * DAY);

/** When a day begins. */
export function startOfDay(date: string, zone: string): Date {
  const local = utcMidnight(date);
  const offset = (at: number): number => wallClock(at, zone) - at;
  const [before, after] = [local - offset(local - DAY), local - offset(local + DAY)];
  const fits = (at: number): boolean => wallClock(at, zone) === local;
  return new Date(fits(after) ? after : before);
}

/** A date of the calendar in a text, or nothing. */
export function dateIn(text: string): string | undefined {
  const date = /^(\d{4}-\d{2}-\d{2})$/.exec(text)?.[1];
  if (!date || date.startsWith('0000')) return undefined;
  const ms = utcMidnight(date);
  return !Number.isNaN(ms) && iso(ms) === date ? date : undefined;
}

/** A moment in a text: a time with an offset, or a date, which begins in the person's zone. */
export function momentIn(text: string, zone: string): Date | undefined {
  const date = dateIn(text);
  if (date) return startOfDay(date, zone);
  const time =
    /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(0\d|1[0-5]):?([0-5]\d))$/.exec(
      text,
    );
  const day = time?.[1] === undefined ? undefined : dateIn(time[1]);
  if (!time || !day) return undefined;
  const n = (i: number): number => Number(time[i] ?? 0);
  const fraction = Number((time[5] ?? '').padEnd(3, '0').slice(0, 3));
  const offset = (time[6] === '-' ? -1 : 1) * (n(7) * 60 + n(8)) * 60_000;
  return new Date(utcMidnight(day) + ((n(2) * 60 + n(3)) * 60 + n(4)) * 1000 + fraction - offset);
}

/** The calendar day that a text names or whose moment it tells. */
export function dayIn(text: string, zone: string): string | undefined {
  const date = dateIn(text);
  if (date) return date;
  const moment = momentIn(text, zone);
  return moment && localDay(moment, zone);
}

/** Whether a day is an anniversary of another; 29 February has its on the 28th when there is no 29th. */
export function isAnniversary(of: string, day: string): boolean {
  if (of.slice(5) === day.slice(5)) return true;
  return (
    of.slice(5) === '02-29' && day.slice(5) === '02-28' && dateIn(`${day.slice(0, 4)}-02-29`) === undefined
  );
}
