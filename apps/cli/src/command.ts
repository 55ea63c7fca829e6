/**
 * What every command is given, and small things they share: the client, the terminal, options that take a list.
 * A command is a function that adds itself to the program.
 */
import { Carillon, type Json } from '@carillon/sdk';
import { Command, InvalidArgumentError } from 'commander';
import { readSettings, UsageError, type Settings } from './settings.js';
import type { Env, Terminal } from './terminal.js';

export interface GlobalOptions {
  url?: string;
  key?: string;
  json?: true;
  allowHttp?: true;
}

export class Context {
  #settings: Settings | undefined;
  #client: Carillon | undefined;
  /** Set by main before a command runs. */
  options: GlobalOptions = {};
  /** What main ends with when nothing throws. */
  exitCode = 0;

  constructor(
    readonly terminal: Terminal,
    readonly env: Env,
    readonly folder: string,
    /** Aborts when the person presses Ctrl-C. */
    readonly stop: AbortSignal,
  ) {}

  get json(): boolean {
    return this.options.json === true;
  }

  get settings(): Settings {
    this.#settings ??= readSettings(this.options, this.env, this.folder);
    return this.#settings;
  }

  /** The client, made when a command first needs it, so that help and mistakes need no key. */
  get carillon(): Carillon {
    const { url, key } = this.settings;
    if (!key)
      throw new UsageError(
        `There is no API key for ${url}.`,
        'Beside a running `npm start` none is needed. Elsewhere set CARILLON_API_KEY, or give --key; keys are made in the dashboard under API keys.',
      );
    this.#client ??= new Carillon({ apiKey: key, baseUrl: url, allowHttp: this.options.allowHttp === true });
    return this.#client;
  }
}

/** Adds examples under a command's help. Lines beginning with # are explanations. */
export function examples(command: Command, lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}

/** For options that may be repeated or hold a list: `--channel email --channel sms`, `--channel email,sms`. */
export const list = (value: string, before: string[] | undefined): string[] => [
  ...(before ?? []),
  ...value
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
];

/** As `list`, each checked against a closed list of words. */
export const oneOf =
  <const Word extends string>(words: readonly Word[]) =>
  (value: string, before: Word[] | undefined): Word[] =>
    list(value, before).map((item) => {
      const word = words.find((candidate) => candidate === item);
      if (word === undefined) throw new InvalidArgumentError(`Write one of ${words.join(', ')}.`);
      return word;
    });

/** For options that may be repeated and hold anything. */
export const repeated = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

export const wholeNumber =
  (least: number, most: number) =>
  (value: string): number => {
    const n = Number(value);
    if (!Number.isInteger(n) || n < least || n > most)
      throw new InvalidArgumentError(`Write a whole number from ${least} to ${most}.`);
    return n;
  };

/** A span of time in seconds: `30s`, `5m`, `2h`, `1d`. */
export function seconds(text: string): number {
  const span = /^(\d{1,5})(s|m|h|d)$/.exec(text);
  if (!span) throw new InvalidArgumentError('Write a number and s, m, h or d: for example 2h.');
  return Number(span[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[span[2] as 's' | 'm' | 'h' | 'd'];
}

/** A point in time: RFC 3339, or counted from now: `+10m` for later, `-2h` or `2h` for a while ago. */
export function time(text: string): string {
  if (/^[+-]?\d{1,5}[smhd]$/.test(text)) {
    const ms = seconds(text.replace(/^[+-]/, '')) * 1000;
    return new Date(Date.now() + (text.startsWith('+') ? ms : -ms)).toISOString();
  }
  const at = new Date(text);
  if (Number.isNaN(at.getTime()))
    throw new InvalidArgumentError('Write a time such as 2027-01-31T09:00:00Z, +10m (later) or 2h (ago).');
  return at.toISOString();
}

/** `name=value` pairs; values that are JSON (numbers, true, lists) are taken as such. */
export function pairs(given: readonly string[], option: string): Record<string, Json> {
  return Object.fromEntries(
    given.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UsageError(`${option} ${pair}: write it as name=value.`);
      return [pair.slice(0, at), value(pair.slice(at + 1))];
    }),
  );
}
function value(text: string): Json {
  // A phone number or an id with leading zeros is text, however numeric it looks.
  if (!/^(true|false|null|-?(0|[1-9]\d{0,14})(\.\d+)?|[[{].*[\]}])$/s.test(text)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
