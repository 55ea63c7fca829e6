import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { fault, fieldsOf, settingsFrom, typedFrom } from './fields.js';

const schemaOf = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input' }) as Parameters<typeof fieldsOf>[0];
const smtp = schemaOf(
  z.object({
    host: z.string().min(1).meta({ title: 'Host', placeholder: 'smtp.example.com' }),
    port: z.int().min(1).max(65_535).default(587),
    security: z.enum(['starttls', 'tls']).default('starttls'),
    userName: z.string().nullable().default(null),
    password: z.string().max(1000).optional().meta({ secret: true }),
    keyFile: z.string().max(10_000).meta({ 'x-secret': true }),
    verify: z.boolean().default(true),
    countries: z.array(z.string()).default([]),
    extra: z.record(z.string(), z.json()).optional(),
    ratio: z.number().optional(),
    endpoint: z.url().optional().meta({ operatorOnly: true }),
  }),
);
const fields = fieldsOf(smtp);
const named = (name: string) => {
  const field = fields.find((each) => each.name === name);
  if (!field) throw new Error(name);
  return field;
};

describe('fields of a settings schema', () => {
  it('come in the order of the schema, each of its kind', () => {
    expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
      ['host', 'text'],
      ['port', 'number'],
      ['security', 'choice'],
      ['userName', 'text'],
      ['password', 'secret'],
      ['keyFile', 'secret'],
      ['verify', 'switch'],
      ['countries', 'list'],
      ['extra', 'json'],
      ['ratio', 'number'],
      ['endpoint', 'text'],
    ]);
  });
  it('are required only where nothing stands in for them', () => {
    expect(fields.filter((field) => field.required).map(({ name }) => name)).toEqual(['host', 'keyFile']);
  });
  it('carry what the schema says for people', () => {
    expect(named('host')).toMatchObject({ label: 'Host', placeholder: 'smtp.example.com' });
    expect(named('userName')).toMatchObject({ label: 'User name', nullable: true });
    expect(named('keyFile').long).toBe(true);
    expect(named('password').long).toBe(false);
    expect(named('endpoint').operator).toBe(true);
    expect(named('security').choices.map(({ label }) => label)).toEqual(['starttls', 'tls']);
  });
  it('read unions of constants and references', () => {
    const made = fieldsOf({
      $defs: { level: { enum: ['a', 'b'], description: 'Which.' } },
      properties: {
        size: { anyOf: [{ const: 1 }, { const: 2 }, { type: 'null' }] },
        level: { $ref: '#/$defs/level' },
        old: { type: ['integer', 'null'] },
      },
    });
    expect(made.map(({ kind, nullable }) => [kind, nullable])).toEqual([
      ['choice', true],
      ['choice', false],
      ['number', true],
    ]);
    expect(made[1]?.description).toBe('Which.');
  });
});

describe('what was typed', () => {
  it('begins with defaults, and never with a secret', () => {
    expect(typedFrom(fields, undefined)).toMatchObject({
      port: '587',
      security: '"starttls"',
      verify: true,
      password: '',
    });
    expect(typedFrom(fields, { host: 'a', password: 'leaked' })).toMatchObject({
      host: 'a',
      password: '',
      verify: true,
    });
  });
  it('becomes settings of the right types', () => {
    const typed = {
      ...typedFrom(fields, undefined),
      host: ' mx ',
      keyFile: '  key\n',
      extra: '{"a":[1]}',
      countries: ['DE'],
    };
    expect(settingsFrom(fields, typed)).toEqual({
      host: 'mx',
      port: 587,
      security: 'starttls',
      userName: null,
      keyFile: '  key\n',
      verify: true,
      countries: ['DE'],
      extra: { a: [1] },
    });
  });
  it('sends only what differs; an empty secret stays as it is, an emptied field becomes null', () => {
    const opened = typedFrom(fields, { host: 'a', port: 25, userName: 'u', verify: true });
    expect(settingsFrom(fields, opened, opened)).toEqual({});
    expect(settingsFrom(fields, { ...opened, port: '26', userName: '', password: '' }, opened)).toEqual({
      port: 26,
      userName: null,
    });
  });
});

describe('fault', () => {
  it.each([
    ['host', '', 'Host is needed.'],
    ['host', 'mx', undefined],
    ['port', 'abc', 'Write a number.'],
    ['port', '1.5', 'Write a whole number.'],
    ['port', '0', 'Must be 1 or more.'],
    ['port', '70000', 'Must be 65535 or less.'],
    ['ratio', '1.5', undefined],
    ['extra', '{', 'Write valid JSON.'],
    ['keyFile', '', 'Key file is needed.'],
  ])('%s %j', (name, value, sentence) => {
    expect(fault(named(name), value, false)).toBe(sentence);
  });
  it('lets a required secret that is set stay empty', () => {
    expect(fault(named('keyFile'), '', true)).toBeUndefined();
  });
  it('leaves a pattern that it cannot read to the server', () => {
    const [field] = fieldsOf({ properties: { a: { type: 'string', pattern: '(' } } });
    expect(field && fault(field, 'x', false)).toBeUndefined();
  });
});
