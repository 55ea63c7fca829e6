/**
 * From a provider's settings schema (JSON Schema, as zod writes it) to the fields of a form, and from what was typed
 * back to settings. Pure. It knows no provider: what a schema says is all there is.
 */
import type { ProviderInfo } from '@carillon/contracts';

type Json = ProviderInfo['settings'];
type Kind = 'text' | 'secret' | 'number' | 'switch' | 'choice' | 'list' | 'json';

export interface Field {
  name: string;
  label: string;
  kind: Kind;
  description?: string;
  required: boolean;
  /** Null is a value of its own: an empty field means null. */
  nullable: boolean;
  integer: boolean;
  /** A secret of several lines: a key file. */
  long: boolean;
  /** For whoever runs the installation: a proxy, a sandbox. */
  operator: boolean;
  choices: { value: string; label: string }[];
  initial: unknown;
  min?: number;
  max?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  placeholder?: string;
}
/** What a form holds while somebody types. Numbers stay text until they are sent. */
export type Typed = Record<string, string | boolean | string[]>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/** "maxConnections" → "Max connections", unless the schema gives a title. */
const labelFrom = (name: string): string => {
  const words = name
    .replace(/[_-]+/g, ' ')
    .replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
    .replace(/\b(id|url|api|smtp|tls|sid|ssl|dkim)\b/gi, (word) => word.toUpperCase());
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** `anyOf: [x, null]` and `type: [x, null]` are x that may be null; other unions of constants are a choice. */
const withoutNull = (
  schema: Record<string, unknown>,
): { schema: Record<string, unknown>; nullable: boolean } => {
  const options = list(schema.anyOf ?? schema.oneOf).filter(isObject);
  if (options.length) {
    const rest = options.filter((option) => option.type !== 'null');
    const { anyOf: _, oneOf: __, ...around } = schema;
    const only = rest[0];
    if (rest.length === 1 && only) return { schema: { ...only, ...around }, nullable: options.length > 1 };
    if (rest.every((option) => 'const' in option))
      return {
        schema: { ...around, enum: rest.map((option) => option.const) },
        nullable: rest.length < options.length,
      };
    return { schema, nullable: rest.length < options.length };
  }
  const types = list(schema.type);
  if (types.length)
    return {
      schema: { ...schema, type: types.find((type) => type !== 'null') },
      nullable: types.includes('null'),
    };
  return { schema, nullable: false };
};
const kindOf = (schema: Record<string, unknown>, secret: boolean): Kind => {
  if (secret) return 'secret';
  if (Array.isArray(schema.enum) || 'const' in schema) return 'choice';
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'switch';
    case 'array':
      return isObject(schema.items) && schema.items.type === 'string' ? 'list' : 'json';
    default:
      return 'json';
  }
};

/** The fields of a settings schema, in its order. */
export const fieldsOf = (settings: Json): Field[] => {
  const required = new Set(list(settings.required));
  const definitions = isObject(settings.$defs) ? settings.$defs : {};
  return Object.entries(isObject(settings.properties) ? settings.properties : {}).flatMap(([name, given]) => {
    if (!isObject(given)) return [];
    const target = textOf(given.$ref)?.replace('#/$defs/', '');
    const referred = target ? definitions[target] : undefined;
    const { schema, nullable } = withoutNull(isObject(referred) ? { ...referred, ...given } : given);
    const secret = [given, schema].some((s) => s['x-secret'] === true || s.secret === true);
    const kind = kindOf(schema, secret);
    const examples = list(schema.examples);
    return [
      {
        name,
        label: textOf(schema.title) ?? labelFrom(name),
        kind,
        description: textOf(given.description) ?? textOf(schema.description),
        // A default stands in for a field that is left out.
        required: required.has(name) && !nullable && schema.default === undefined,
        nullable,
        integer: schema.type === 'integer',
        long: secret && (numberOf(schema.maxLength) ?? 0) > 2000,
        operator: given.operatorOnly === true || schema.operatorOnly === true,
        choices: ('const' in schema ? [schema.const] : list(schema.enum)).map((value) => ({
          value: JSON.stringify(value),
          label: String(value),
        })),
        initial: schema.default,
        min: numberOf(schema.minimum) ?? numberOf(schema.exclusiveMinimum),
        // zod writes the largest safe integer where nobody set a limit.
        max: [numberOf(schema.maximum)].find((max) => max !== Number.MAX_SAFE_INTEGER),
        minLength: numberOf(schema.minLength),
        maxLength: numberOf(schema.maxLength),
        pattern: textOf(schema.pattern),
        placeholder:
          textOf(given.placeholder) ??
          textOf(schema.placeholder) ??
          (examples.length ? String(examples[0]) : undefined),
      },
    ];
  });
};

/** What the form starts with: the stored settings, else the defaults that stand in for them. Secrets start empty. */
export const typedFrom = (fields: Field[], settings: Record<string, unknown> | undefined): Typed =>
  Object.fromEntries(
    fields.map((field) => {
      const value = settings && Object.hasOwn(settings, field.name) ? settings[field.name] : field.initial;
      switch (field.kind) {
        case 'secret':
          return [field.name, ''];
        case 'switch':
          return [field.name, value === true];
        case 'list':
          return [field.name, list(value).map(String)];
        case 'choice':
          return [field.name, value === undefined || value === null ? '' : JSON.stringify(value)];
        case 'json':
          return [field.name, value === undefined || value === null ? '' : JSON.stringify(value, null, 2)];
        default:
          return [field.name, value === undefined || value === null ? '' : String(value)];
      }
    }),
  );

/** What is wrong with a field, in a sentence; undefined when nothing is. `secretSet`: an empty secret stays as it is. */
export const fault = (field: Field, value: Typed[string], secretSet: boolean): string | undefined => {
  if (Array.isArray(value)) return field.required && value.length === 0 ? 'Give at least one.' : undefined;
  if (typeof value === 'boolean') return undefined;
  const typed = field.kind === 'secret' ? value : value.trim();
  if (typed === '') return field.required && !secretSet ? `${field.label} is needed.` : undefined;
  if (field.kind === 'number') {
    const number = Number(typed);
    if (!Number.isFinite(number)) return 'Write a number.';
    if (field.integer && !Number.isInteger(number)) return 'Write a whole number.';
    if (field.min !== undefined && number < field.min) return `Must be ${field.min} or more.`;
    if (field.max !== undefined && number > field.max) return `Must be ${field.max} or less.`;
  }
  if (field.kind === 'json') {
    try {
      JSON.parse(typed);
    } catch {
      return 'Write valid JSON.';
    }
  }
  if (field.kind === 'text' || field.kind === 'secret') {
    if (field.minLength !== undefined && typed.length < field.minLength)
      return `Must have at least ${field.minLength} characters.`;
    if (field.maxLength !== undefined && typed.length > field.maxLength)
      return `Must have at most ${field.maxLength} characters.`;
    if (field.pattern && !matches(field.pattern, typed))
      return 'Does not have the form that is expected here.';
  }
  return undefined;
};
/** A pattern that this browser cannot read is left to the server. */
const matches = (pattern: string, typed: string): boolean => {
  try {
    return new RegExp(pattern, 'u').test(typed);
  } catch {
    return true;
  }
};

/**
 * Settings to send. Left out: secrets that were not typed, and empty fields that may be missing. With `before` (the
 * form as it was opened) only what differs is sent; clearing an optional field then sends null where the schema has it.
 */
export const settingsFrom = (fields: Field[], typed: Typed, before?: Typed): ProviderInfo['settings'] => {
  const settings: ProviderInfo['settings'] = {};
  for (const field of fields) {
    const value = typed[field.name];
    if (value === undefined) continue;
    if (before && JSON.stringify(before[field.name]) === JSON.stringify(value)) continue;
    const read = readValue(field, value);
    if (read !== undefined) settings[field.name] = read;
    else if (field.kind !== 'secret' && (before || field.nullable)) settings[field.name] = null;
  }
  return settings;
};
const readValue = (field: Field, value: Typed[string]): ProviderInfo['settings'][string] | undefined => {
  if (typeof value !== 'string') return value;
  const typed = field.kind === 'secret' ? value : value.trim();
  if (typed === '') return undefined;
  switch (field.kind) {
    case 'number':
      return Number(typed);
    case 'choice':
    case 'json':
      return JSON.parse(typed) as ProviderInfo['settings'][string];
    default:
      return typed;
  }
};
