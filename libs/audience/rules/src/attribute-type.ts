/** Values of attributes that a workspace has given a type. Nothing is turned into something else: what is stored is what was sent. */
import type { AttributeTypeName } from '@carillon/contracts';

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
const listOf = (one: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(one);

/** The day must come back as it went in: Date takes 31 February for 3 March. */
function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}
const DATETIME = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

const TYPES: Record<AttributeTypeName, { holds: (value: unknown) => boolean; write: string }> = {
  text: { holds: isText, write: 'a text in quotes' },
  number: { holds: isNumber, write: 'a number without quotes, such as 12.5' },
  boolean: { holds: (value) => typeof value === 'boolean', write: 'true or false without quotes' },
  date: {
    holds: (value) => isText(value) && /^\d{4}-\d\d-\d\d$/.test(value) && isDay(value),
    write: 'a date such as "2027-03-31"',
  },
  datetime: {
    holds: (value) => {
      const day = isText(value) ? DATETIME.exec(value)?.[1] : undefined;
      return day !== undefined && isDay(day) && !Number.isNaN(Date.parse(value as string));
    },
    write: 'a time with its offset, such as "2027-03-31T18:00:00Z"',
  },
  texts: { holds: listOf(isText), write: 'a list of texts, such as ["a", "b"]' },
  numbers: { holds: listOf(isNumber), write: 'a list of numbers, such as [1, 2.5]' },
  json: { holds: () => true, write: 'any JSON' },
};

/** @returns a sentence that says what to write instead; undefined when the value is of the type */
export const attributeFault = (type: AttributeTypeName, value: unknown): string | undefined =>
  TYPES[type].holds(value) ? undefined : `This attribute is declared as ${type}: write ${TYPES[type].write}.`;
