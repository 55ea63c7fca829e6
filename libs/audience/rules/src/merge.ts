/**
 * Two profiles that are one person. The one that was named to stay is kept, and its values win; what it has none of comes
 * from the other. So the result depends on nothing but the two and who was named: not on times, which say when something
 * was written and not when it was true.
 */
export const MERGE_RULE = 'kept-wins';

/** What of a profile is a value. Parts of one address go together. */
export interface Mergeable {
  email: string | null;
  emailOriginal: string | null;
  phone: string | null;
  phoneOriginal: string | null;
  phoneCountry: string | null;
  phoneZone: string | null;
  locale: string | null;
  timezone: string | null;
  attributes: Readonly<Record<string, unknown>>;
}
export interface Merged {
  values: Mergeable;
  /** Whose value each field (`email`) and attribute (`attributes.plan`) has, where the merged profile had one. */
  from: Record<string, 'kept' | 'merged'>;
}

const groups = [
  ['email', 'emailOriginal'],
  ['phone', 'phoneOriginal', 'phoneCountry', 'phoneZone'],
  ['locale'],
  ['timezone'],
] as const;

export function mergeProfiles(kept: Mergeable, merged: Mergeable): Merged {
  const values = { ...kept, attributes: { ...merged.attributes, ...kept.attributes } };
  const from: Merged['from'] = {};
  for (const group of groups) {
    const [field] = group;
    if (merged[field] === null) continue;
    from[field] = kept[field] === null ? 'merged' : 'kept';
    if (kept[field] === null) for (const part of group) values[part] = merged[part];
  }
  for (const name of Object.keys(merged.attributes))
    from[`attributes.${name}`] = Object.hasOwn(kept.attributes, name) ? 'kept' : 'merged';
  return { values, from };
}
