import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { faultIn, parseJson } from './json.js';
import { ProblemException } from './problem.js';

const parse = (text: string | Uint8Array) => {
  try {
    return { value: parseJson(typeof text === 'string' ? Buffer.from(text) : text) };
  } catch (error) {
    if (error instanceof ProblemException)
      return { code: error.code, detail: error.detail, errors: error.options.errors };
    throw error;
  }
};

describe('parseJson', () => {
  it.each(['__proto__', 'constructor', 'prototype', 'a.__proto__.b', 'constructor.prototype'])(
    'refuses the key %s wherever it stands',
    (key) => {
      const answer = parse(`{"data":{"list":[{"x":1},{${JSON.stringify(key)}:{"polluted":true}}]}}`);
      expect(answer).toMatchObject({
        code: 'invalid_request',
        errors: [{ pointer: `/data/list/1/${key}`, code: 'forbidden_key' }],
      });
    },
  );
  it('refuses it however it is spelt', () => {
    expect(parse(String.raw`{"\u005f_proto__":{}}`)).toMatchObject({ code: 'invalid_request' });
  });
  it('lets keys through that only look alike', () => {
    expect(parse('{"prototypes":1,"constructors":2,"__proto":3}')).toEqual({
      value: { prototypes: 1, constructors: 2, __proto: 3 },
    });
  });
  it('names the place of a fault without quoting the body', () => {
    const answer = parse('{"password": "hunter2",,}');
    expect(answer).toMatchObject({
      code: 'malformed_json',
      detail: expect.stringMatching(/character 23|line 1, column 24/),
    });
    expect(JSON.stringify(answer)).not.toContain('hunter2');
  });
  it('refuses what is cut off, what is not UTF-8, and nothing at all', () => {
    expect(parse('{"a":').code).toBe('malformed_json');
    expect(parse(new Uint8Array([0x7b, 0xff, 0x7d])).detail).toMatch(/UTF-8/);
    expect(parse('').code).toBe('malformed_json');
  });
  it('refuses text that cannot be stored: NUL and half surrogates', () => {
    expect(parse(String.raw`{"a":["ok","x\u0000y"]}`)).toMatchObject({
      errors: [{ pointer: '/a/1', code: 'invalid_text' }],
    });
    expect(parse(String.raw`{"a":"\ud83d"}`)).toMatchObject({
      errors: [{ pointer: '/a', code: 'invalid_text' }],
    });
    expect(parse(String.raw`{"a\u0000":1}`)).toMatchObject({ errors: [{ code: 'invalid_text' }] });
    expect(parse(String.raw`{"a":"\ud83d\ude00"}`)).toEqual({ value: { a: '😀' } });
  });
  it('refuses depth instead of exhausting the stack', () => {
    expect(parse('['.repeat(400_000) + ']'.repeat(400_000))).toMatchObject({
      errors: [{ code: 'too_deep' }],
    });
    expect(parse('['.repeat(60) + ']'.repeat(60))).toHaveProperty('value');
  });
  it('gives back any other JSON as JSON.parse does, and never pollutes', () => {
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom('__proto__', 'constructor', 'prototype', 'a.prototype'),
    );
    const tree = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value')),
        fc.array(fc.tuple(key, tie('value'))).map((pairs) => Object.fromEntries(pairs) as unknown),
      ),
    })).value;
    fc.assert(
      fc.property(tree, (value) => {
        const text = JSON.stringify(value);
        const answer = parse(text);
        if ('value' in answer) expect(JSON.stringify(answer.value)).toBe(text);
        expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      }),
    );
  });
});

describe('faultIn', () => {
  it('finds nothing wrong with plain values', () => {
    for (const value of [null, 1, 'text', [], {}, { a: [{ b: 'c' }] }])
      expect(faultIn(value)).toBeUndefined();
  });
});
