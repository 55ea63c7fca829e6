import { CampaignDefinition, type ApprovalRule } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { approvalBy, approverWords, differences, mayNotApprove, type Approver } from './index.js';

const definition = CampaignDefinition.parse({
  audience: 'pros',
  channels: ['email', 'sms'],
  content: { email: { subject: 'S', text: 'T' }, sms: { body: 'B' } },
  topic: 'offers',
});
const owner = { roles: ['owner' as const] };

describe('who has to approve', () => {
  it.each<[string, ApprovalRule['when'], number, boolean]>([
    ['nothing said', {}, 0, true],
    ['more people', { morePeopleThan: 100 }, 101, true],
    ['not more people', { morePeopleThan: 100 }, 100, false],
    ['one of its channels', { channels: ['sms', 'push'] }, 1, true],
    ['none of its channels', { channels: ['push'] }, 1, false],
    ['its class', { classes: ['marketing'] }, 1, true],
    ['another class', { classes: ['transactional'] }, 1, false],
    ['its topic', { topics: ['offers'] }, 1, true],
    ['another topic', { topics: ['news'] }, 1, false],
    ['its audience', { audiences: ['pros'] }, 1, true],
    ['another audience', { audiences: ['all'] }, 1, false],
    ['one of two does not fit', { topics: ['offers'], morePeopleThan: 5 }, 5, false],
  ])('%s', (_, when, people, fits) => {
    expect(approvalBy([{ when, by: owner }], definition, people)).toEqual(fits ? owner : null);
  });

  it('is said by the first rule that fits, or by the policy as a whole', () => {
    const rules = [
      { when: { topics: ['news'] }, by: {} },
      { when: {}, by: owner },
      { when: {}, by: { people: ['x@example.com'] } },
    ];
    expect(approvalBy(rules, definition, 1)).toEqual(owner);
    expect(approvalBy('another_person', definition, 0)).toEqual({});
    expect(approvalBy('none', definition, 9)).toBeNull();
    expect(approvalBy(undefined, definition, 9)).toBeNull();
  });

  it.each([
    [
      'the author, whatever they are',
      { roles: ['owner' as const] },
      { actor: 'user:a', role: 'owner' as const },
      false,
    ],
    ['an owner', owner, { role: 'owner' as const }, true],
    ['an editor where an owner is asked for', owner, { role: 'editor' as const }, false],
    ['a key where a role is asked for', owner, { role: null }, false],
    ['a key where anybody may', {}, { role: null }, true],
    [
      'who is named',
      { people: ['Bea@Example.com'] },
      { email: 'bea@example.com', role: 'editor' as const },
      true,
    ],
    [
      'who is not',
      { people: ['bea@example.com'] },
      { email: 'ada@example.com', role: 'owner' as const },
      false,
    ],
  ])('%s', (_, by, who, may) => {
    const nobody: Approver = { actor: 'user:b', role: null, email: null };
    const why = mayNotApprove(by, { ...nobody, ...who }, 'user:a');
    expect(why === null).toBe(may);
  });

  it('in words', () => {
    expect(approverWords({ roles: ['owner', 'editor'], people: ['a@b.c'] })).toBe(
      'an owner or an editor or a@b.c',
    );
    expect(approverWords({})).toBe('somebody who did not write it');
  });
});

describe('differences', () => {
  it.each([
    ['nothing', { a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 2 }] } }, []],
    ['the order of names', { a: 1, b: 2 }, { b: 2, a: 1 }, []],
    ['left out and null', { a: null }, {}, []],
    ['a value', { a: { 'b/~': 1 } }, { a: { 'b/~': 2 } }, [{ at: '/a/b~1~0', before: 1, after: 2 }]],
    ['something new', {}, { a: { b: 1 } }, [{ at: '/a', before: null, after: { b: 1 } }]],
    ['inside a list', { a: [1, 2] }, { a: [1, 3] }, [{ at: '/a/1', before: 2, after: 3 }]],
    ['a longer list', { a: [1] }, { a: [1, 2] }, [{ at: '/a', before: [1], after: [1, 2] }]],
    ['a list that was none', { a: {} }, { a: [] }, [{ at: '/a', before: {}, after: [] }]],
  ])('%s', (_, before, after, changes) => {
    expect(differences(before, after)).toEqual(changes);
  });
});
