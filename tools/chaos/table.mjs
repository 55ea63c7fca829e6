/** Rows for people: text in a terminal, Markdown in the docs. */
const COLUMNS = [
  ['scenario', 'scenario'],
  ['queue', 'queue'],
  ['processes', 'processes'],
  ['accepted', 'accepted'],
  ['lost', 'lost'],
  ['logMissing', 'log missing'],
  ['phantom', 'phantom'],
  ['duplicatesKnown', 'dup. known'],
  ['denied', 'denied'],
  ['forbidden', 'forbidden'],
  ['stuck', 'stuck'],
  ['untold', 'untold'],
  ['contradictions', 'contra- dictions'],
  ['unknown', 'unknown'],
  ['unknownPerKill', 'at once'],
  ['duplicatesUnknown', 'dup. of unknown'],
  ['faults', 'faults'],
  ['recoverySeconds', 'recovery s'],
  ['downSeconds', 'longest away s'],
  ['seed', 'seed'],
  ['commit', 'commit'],
];

export function table(rows) {
  const lines = [COLUMNS.map(([, title]) => title), ...rows.map(cellsOf)];
  const widths = COLUMNS.map((_, c) => Math.max(...lines.map((line) => line[c].length)));
  return lines
    .map((line) =>
      line.map((cell, c) => (c < 3 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join('  '),
    )
    .join('\n');
}
export const markdown = (rows) =>
  [
    `| ${COLUMNS.map(([, title]) => title).join(' | ')} |`,
    `| ${COLUMNS.map((_, c) => (c < 3 ? '---' : '--:')).join(' | ')} |`,
    ...rows.map((row) => `| ${cellsOf(row).join(' | ')} |`),
  ].join('\n');

const cellsOf = (row) =>
  COLUMNS.map(([name], c) =>
    name === 'recoverySeconds' && row.busy
      ? `(${row[name]})`
      : row.skipped && c > 2
        ? '–'
        : row.skipped && c === 2
          ? 'left out'
          : String(row[name] ?? ''),
  );
