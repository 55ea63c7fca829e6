import { endStatuses, reasons, statuses, type Status } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { mayFollow, receiptFrom, redrivable, settledWhileWaiting } from './transitions.js';

describe('transitions', () => {
  it('lets ends be ends, but for the named exceptions', () => {
    const open: Status[] = ['sent', 'delivered', 'unknown', 'failed'];
    // What was stopped while it waited to be sent again had left before, says a receipt.
    const stopped: Status[] = ['cancelled', 'suppressed', 'expired'];
    for (const from of stopped)
      expect(statuses.filter((to) => mayFollow(from, to))).toEqual(['sent', 'delivered']);
    for (const from of endStatuses)
      for (const to of statuses)
        if (!open.includes(from) && !stopped.includes(from))
          expect(`${from} → ${to}: ${mayFollow(from, to)}`).toBe(`${from} → ${to}: false`);
    expect(statuses.filter((to) => mayFollow('delivered', to))).toEqual(['failed']);
    expect(statuses.filter((to) => mayFollow('sent', to))).toEqual(['delivered', 'failed']);
    // A person's word alone.
    expect(statuses.filter((to) => mayFollow('failed', to))).toEqual(['scheduled']);
    for (const from of redrivable) expect(mayFollow(from, 'scheduled')).toBe(true);
  });

  it('lets receipts go only where the table allows, or from sending, which they may overtake', () => {
    for (const status of ['sent', 'delivered', 'failed'] as const)
      for (const from of [...receiptFrom(status), ...settledWhileWaiting(status)])
        expect(mayFollow(from, status)).toBe(true);
    expect(receiptFrom('sent')).not.toContain('delivered');
  });

  it('gives every reason an existing status and a sentence', () => {
    for (const reason of Object.values(reasons)) {
      expect(statuses).toContain(reason.ends);
      expect(reason.sentence).toMatch(/^[A-Z].*\.$/);
    }
  });
});
