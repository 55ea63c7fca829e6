/** The rows of the matrix, as they are written down. */
import { failpoints } from '@carillon/config';
import { describe, expect, it } from '@jest/globals';
import { scenarios } from './scenarios.mjs';

describe('the matrix', () => {
  it.each(scenarios.map((one) => [`${one.name} (${one.queue ?? 'postgres'})`, one]))(
    'says of %s how long a recovery may take, and how many faults must strike',
    (_, { recoverySeconds, faultsAtLeast }) => {
      expect(recoverySeconds).toBeGreaterThan(0);
      expect(faultsAtLeast).toBeGreaterThan(0);
    },
  );

  it('plays every failpoint', () => {
    const told = scenarios.map((one) => `${one.how} ${one.during} ${one.name}`).join('\n');
    expect(
      failpoints.filter((name) => !told.includes(name.replace(/^journey-\w+-commit$/, 'journey-'))),
    ).toEqual([]);
  });
});
