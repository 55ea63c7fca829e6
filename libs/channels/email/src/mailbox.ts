/**
 * A sender or recipient as mail headers know it, parsed once. What cannot be parsed plainly is refused rather than
 * repaired: a lenient parser is how a second recipient or a header gets smuggled in. Called by render and providers.
 */

export interface Mailbox {
  name: string;
  address: string;
}

/** CR, LF and NUL end or hide a header; the other controls have no business in one. */
const controls = /[\u0000-\u001f\u007f]/;
/** May the text stand in a header line? */
export const headerSafe = (text: string): boolean => !controls.test(text);

/** `local@domain` of RFC 5321 section 4.1.2 without quotes, comments, lists, routes and address literals; RFC 6531 letters. */
const plainAddress = /^[^\s@<>()[\]\\,;:"]{1,64}@[\p{L}\p{M}\p{N}-]{1,63}(\.[\p{L}\p{M}\p{N}-]{1,63})*$/u;
export const isAddress = (text: string): boolean =>
  text.length <= 320 && headerSafe(text) && plainAddress.test(text) && !/^\.|\.\.|\.@/.test(text);

/** Reads `address`, `<address>`, `Name <address>` or `"Name" <address>`; undefined for anything else. */
export function parseMailbox(text: string): Mailbox | undefined {
  if (!headerSafe(text)) return undefined;
  const [, quoted, bare, inside] = /^\s*(?:"([^"<>]*)"|([^"<>]*?))\s*<([^<>]*)>\s*$/.exec(text) ?? [];
  const address = (inside ?? text).trim();
  if (!isAddress(address)) return undefined;
  return { name: quoted ?? bare ?? '', address };
}
