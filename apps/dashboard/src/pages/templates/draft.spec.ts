import { describe, expect, it } from '@jest/globals';
import { contentFrom, draftOf, exampleData, faults, keyFrom, placeIn, sortErrors } from './draft.js';

const version = {
  version: 1,
  content: {
    email: { subject: 'Hi', html: '<p>x</p>' },
    push: { title: 'T', body: 'B', data: { a: '1' } },
  },
  locales: { fr: { email: { subject: 'Salut', text: 'x' } } },
  variables: [],
  createdAt: '2026-11-24T00:00:00Z',
};

describe('a draft', () => {
  it('goes there and back without loss', () => {
    const draft = draftOf('Name', version);
    expect(contentFrom(draft.content)).toEqual(version.content);
    expect(contentFrom(draft.locales.fr ?? {})).toEqual(version.locales.fr);
  });
  it('leaves empty fields out', () => {
    expect(contentFrom({ email: { subject: 'Hi', html: '', text: 'x', preheader: '  ' } })).toEqual({
      email: { subject: 'Hi', text: 'x' },
    });
  });
  it('says what is missing', () => {
    expect(faults('email', {})).toEqual({ subject: 'Subject is needed.', html: 'Give HTML, text, or both.' });
    expect(faults('push', { title: 'a', body: 'b', data: '{' })).toEqual({ data: 'Write valid JSON.' });
    expect(faults('sms', { body: 'x' })).toEqual({});
  });
});

describe('errors of a preview', () => {
  it('find their field and their place', () => {
    const { fields, other } = sortErrors('email', [
      { pointer: '/content/email/html', message: 'unclosed output, line 3, column 12' },
      { pointer: '/locales/fr/email/subject', message: 'x' },
      { pointer: '/data/name', message: '“name” is not given.' },
      { pointer: '/subject', message: 'bare' },
    ]);
    expect(fields.html).toEqual([{ message: 'unclosed output, line 3, column 12', line: 3, column: 12 }]);
    expect(fields.subject?.map(({ message }) => message)).toEqual(['x', 'bare']);
    expect(other).toEqual(['“name” is not given.']);
  });
  it('keep to the channel that is shown', () => {
    expect(sortErrors('push', [{ pointer: '/content/email/body', message: 'm' }]).fields).toEqual({});
  });
  it.each([
    ['parse error, line:2, col:7', 2, 7],
    ['Line 4: bad', 4, undefined],
    ['no place', undefined, undefined],
  ])('%s', (message, line, column) => expect(placeIn(message)).toEqual({ line, column }));
});

it('makes example data of dotted names', () => {
  expect(
    exampleData([
      { name: 'name', type: 'string', required: true, example: 'Ada' },
      { name: 'order', type: 'object', required: true },
      { name: 'order.id', type: 'number', required: true, example: 7 },
      { name: 'items', type: 'array', required: true },
      { name: 'shop.city', type: 'unknown', required: true },
    ]),
  ).toEqual({ name: 'Ada', order: { id: 7 }, items: [], shop: { city: 'city' } });
});
it.each([
  ['Order shipped!', 'order-shipped'],
  ['Émile’s “Größe”', 'emile-s-gro-e'],
  ['  ', ''],
])('key of %s', (name, key) => expect(keyFrom(name)).toBe(key));
