/** CSV lines (RFC 4180) that no spreadsheet takes for formulas. */

/**
 * A cell that a spreadsheet would compute gets an apostrophe before it (OWASP: CSV injection), and so does one that begins
 * like such a cell already: whoever reads it back takes one away. A phone number stays as it is.
 */
const harmless = (text: string): string =>
  /^('+[=@+-]|[=@\t\r])/.test(text) || (/^[+-]/.test(text) && !/^[+-]?\d+(\.\d+)?$/.test(text))
    ? `'${text}`
    : text;

export const csvLine = (cells: readonly string[]): string =>
  `${cells
    .map(harmless)
    .map((c) => (/[",\r\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c))
    .join(',')}\r\n`;
