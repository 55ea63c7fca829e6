/**
 * What the CLI writes and how: colours, tables that fit the window, a progress bar, times. Colour only on a terminal
 * and never with NO_COLOR; nothing is cut when the output goes to a file or a pipe. Knows nothing of the API.
 */
import type { Channel, Status } from '@carillon/contracts';
import { Presets, SingleBar } from 'cli-progress';
import stringWidth from 'string-width';

export type Env = Readonly<Record<string, string | undefined>>;
/** The part of a stream that is needed; process.stdout fits. */
export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;
export type Style = keyof typeof codes;

export interface Column {
  title: string;
  align?: 'right';
  /**
   * What happens when the window is narrow: cut with …, or broken into lines. Others stay whole: an id that is cut is of
   * no use.
   */
  narrow?: 'cut' | 'break';
}
/** A cell is text, or text with a style. */
export type Cell = string | { text: string; style: Style };

export class Terminal {
  readonly #out: Output;
  readonly #err: Output;
  readonly #colour: boolean;

  constructor(out: Output, err: Output, env: Env) {
    this.#out = out;
    this.#err = err;
    // https://no-color.org: present and not empty, whatever its value.
    this.#colour =
      !env['NO_COLOR'] && env['TERM'] !== 'dumb' && (Boolean(env['FORCE_COLOR']) || out.isTTY === true);
  }

  get interactive(): boolean {
    return this.#out.isTTY === true && this.#err.isTTY === true;
  }

  /** Columns of the window; a pipe has room for everything. */
  get width(): number {
    return this.#out.isTTY ? (this.#out.columns ?? 80) : Infinity;
  }

  say(line = ''): void {
    this.#out.write(`${line}\n`);
  }

  /** As it is, for what is not made of lines. */
  write(text: string): void {
    this.#out.write(text);
  }

  /** For what went wrong and for asides, so that a pipe carries only results. */
  complain(line: string): void {
    this.#err.write(`${line}\n`);
  }

  style(style: Style, text: string): string {
    const [on, off] = codes[style];
    return this.#colour && text !== '' ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  }

  json(value: unknown): void {
    this.say(JSON.stringify(value, null, this.#out.isTTY ? 2 : 0));
  }

  /** Rows under titles; the columns that may be narrow share what the window lacks. */
  table(columns: readonly Column[], rows: readonly (readonly Cell[])[], indent = ''): void {
    const text = (cell: Cell | undefined) => printable(typeof cell === 'object' ? cell.text : (cell ?? ''));
    const wanted = columns.map((column, i) =>
      Math.max(stringWidth(column.title), ...rows.map((row) => stringWidth(text(row[i])))),
    );
    const widths = narrowed(columns, wanted, this.width - 2 * (columns.length - 1) - indent.length);
    const write = (cells: readonly Cell[]) => {
      const broken = columns.map(({ narrow }, i) => {
        const width = widths[i] ?? 0;
        return narrow === 'break' ? lines(text(cells[i]), width) : [fit(text(cells[i]), width)];
      });
      for (let n = 0; n < Math.max(...broken.map(({ length }) => length)); n += 1) {
        const line = columns.map(({ align }, i) => {
          const part = broken[i]?.[n] ?? '';
          const cell = cells[i];
          const styled = typeof cell === 'object' ? this.style(cell.style, part) : part;
          const padding = ' '.repeat(Math.max(0, (widths[i] ?? 0) - stringWidth(part)));
          return align === 'right' ? padding + styled : styled + padding;
        });
        this.say((indent + line.join('  ')).replace(/ +$/, ''));
      }
    };
    write(columns.map(({ title }) => ({ text: title, style: 'dim' })));
    rows.forEach(write);
  }

  /** Breaks sentences to the width of the window; lines after the first begin with `indent`. */
  wrap(text: string, indent = ''): string {
    const width = Math.max(20 + indent.length, Math.min(this.width, 100));
    return text
      .split('\n')
      .flatMap((paragraph) => lines(paragraph, width, indent))
      .join('\n');
  }

  /** Names and values, aligned. Empty values are left out. */
  facts(pairs: readonly (readonly [string, Cell | null | undefined])[], indent = '  '): void {
    const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
    const width = Math.max(...shown.map(([name]) => name.length));
    for (const [name, value] of shown) {
      const { text, style } =
        typeof value === 'object' && value !== null ? value : { text: value ?? '', style: undefined };
      const room = Math.max(20, this.width - indent.length - width - 2);
      for (const [n, line] of lines(printable(text), room).entries())
        this.say(
          `${indent}${this.style('dim', (n ? '' : name).padEnd(width))}  ${style ? this.style(style, line) : line}`,
        );
    }
  }

  /**
   * A bar with rate and time left. Without a terminal: silent, the caller prints the result.
   * @param what the unit that is counted, e.g. `rows`
   */
  progress(what: string, total: number): Progress {
    if (!this.interactive) return { to: () => undefined, stop: () => undefined };
    const started = Date.now();
    const bar = new SingleBar(
      {
        format: `  {bar} {percentage}%  {count} ${what}  {rate}/s  {left}`,
        barsize: Math.max(10, Math.min(30, this.width - 50)),
        hideCursor: true,
        clearOnComplete: false,
        fps: 8,
        stream: this.#err as NodeJS.WritableStream,
      },
      Presets.shades_classic,
    );
    bar.start(total, 0, { count: '0', rate: '–', left: '' });
    return {
      to: (value, count = value) => {
        const seconds = (Date.now() - started) / 1000;
        const left =
          value > 0 && value < total ? `${duration(((total - value) * seconds) / value)} left` : '';
        bar.update(value, {
          count: number(count),
          rate: seconds > 0.2 ? number(Math.round(count / seconds)) : '–',
          left,
        });
      },
      stop: () => bar.stop(),
    };
  }
}

export interface Progress {
  /** @param value how far of the total; `count` what to show when that is another unit */
  to(value: number, count?: number): void;
  stop(): void;
}

export const statusCell = (status: Status) => ({ text: status, style: statusStyles[status] });
const statusStyles: Record<Status, Style> = {
  scheduled: 'yellow',
  queued: 'yellow',
  sending: 'yellow',
  sent: 'green',
  delivered: 'green',
  failed: 'red',
  suppressed: 'dim',
  cancelled: 'dim',
  expired: 'dim',
  unknown: 'red',
};

export const channelTitles: Record<Channel, string> = {
  email: 'email',
  sms: 'SMS',
  push: 'push',
  'in-app': 'in-app',
};

/**
 * What somebody else wrote must not move the cursor, colour the window or turn its direction: such signs are shown as ·.
 * Line breaks stay when `multiline` is given.
 */
export function printable(text: string, multiline = false): string {
  // eslint-disable-next-line no-control-regex
  const control = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
  return text.replace(control, (sign) => (multiline && (sign === '\n' || sign === '\t') ? sign : '·'));
}

/** Takes from the widest of the columns that allow it, down to 8, until all fit. */
function narrowed(columns: readonly Column[], wanted: readonly number[], room: number): number[] {
  const widths = [...wanted];
  const widest = () =>
    columns.reduce(
      (best, { narrow }, i) => (narrow && (widths[i] ?? 0) > (widths[best] ?? 8) ? i : best),
      -1,
    );
  for (let over = widths.reduce((sum, width) => sum + width, -room); over > 0 && widest() >= 0; over -= 1)
    widths[widest()] = (widths[widest()] ?? 0) - 1;
  return widths;
}

/** Breaks at spaces, and inside words that are longer than a line. Always at least one line; `indent` before the others. */
function lines(text: string, width: number, indent = ''): string[] {
  const done: string[] = [];
  let line = '';
  for (const word of text.split(/(?<=\S) /)) {
    if (line !== '' && stringWidth(`${line} ${word}`) <= width) {
      line += ` ${word}`;
      continue;
    }
    if (line !== '') done.push(line);
    line = done.length ? indent + word : word;
    while (stringWidth(line) > width) {
      done.push(line.slice(0, width));
      line = indent + line.slice(width);
    }
  }
  return [...done, line];
}

/** Cuts to a width in columns, counting wide letters as two. */
export function fit(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let cut = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(cut + segment) > width - 1) break;
    cut += segment;
  }
  return `${cut}…`;
}

export const number = (value: number) => value.toLocaleString('en-GB');
export const plural = (count: number, one: string, many = `${one}s`) =>
  `${number(count)} ${count === 1 ? one : many}`;

/** `3 s`, `2 min`, `1 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 1) return '< 1 s';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `12:04:31.208` when it is today, else with the date; in the machine's time zone. */
export function clock(time: string, now = new Date()): string {
  const at = new Date(time);
  const iso = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString();
  const [day = '', hours = ''] = iso.replace('Z', '').split('T');
  return at.toDateString() === now.toDateString() ? hours : `${day} ${hours.slice(0, 8)}`;
}

/** `12:04:31` today, `31 Jan` in the last months, else `2027-01`: where there is little room. */
export function shortTime(time: string, now = new Date()): string {
  const at = new Date(time);
  if (at.toDateString() === now.toDateString()) return clock(time, now).slice(0, 8);
  const recent = Math.abs(now.getTime() - at.getTime()) < 300 * 86_400_000;
  return recent
    ? at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
    : clock(time, now).slice(0, 7);
}
