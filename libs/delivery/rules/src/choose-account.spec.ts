import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseAccount, type AccountChoice } from './choose-account.js';

const a: AccountChoice = { id: 'a', position: 0, weight: 3 };
const b: AccountChoice = { id: 'b', position: 0, weight: 1 };
const later: AccountChoice = { id: 'later', position: 5, weight: 100 };
const fresh = { tries: 0, lastAccountId: null };

describe('chooseAccount', () => {
  it.each<[string, AccountChoice[], { tries: number; lastAccountId: string | null }, number, string?]>([
    ['nothing from nothing', [], fresh, 0, undefined],
    ['the only one', [a], fresh, 0.99, 'a'],
    ['the lowest position, whatever the weights', [later, a], fresh, 0.99, 'a'],
    ['by weight, lower share', [a, b], fresh, 0.74, 'a'],
    ['by weight, upper share', [a, b], fresh, 0.75, 'b'],
    ['another one after a failure', [a, b], { tries: 1, lastAccountId: 'a' }, 0, 'b'],
    ['another position after a failure', [a, later], { tries: 1, lastAccountId: 'a' }, 0, 'later'],
    ['the same one when there is no other', [a], { tries: 3, lastAccountId: 'a' }, 0, 'a'],
    [
      'the last account again when nothing was tried: it was given back',
      [a, later],
      { tries: 0, lastAccountId: 'a' },
      0,
      'a',
    ],
    ['no share for weight 0', [{ ...a, weight: 0 }, b], fresh, 0, 'b'],
    ['weight 0 when all have it', [{ ...a, weight: 0 }], fresh, 0.5, 'a'],
  ])('chooses %s', (_, accounts, facts, random, id) => {
    expect(chooseAccount(accounts, facts, random)?.id).toBe(id);
  });

  it('gives each account of a position its share', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(weights, (shares) => {
        fc.pre(shares.some((w) => w > 0));
        const accounts = shares.map((weight, i) => ({ id: String(i), position: 1, weight }));
        const all = shares.reduce((sum, w) => sum + w, 0);
        const steps = all * 100;
        const taken = new Map<string, number>();
        for (let i = 0; i < steps; i++) {
          const id = chooseAccount([...accounts, later], fresh, i / steps)?.id ?? '';
          taken.set(id, (taken.get(id) ?? 0) + 1);
        }
        for (const account of accounts)
          expect(Math.abs((taken.get(account.id) ?? 0) - account.weight * 100)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
