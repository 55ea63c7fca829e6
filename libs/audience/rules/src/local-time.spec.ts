import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { wallClock } from './index.js';

const shows = (iso: string, zone: string) => new Date(wallClock(Date.parse(iso), zone)).toISOString();

/** By the name that Intl gives an offset, which has no seconds. */
function offsetOf(at: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?$/.exec(name) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000;
}

describe('wallClock', () => {
  it.each([
    ['2026-03-29T00:59:59.999Z', 'Europe/Paris', '2026-03-29T01:59:59.999Z'],
    ['2026-03-29T01:00:00.000Z', 'Europe/Paris', '2026-03-29T03:00:00.000Z'],
    // Clocks that were changed a minute after the hour, asked on both sides of it.
    ['2006-10-29T02:30:59.999Z', 'America/St_Johns', '2006-10-29T00:00:59.999Z'],
    ['2006-10-29T02:31:00.000Z', 'America/St_Johns', '2006-10-28T23:01:00.000Z'],
    ['2020-10-03T16:00:30.000Z', 'Antarctica/Casey', '2020-10-04T00:00:30.000Z'],
    ['2020-10-03T16:01:30.000Z', 'Antarctica/Casey', '2020-10-04T03:01:30.000Z'],
    // The last offset with seconds.
    ['1972-01-07T00:44:29.500Z', 'Africa/Monrovia', '1972-01-06T23:59:59.500Z'],
    ['1972-01-07T00:44:30.500Z', 'Africa/Monrovia', '1972-01-07T00:44:30.500Z'],
    ['1965-06-01T12:00:00.250Z', 'Europe/London', '1965-06-01T13:00:00.250Z'],
  ])('at %s in %s shows %s', (at, zone, shown) => {
    expect(shows(at, zone)).toBe(shown);
    expect(shows(at, zone)).toBe(shown);
  });

  it('shows in every zone what Intl shows, asked for the first time or again', () => {
    const zone = fc.constantFrom(...Intl.supportedValuesOf('timeZone'));
    const since = fc.integer({ min: Date.UTC(1973, 0, 1), max: Date.UTC(2045, 0, 1) });
    fc.assert(
      fc.property(zone, since, fc.integer({ min: 0, max: 60_000 }), (name, at, more) => {
        for (const asked of [at, at + more]) {
          expect(wallClock(asked, name) - asked).toBe(offsetOf(asked, name));
        }
      }),
      { numRuns: 500 },
    );
  });
});
