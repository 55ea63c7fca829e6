import { describe, expect, it } from '@jest/globals';
import { afterFinding, afterHold, FIRST_LOOKUP_MS, RECONCILE_WINDOW_MS } from './reconcile.js';

describe('an unknown delivery that is held', () => {
  it('is looked up at growing distances, within the window, and then left to a person', () => {
    const asked: number[] = [];
    let at = FIRST_LOOKUP_MS;
    for (let next = afterHold(at, true); next.kind === 'lookUp'; next = afterHold(at, true)) {
      asked.push(at);
      expect(next.againMs).toBeGreaterThan(0);
      at += next.againMs;
      expect(at).toBeLessThanOrEqual(RECONCILE_WINDOW_MS);
    }
    expect(asked.length).toBeGreaterThan(3);
    expect(asked.length).toBeLessThan(10);
    expect(afterHold(at, true)).toEqual({ kind: 'person' });
  });

  it('waits out the window where nobody can be asked', () => {
    expect(afterHold(FIRST_LOOKUP_MS, false)).toEqual({
      kind: 'wait',
      againMs: RECONCILE_WINDOW_MS - FIRST_LOOKUP_MS,
    });
    expect(afterHold(RECONCILE_WINDOW_MS, false)).toEqual({ kind: 'person' });
  });

  it('is settled by what was found, sent when nothing had left, and stays unknown otherwise', () => {
    expect(afterFinding({ kind: 'found', status: 'sent', providerMessageId: null, answer: {} })).toEqual({
      kind: 'settled',
      status: 'sent',
    });
    expect(afterFinding({ kind: 'absent', answer: {} })).toEqual({ kind: 'send' });
    expect(afterFinding({ kind: 'unclear', answer: {} })).toEqual({ kind: 'stillUnknown' });
  });
});
