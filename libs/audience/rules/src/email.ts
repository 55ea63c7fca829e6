/** Email addresses as people type them, made comparable. RFC 5321 §4.5.3.1 for lengths; RFC 5890 for domains. */
import { domainToASCII } from 'node:url';
import type { Normalized } from './normalized.js';

const ATOM = /^[^\s@"(),:;<>[\]\\\p{Cc}]+$/u;

/**
 * Trims, lowers the domain and makes it ASCII; the local part keeps its case, because its owner decides about it.
 * Quoted local parts, comments and address literals are legal and refused: no mailbox a person gives has them.
 */
export function normalizeEmail(text: string): Normalized<{ domain: string }> {
  const original = text;
  const refuse = (sentence: string) => ({ ok: false, code: 'invalid_email', sentence }) as const;
  const trimmed = text.trim();
  if (/[\r\n\0]/.test(text))
    return refuse('must not hold line breaks or NUL: write one address, like ada@example.com');
  const at = trimmed.lastIndexOf('@');
  if (at < 1 || at === trimmed.length - 1)
    return refuse('is not an email address: write it like ada@example.com');
  const local = trimmed.slice(0, at);
  if (!ATOM.test(local) || local.startsWith('.') || local.endsWith('.') || local.includes('..'))
    return refuse('has a part before the @ that no mailbox has: write it like ada@example.com');
  if (Buffer.byteLength(local) > 64) return refuse('is too long before the @: at most 64 bytes');
  const domain = domainToASCII(trimmed.slice(at + 1)).toLowerCase();
  if (
    !/^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/.test(domain) ||
    /^[\d.]+$/.test(domain)
  )
    return refuse('has no valid domain after the @: write it like ada@example.com');
  const value = `${local}@${domain}`;
  if (Buffer.byteLength(value) > 254) return refuse('is too long: at most 254 bytes');
  return { ok: true, value, original, domain };
}
