/**
 * The text part of a mail, made from its HTML when a template is saved. Works on sources too: Liquid passes untouched,
 * so the result is itself a template (text mode).
 */
import { convert } from 'html-to-text';

const LAYOUT_CELLS = ['> tr > td', '> tbody > tr > td'].map((path) => `table[role="presentation"] ${path}`);

/** Readable plain text: links keep their address in brackets, hidden preheaders and pictures go, lines are not broken. */
export function htmlToText(html: string): string {
  return convert(html, {
    wordwrap: false,
    limits: { maxInputLength: 2_000_000, maxDepth: 200 },
    formatters: {
      cell(element, walk, builder) {
        walk(element.children, builder);
        builder.addInline(' ');
      },
    },
    selectors: [
      { selector: 'a', options: { ignoreHref: false, noAnchorUrl: true, hideLinkHrefIfSameAsText: true } },
      { selector: 'img', format: 'skip' },
      { selector: '[style*="display:none"]', format: 'skip' },
      { selector: '[style*="display: none"]', format: 'skip' },
      ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({
        selector,
        options: { uppercase: false },
      })),
      // Mails are laid out with tables marked as such: a cell is a paragraph. In other tables a row is a line.
      { selector: 'table', format: 'block' },
      { selector: 'tr', format: 'block', options: { leadingLineBreaks: 1, trailingLineBreaks: 1 } },
      { selector: 'td', format: 'cell' },
      { selector: 'th', format: 'cell' },
      ...LAYOUT_CELLS.map((selector) => ({ selector, format: 'block' })),
    ],
  }).trim();
}
