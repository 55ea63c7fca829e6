/** Times as the viewer reads them: in the viewer's zone, absolute and relative. Pure; `now` is an argument. */

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const format = (options: Intl.DateTimeFormatOptions) =>
  new Intl.DateTimeFormat('en-GB', { hourCycle: 'h23', ...options });
const full = format({ dateStyle: 'medium', timeStyle: 'medium' });
const withZone = format({
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
});
const clock = format({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayClock = format({
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const date = format({ day: 'numeric', month: 'short', year: 'numeric' });
const hourTick = format({ hour: '2-digit', minute: '2-digit' });
// Counts per day are counted in UTC, so their labels are too: elsewhere a day would carry its neighbour's name.
const dayTick = format({ day: 'numeric', month: 'short', timeZone: 'UTC' });
const dayFull = format({
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
});
const dayHour = format({
  weekday: 'short',
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

/** "24 Nov 2026, 14:03:22" */
export const absolute = (at: string | Date): string => full.format(new Date(at));
/** As `absolute`, with the zone named. */
export const absoluteWithZone = (at: string | Date): string => withZone.format(new Date(at));
/** Clock today, day and clock in the same year, else the full date: for table cells. */
export const compact = (at: string, now: Date): string => {
  const then = new Date(at);
  if (then.toDateString() === now.toDateString()) return clock.format(then);
  if (then.getFullYear() === now.getFullYear()) return dayClock.format(then);
  return full.format(then);
};
export const dateOnly = (at: string): string => date.format(new Date(at));
/** Labels of a chart: the hour in the viewer's zone, or the day in UTC. */
export const tick = (at: string | number, interval: 'hour' | 'day'): string =>
  (interval === 'hour' ? hourTick : dayTick).format(new Date(at));
export const tickFull = (at: string | number, interval: 'hour' | 'day'): string =>
  (interval === 'hour' ? dayHour : dayFull).format(new Date(at));

const relativeFormat = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'long' });
const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
/** "3 minutes ago", "in 2 hours", "just now" within ten seconds. What is to come is rounded: two days from now is not tomorrow a moment later. */
export const relative = (at: string, now: Date): string => {
  const seconds = (Date.parse(at) - now.getTime()) / 1000;
  if (Math.abs(seconds) < 10) return 'just now';
  for (const [unit, size] of steps)
    if (Math.abs(seconds) >= size) return relativeFormat.format(whole(seconds / size), unit);
  return relativeFormat.format(Math.trunc(seconds), 'second');
};
const whole = (many: number): number => (many > 0 ? Math.round(many) : Math.trunc(many));
/** A length of time: "340 ms", "2.1 s", "5 min", "3.0 h", "4 days". */
export const span = (ms: number): string => {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(1)} h`;
  return `${Math.round(ms / 86_400_000)} days`;
};
/** Time between two lines of a timeline: "+340 ms", "+2.1 s". */
export const gap = (from: string, to: string): string =>
  `+${span(Math.max(0, Date.parse(to) - Date.parse(from)))}`;
/** "Europe/Berlin (GMT+1)" */
export const zoneName = (): string => {
  const offset = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'shortOffset' })
    .formatToParts(new Date())
    .find((part) => part.type === 'timeZoneName')?.value;
  return offset && offset !== zone ? `${zone} (${offset})` : zone;
};
/** For `<input type="datetime-local">`, which knows no zone: local clock to and from an instant. */
export const toLocalInput = (at: Date): string =>
  new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
export const fromLocalInput = (text: string): string | undefined => {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
};
