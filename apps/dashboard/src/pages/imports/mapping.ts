/** What a column of a file becomes, as one word that a list can hold; pure. */
import type { Import, ImportMapping } from '@carillon/contracts';

const LEFT_OUT = '';
const fields = {
  profiles: ['externalId', 'email', 'phone', 'locale', 'timezone', 'allAttributes'],
  suppressions: ['address', 'reason'],
} as const;
const labels: Record<string, string> = {
  externalId: 'External id',
  email: 'Email',
  phone: 'Phone',
  locale: 'Locale',
  timezone: 'Time zone',
  allAttributes: 'All attributes (JSON)',
  address: 'Address',
  reason: 'Reason',
};
type Columns = NonNullable<ImportMapping['attributes']>;
const columnOf = (source: Columns[string]): string => (typeof source === 'string' ? source : source.column);

/** The choices of a column. */
export function targetsFor(kind: Import['kind'], heading: string): { value: string; label: string }[] {
  const own = fields[kind].map((field) => ({ value: field as string, label: labels[field] ?? field }));
  return [
    ...own,
    ...(kind === 'profiles' ? [{ value: 'attribute', label: `Attribute “${attributeName(heading)}”` }] : []),
    { value: LEFT_OUT, label: 'Left out' },
  ];
}

/** What it becomes by a mapping. */
export function targetOf(mapping: ImportMapping | null, heading: string): string {
  if (!mapping) return LEFT_OUT;
  const { attributes = {}, ...own } = mapping;
  const field = Object.entries(own).find(([, column]) => column === heading)?.[0];
  if (field) return field;
  return Object.values(attributes).some((source) => columnOf(source) === heading) ? 'attribute' : LEFT_OUT;
}

/** The mapping with another target for one column; whoever had that field before is left out. */
export function becomes(mapping: ImportMapping | null, heading: string, target: string): ImportMapping {
  const { attributes = {}, ...own } = mapping ?? {};
  const rest = Object.fromEntries(
    Object.entries(own).filter(([field, column]) => column !== heading && field !== target),
  );
  const columns = Object.fromEntries(
    Object.entries(attributes).filter(([, source]) => columnOf(source) !== heading),
  );
  if (target === 'attribute') columns[attributeName(heading)] = heading;
  else if (target !== LEFT_OUT) rest[target] = heading;
  return { ...rest, ...(Object.keys(columns).length > 0 && { attributes: columns }) };
}

/** `First name` becomes `firstName`, since templates write attributes without blanks. */
const attributeName = (heading: string): string =>
  heading
    .trim()
    .replace(/[\s.-]+(.)/g, (_, letter: string) => letter.toUpperCase())
    .replace(/^[A-Z](?![A-Z])/, (start) => start.toLowerCase());
