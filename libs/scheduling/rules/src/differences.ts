/** What is not as it was, between two values of JSON. Pure. */
import type { CampaignChanges } from '@carillon/contracts';

type Change = CampaignChanges['changes'][number];

/** By pointer, in the order of the names; lists of different length are told as a whole. */
export function differences(before: unknown, after: unknown, at = ''): Change[] {
  const keys = keysOf(before, after);
  if (keys)
    return keys.flatMap((key) =>
      differences(
        inside(before, key),
        inside(after, key),
        `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      ),
    );
  return JSON.stringify(before ?? null) === JSON.stringify(after ?? null)
    ? []
    : [{ at, before: (before ?? null) as Change['before'], after: (after ?? null) as Change['after'] }];
}

/** Null where they are looked at as a whole. */
function keysOf(before: unknown, after: unknown): string[] | null {
  if (typeof before !== 'object' || typeof after !== 'object' || !before || !after) return null;
  if (Array.isArray(before) !== Array.isArray(after)) return null;
  if (Array.isArray(before) && Array.isArray(after) && before.length !== after.length) return null;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
}
const inside = (value: unknown, key: string): unknown => (value as Record<string, unknown>)[key];
