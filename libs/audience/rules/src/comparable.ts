/** What a rule says about an address, brought to the spelling that addresses are kept in. */
import type { Scalar, Test } from '@carillon/contracts';
import { normalizeEmail } from './email.js';
import { normalizePhone } from './phone.js';

/** @returns the test with its addresses as profiles have them; what is no address stays as it was written */
export function comparable<T extends Test>(field: string, test: T): T {
  if (field !== 'email' && field !== 'phone') return test;
  const one = (value: Scalar): Scalar => {
    if (typeof value !== 'string') return value;
    const checked = field === 'email' ? normalizeEmail(value) : normalizePhone(value);
    return checked.ok ? checked.value : value;
  };
  return {
    ...test,
    ...(test.is !== undefined && { is: one(test.is) }),
    ...(test.isNot !== undefined && { isNot: one(test.isNot) }),
    ...(test.in && { in: test.in.map(one) }),
    ...(test.notIn && { notIn: test.notIn.map(one) }),
    // Parts of addresses are no addresses: only their case is brought along.
    ...(field === 'email' && test.contains !== undefined && { contains: test.contains.toLowerCase() }),
    ...(field === 'email' && test.startsWith !== undefined && { startsWith: test.startsWith.toLowerCase() }),
    ...(field === 'email' && test.endsWith !== undefined && { endsWith: test.endsWith.toLowerCase() }),
  };
}
