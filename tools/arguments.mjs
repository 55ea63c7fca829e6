/**
 * What a command of this checkout was given. `--help` prints its words on itself; what it does not know is answered with the same
 * words. Node's own modules only, because start.mjs needs it before anything is installed.
 */
import { parseArgs } from 'node:util';
import { Problem } from './data-folder.mjs';

/**
 * @param {string} help how the command is called
 * @param {import('node:util').ParseArgsOptionsConfig} options
 * @param {number} most words beside the options
 * @returns {{ values: Record<string, any>, positionals: string[] }}
 * @throws {Problem} for what the command does not know
 */
export function readArguments(help, options = {}, most = 0) {
  let read;
  try {
    read = parseArgs({
      allowPositionals: true,
      options: { ...options, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    // What Node adds to it is for who wrote the command.
    throw new Problem(`${error.message.split(/\.\s/)[0]}.\n\n${help}`, { cause: error });
  }
  if (read.values.help) {
    console.log(help);
    process.exit(0);
  }
  const extra = read.positionals[most];
  if (extra !== undefined) throw new Problem(`Nothing is known of '${extra}' here.\n\n${help}`);
  return read;
}

/**
 * @param {string | undefined} given
 * @returns {number | undefined} undefined when nothing was given
 * @throws {Problem} for anything but a whole number above 0
 */
export function countFrom(given) {
  if (given === undefined) return undefined;
  const count = Number(given);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new Problem(`'${given}' is no number of people: write a whole number above 0.`);
  return count;
}
