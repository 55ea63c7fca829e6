/** Ledgers: files of JSON lines that only grow. A line is on disk (`durable`) or at least the kernel's before `add` returns. */
import fs from 'node:fs';

export function openLedger(file, { durable = false } = {}) {
  const handle = fs.openSync(file, 'a');
  return {
    add(entry) {
      fs.writeSync(handle, `${JSON.stringify(entry)}\n`);
      if (durable) fs.fdatasyncSync(handle);
    },
    close: () => fs.closeSync(handle),
  };
}

/** Every whole line; a last one that was cut short with its writer says nothing. */
export const readLedger = (file) =>
  fs.existsSync(file)
    ? fs
        .readFileSync(file, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    : [];
