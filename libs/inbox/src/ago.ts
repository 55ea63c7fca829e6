/** How long ago something was, in the words of a language. Pure. */

const steps: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** @param justNow for less than a minute, and for clocks that disagree */
export function ago(iso: string, now: number, locale: string | undefined, justNow: string): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  const step = steps.find(([, size]) => seconds >= size);
  if (!step) return justNow;
  const [unit, size] = step;
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'narrow' }).format(
    -Math.floor(seconds / size),
    unit,
  );
}
