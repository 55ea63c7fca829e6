import { describe, expect, it } from '@jest/globals';
import {
  ApiKeyCreate,
  DeliveryList,
  JourneyDefinition,
  ProfileUpsert,
  SendMessage,
} from '@carillon/contracts';
import { z } from 'zod';
import { errorsOf } from './sentences.js';

const errors = (schema: z.ZodType, input: unknown, base?: string) => {
  const result = schema.safeParse(input);
  return result.success ? [] : errorsOf(schema, input, result.error, base);
};
const good = {
  to: { email: 'ana@example.com' },
  channels: ['email'],
  content: { email: { subject: 'Hi', text: 'Hello' } },
};

describe('errorsOf', () => {
  it.each<[string, z.ZodType, unknown, string, string, RegExp]>([
    [
      'a missing field',
      ApiKeyCreate,
      { scopes: ['keys:read'] },
      '/name',
      'required',
      /missing: write a string/,
    ],
    [
      'a kind that there is not',
      JourneyDefinition,
      { entry: { kind: 'api' }, start: 'a', steps: { a: { kind: 'teleport' } } },
      '/steps/a/kind',
      'invalid_value',
      /Write send, wait, .* or end/,
    ],
    [
      'another type',
      ApiKeyCreate,
      { name: 7, scopes: ['keys:read'] },
      '/name',
      'invalid_type',
      /Write a string, not a number/,
    ],
    [
      'a misspelt field',
      SendMessage,
      { ...good, chanels: [] },
      '/chanels',
      'unknown_field',
      /did you mean channels\?/,
    ],
    [
      'a field of nowhere',
      ProfileUpsert,
      { externalId: 'a', role: 'owner' },
      '/role',
      'unknown_field',
      /allowed are externalId, email, phone/,
    ],
    [
      'a misspelt field inside',
      SendMessage,
      { ...good, to: { emial: 'x' } },
      '/to/emial',
      'unknown_field',
      /did you mean email\?/,
    ],
    [
      'an unknown word of a list',
      SendMessage,
      { ...good, channels: ['fax'] },
      '/channels/0',
      'invalid_value',
      /email, sms, push or in-app/,
    ],
    ['an empty list', SendMessage, { ...good, channels: [] }, '/channels', 'too_small', /at least 1 entry/],
    [
      'a long text',
      ApiKeyCreate,
      { name: 'x'.repeat(101), scopes: ['keys:read'] },
      '/name',
      'too_big',
      /at most 100 characters/,
    ],
    [
      'an empty text',
      ApiKeyCreate,
      { name: '', scopes: ['keys:read'] },
      '/name',
      'too_small',
      /must not be empty/,
    ],
    [
      'a time without an offset',
      SendMessage,
      { ...good, sendAt: '2027-01-01 10:00' },
      '/sendAt',
      'invalid_format',
      /2027-01-31T09:00:00Z/,
    ],
    ['a number out of range', DeliveryList, { limit: '999' }, '/limit', 'too_big', /number of at most 200/],
    [
      'a sentence of the contract',
      SendMessage,
      { ...good, route: [{ channel: 'sms', after: 'soon' }] },
      '/route/0/after',
      'invalid_format',
      /for example 5m/,
    ],
    [
      'the right branch of a choice',
      SendMessage,
      { ...good, to: { profile: { externalId: 'a', phon: '1' } } },
      '/to/profile/phon',
      'unknown_field',
      /did you mean phone/,
    ],
    [
      'no branch of a choice',
      SendMessage,
      { ...good, to: { profile: 7 } },
      '/to/profile',
      'invalid',
      /a string or an object/,
    ],
    [
      'null where there must be something',
      SendMessage,
      { ...good, to: null },
      '/to',
      'invalid_type',
      /an object, not null/,
    ],
    ['a list instead of an object', ApiKeyCreate, [], '', 'invalid_type', /an object, not a list/],
    [
      'a slash and a tilde in a name',
      z.strictObject({}),
      { 'a/b~c': 1 },
      '/a~1b~0c',
      'unknown_field',
      /no field/,
    ],
  ])('%s', (_what, schema, input, pointer, code, message) => {
    expect(errors(schema, input)).toContainEqual({ pointer, code, message: expect.stringMatching(message) });
  });

  it('says everything at once', () => {
    expect(
      errors(SendMessage, { channels: ['fax'], to: {}, colour: 'red' })
        .map((e) => e.pointer)
        .sort(),
    ).toEqual(expect.arrayContaining(['/channels/0', '/colour', '/to']));
  });

  it('puts the place of a row before each pointer', () => {
    expect(errors(ProfileUpsert, {}, '/profiles/3')[0]?.pointer).toBe('/profiles/3/externalId');
  });

  it('writes whole sentences and never repeats the value', () => {
    for (const input of [
      { ...good, to: { email: 'secret@example.com', phone: 5 } },
      { ...good, class: 'secret-class' },
      { to: 'secret' },
    ])
      for (const { message } of errors(SendMessage, input)) {
        expect(message).toMatch(/^[A-Z].*\.$/s);
        expect(message).not.toContain('secret');
      }
  });
});
