/**
 * The filters of our Liquid: the standard ones minus those that evaluate strings, roll dice or do cryptography, plus
 * dates, times, numbers and money in the reader's own locale and time zone. Called by engine.ts only.
 */
import { filters as standard, type Context, type Liquid } from 'liquidjs';

/** What liquidjs binds a filter to. */
export interface Impl {
  context: Context;
}
type Handler = (this: Impl, value: unknown, ...args: unknown[]) => unknown;

/**
 * Left out: the `_exp` filters parse their argument as a template at render time, out of sight of limits and analysis;
 * `sample` makes rendering unrepeatable; the rest would invite people to build signatures in templates.
 */
const LEFT_OUT =
  /_exp$|^(sample|shuffle|sha256|hmac_sha256|base64_encode|base64_decode|inspect|jsonify|date_to_)/;

const DATE_STYLES = {
  short: { dateStyle: 'short' },
  medium: { dateStyle: 'medium' },
  long: { dateStyle: 'long' },
  full: { dateStyle: 'full' },
  time: { timeStyle: 'short' },
  datetime: { dateStyle: 'long', timeStyle: 'short' },
} as const satisfies Record<string, Intl.DateTimeFormatOptions>;

/** Registers our filters on an engine, and removes what has no place in a message. */
export function registerFilters(liquid: Liquid, html: boolean): void {
  for (const name of Object.keys(standard)) if (LEFT_OUT.test(name)) liquid.unregisterFilter(name);
  liquid.registerFilter('date', date);
  liquid.registerFilter('time', function (this: Impl, value: unknown, zone?: unknown) {
    return date.call(this, value, 'time', zone);
  });
  liquid.registerFilter('number', number);
  liquid.registerFilter('currency', currency);
  // Printed as it is, yet counted: otherwise a captured text could double itself without limit.
  liquid.registerFilter('raw', { raw: true, handler: counted });
  if (!html) return;
  // These make HTML that is already safe: as the last filter they must not be escaped a second time.
  for (const name of ['escape', 'escape_once', 'xml_escape']) {
    liquid.registerFilter(name, {
      raw: true,
      handler: standard[name === 'escape_once' ? name : 'escape'] as unknown as Handler,
    });
  }
  liquid.registerFilter('newline_to_br', {
    raw: true,
    handler(this: Impl, value: unknown) {
      const escaped = String((standard.escape as unknown as Handler).call(this, value));
      return escaped.replace(/\r?\n/g, '<br />\n');
    },
  });
}

/** Charges a value's length to the memory limit of this rendering. */
export function counted(this: Impl, value: unknown): unknown {
  this.context.memoryLimit.use(typeof value === 'string' ? value.length : 16);
  return value;
}

/**
 * `{{ at | date }}`, `{{ at | date: "short" }}`, `{{ at | date: "%d.%m.%Y" }}`, each with an optional zone after it.
 * Instants (numbers in seconds, ISO 8601 with an offset) are shown in the reader's zone. Plain dates and times without
 * an offset are shown as they are: a birthday must not move because its reader lives further west.
 */
function date(this: Impl, value: unknown, format?: unknown, zone?: unknown): unknown {
  const { opts } = this.context;
  const read = readDate(value, () => this.context.getRegister('now') as Date);
  if (!read) return value;
  const timeZone = read.plain ? 'UTC' : String(zone ?? opts.timezoneOffset);
  const name = String(format ?? 'long');
  if (name.includes('%')) {
    this.context.memoryLimit.use(name.length * 8);
    return (standard.date as unknown as Handler).call(this, read.at, name, timeZone);
  }
  if (!Object.hasOwn(DATE_STYLES, name)) {
    throw new FilterMisuse(
      `The date filter knows ${Object.keys(DATE_STYLES).join(', ')} and patterns such as %d.%m.%Y.`,
    );
  }
  const style = DATE_STYLES[name as keyof typeof DATE_STYLES];
  return formatter(`d ${opts.locale} ${timeZone} ${name}`, () =>
    Intl.DateTimeFormat(opts.locale, { ...style, timeZone }),
  ).format(read.at);
}

/** `{{ n | number }}` or `{{ n | number: 2 }}` for a fixed count of decimals. What is not a number passes unchanged. */
function number(this: Impl, value: unknown, decimals?: unknown): unknown {
  const n = readNumber(value);
  if (n === undefined) return value;
  const { locale } = this.context.opts;
  const digits = readNumber(decimals);
  const options =
    digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return formatter(`n ${locale} ${digits}`, () => Intl.NumberFormat(locale, options)).format(n);
}

/** `{{ total | currency: "EUR" }}`, code by ISO 4217. */
function currency(this: Impl, value: unknown, code?: unknown): unknown {
  const n = readNumber(value);
  if (n === undefined) return value;
  if (typeof code !== 'string' || !/^[A-Za-z]{3}$/.test(code)) {
    throw new FilterMisuse('The currency filter wants a three letter code, for example | currency: "EUR".');
  }
  const { locale } = this.context.opts;
  return formatter(`c ${locale} ${code}`, () =>
    Intl.NumberFormat(locale, { style: 'currency', currency: code }),
  ).format(n);
}

/** A filter was used wrongly; engine.ts turns it into a TemplateError with its place. */
export class FilterMisuse extends Error {}

/** Making an Intl formatter takes some 30 µs, using it less than one. Bounded, since templates choose the keys. */
const formatters = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

function formatter<F extends Intl.DateTimeFormat | Intl.NumberFormat>(key: string, make: () => F): F {
  const known = formatters.get(key) as F | undefined;
  if (known) return known;
  if (formatters.size >= 500) formatters.clear();
  let made: F;
  try {
    made = make();
  } catch (error) {
    // A zone, a locale or a count of decimals that Intl does not know.
    throw new FilterMisuse(`Intl refuses this format: ${(error as Error).message}.`, { cause: error });
  }
  formatters.set(key, made);
  return made;
}

const PLAIN_DATE = /^\d{4}-\d\d-\d\d$/;
const PLAIN_TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?$/;

function readDate(value: unknown, now: () => Date): { at: Date; plain: boolean } | undefined {
  let at: Date;
  let plain = false;
  if (value === 'now' || value === 'today') at = now();
  else if (value instanceof Date) at = value;
  else if (typeof value === 'number') at = new Date(value * 1000);
  else if (typeof value !== 'string') return undefined;
  else if (/^\d+$/.test(value)) at = new Date(Number(value) * 1000);
  else if (PLAIN_DATE.test(value) || PLAIN_TIME.test(value)) {
    at = new Date(`${value.length > 10 ? value.replace(' ', 'T') : `${value}T00:00`}Z`);
    plain = true;
  } else at = new Date(value);
  return Number.isNaN(at.getTime()) ? undefined : { at, plain };
}

function readNumber(value: unknown): number | undefined {
  const n =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() ? Number(value) : NaN;
  return Number.isFinite(n) ? n : undefined;
}
