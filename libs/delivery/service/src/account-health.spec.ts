import type { ReasonName, Status } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { healthOf, type Tally } from './account-health.js';

const at = new Date('2026-03-01T12:00:00Z');
const tally = (
  status: Status,
  lastHour: number,
  reason: ReasonName | null = null,
  minutesAgo = 5,
): Tally => ({
  status,
  reason,
  lastHour,
  lastAt: new Date(at.getTime() - minutesAgo * 60_000),
});

describe('healthOf', () => {
  it.each<[string, Tally[], ReturnType<typeof healthOf>['state']]>([
    ['nothing', [], 'idle'],
    ['only old deliveries', [tally('sent', 0)], 'idle'],
    ['successes', [tally('sent', 5), tally('delivered', 5)], 'healthy'],
    ['few failures', [tally('sent', 95), tally('failed', 5, 'rejected')], 'healthy'],
    ['a tenth of failures', [tally('sent', 90), tally('failed', 10, 'rejected')], 'degraded'],
    ['half of failures', [tally('sent', 5), tally('scheduled', 5, 'retry')], 'failing'],
    ['silence', [tally('unknown', 3, 'no_answer')], 'failing'],
    ['recipients who do not exist', [tally('sent', 5), tally('failed', 95, 'recipient_unknown')], 'healthy'],
    ['what waits for its time', [tally('sent', 1), tally('scheduled', 9, 'send_later')], 'healthy'],
  ])('judges %s as %3$s', (_name, tallies, state) => {
    expect(healthOf(tallies, null).state).toBe(state);
  });

  it('counts the last hour, and tells the latest of each', () => {
    expect(
      healthOf(
        [
          tally('sent', 7, null, 10),
          tally('delivered', 3, null, 2),
          tally('failed', 1, 'rejected', 30),
          tally('failed', 1, 'bounced', 20),
        ],
        null,
      ),
    ).toEqual({
      state: 'healthy',
      sentence: 'It sent 10 in the last hour.',
      sentLastHour: 10,
      failedLastHour: 2,
      lastSuccessAt: '2026-03-01T11:58:00.000Z',
      lastFailureAt: '2026-03-01T11:40:00.000Z',
      lastFailure: 'The receiving side returned it after accepting it.',
    });
  });

  it('says why it is paused before anything else', () => {
    expect(healthOf([tally('sent', 5)], { reason: 'The provider refused the credentials.' })).toMatchObject({
      state: 'paused',
      sentence: 'The provider refused the credentials.',
      sentLastHour: 5,
    });
  });
});
