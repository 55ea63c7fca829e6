/**
 * E-mail addresses as they are stored: what can be delivered and compared, not all that RFC 5322 allows to be written.
 * Quoted local parts, comments and address literals are refused on purpose: they are attacks or typing errors far more
 * often than addresses. Whether a mailbox exists is not known here.
 */
import { domainToASCII } from 'node:url';
import { refuse, type Checked } from './checked.js';

/** RFC 5321 section 4.5.3.1; the 254 of the whole follows from its limit on a path (erratum 1690 to RFC 3696). */
const MAX = { local: 64, domain: 253, label: 63, whole: 254 } as const;
/** RFC 5322 section 3.2.3: what a local part may hold without quotes, dots apart. */
const DOT_ATOM = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/**
 * Trims, and writes it in small letters, the domain in ASCII (IDNA). By RFC 5321 section 2.4 only its own server may say that
 * case in the local part means nothing; none is known that says otherwise, and somebody who left as Ana@ must not be
 * written to as ana@.
 * @returns `value`, the address to store, compare and send to, and `original`, what was given
 */
export function normalizeEmail(text: string): Checked<string> {
  const trimmed = text.trim();
  if (!trimmed) return refuse('empty', 'Write an address such as ana@example.com.');
  if (trimmed.length > 4 * MAX.whole)
    return refuse('too_long', `An address has at most ${MAX.whole} characters.`);
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(trimmed)) {
    return refuse('control_character', 'An address has no line breaks or control characters.');
  }
  if (/[<>]/.test(trimmed)) return refuse('display_name', 'Write the address alone, without a name or < >.');
  const [local, domain, ...more] = trimmed.split('@');
  if (local === undefined || domain === undefined || more.length > 0 || !local || !domain) {
    return refuse('not_an_email', 'An address has exactly one @ with something on both sides.');
  }
  if (local.length > MAX.local) {
    return refuse('too_long', `What stands before the @ has at most ${MAX.local} characters.`);
  }
  if (!DOT_ATOM.test(local)) {
    // Mail to a name in other letters (SMTPUTF8, RFC 6531) needs every server on its way to know it: many do not, and it bounces.
    if (/[^\x00-\x7f]/.test(local))
      return refuse(
        'local_part',
        'Before the @ only the letters a to z can be sent to, without accents: ask the person for their other address.',
      );
    return refuse(
      'local_part',
      "Before the @ use letters, digits, single dots and any of !#$%&'*+/=?^_`{|}~-.",
    );
  }
  const ascii = asciiDomain(domain);
  if (!ascii) return refuse('domain', 'After the @ write a complete domain such as example.com.');
  const value = `${local.toLowerCase()}@${ascii}`;
  if (value.length > MAX.whole) return refuse('too_long', `An address has at most ${MAX.whole} characters.`);
  return { ok: true, value, original: text };
}

/** The domain in ASCII, or undefined when it is none that mail could be sent to. */
function asciiDomain(domain: string): string | undefined {
  // domainToASCII reads URLs: it would decode %41, cut at a slash and turn 127.1 into 127.0.0.1.
  if (/[^\p{L}\p{M}\p{N}.\u3002\uff0e\uff61\u200c\u200d-]/u.test(domain)) return undefined;
  const ascii = domainToASCII(domain);
  const labels = ascii.split('.');
  const fits =
    ascii.length <= MAX.domain &&
    labels.length > 1 &&
    labels.every((label) => label.length <= MAX.label && LABEL.test(label)) &&
    // No top level domain consists of digits (RFC 3696 section 2): this keeps out IPv4 addresses in every notation.
    !/^\d+$/.test(labels.at(-1) ?? '');
  return fits ? ascii : undefined;
}
