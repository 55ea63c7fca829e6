const schemes = ['http:', 'https:', 'mailto:', 'tel:'];

/**
 * The address if a click on it cannot run anything: http, https, mailto, tel, or relative to the page. Null for
 * `javascript:`, `data:` and the rest, however they are spelt: it is read by the parser that browsers use.
 */
export function safeUrl(url: string | null): string | null {
  const page = globalThis.location?.href ?? 'https://localhost';
  return url !== null && URL.canParse(url, page) && schemes.includes(new URL(url, page).protocol)
    ? url
    : null;
}
