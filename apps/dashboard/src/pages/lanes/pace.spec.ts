import type { LaneRun, LaneState } from '@carillon/contracts';
import { describe, expect, it } from '@jest/globals';
import { paceOf, sumOf } from './pace.js';

const now = new Date('2027-03-01T12:00:00Z');
const lane = (more: Partial<LaneState>): LaneState => ({
  channel: 'email',
  lane: 'transactional',
  queued: 0,
  scheduled: 0,
  sending: 0,
  oldestWaitSeconds: null,
  perMinute: 0,
  emptyAt: null,
  share: null,
  runs: [],
  ...more,
});
const run = (more: Partial<LaneRun>): LaneRun => ({
  id: '019383a0-7a1c-7000-8000-000000000001',
  title: null,
  source: 'campaign',
  sourceId: null,
  messageId: '019383a0-7a1c-7000-8000-000000000002',
  state: 'running',
  pausedReason: null,
  plannedAt: '2027-03-01T11:00:00Z',
  members: 1000,
  pending: 1000,
  pagesInFlight: 0,
  perMinute: 0,
  rate: null,
  share: 1,
  ...more,
});

describe('how a lane fares', () => {
  it.each([
    ['clear', lane({ scheduled: 9 })],
    ['moving', lane({ sending: 1 })],
    ['moving', lane({ queued: 5, oldestWaitSeconds: 2 })],
    ['moving', lane({ queued: 5, oldestWaitSeconds: 12, perMinute: 40 })],
    ['behind', lane({ queued: 5, oldestWaitSeconds: 45, perMinute: 40 })],
    ['moving', lane({ lane: 'journey', queued: 5, oldestWaitSeconds: 45, perMinute: 40 })],
    ['stalled', lane({ queued: 5, oldestWaitSeconds: 61 })],
    ['moving', lane({ lane: 'bulk', queued: 1000, runs: [run({ pagesInFlight: 1 })] })],
    ['stalled', lane({ lane: 'bulk', queued: 1000, runs: [run({})] })],
    ['moving', lane({ lane: 'bulk', queued: 1000, runs: [run({ plannedAt: '2027-03-01T11:59:50Z' })] })],
    ['clear', lane({ lane: 'bulk', runs: [run({ state: 'paused' })] })],
  ] as const)('%s', (pace, state) => {
    expect(paceOf(state, now)).toBe(pace);
  });

  it('adds channels up, and is as slow as the slowest', () => {
    const sum = sumOf(
      [
        lane({ queued: 5, scheduled: 1, oldestWaitSeconds: 61 }),
        lane({
          channel: 'sms',
          queued: 7,
          oldestWaitSeconds: 1,
          perMinute: 30,
          emptyAt: '2027-03-01T12:01:00Z',
        }),
      ],
      now,
    );
    expect(sum).toMatchObject({ queued: 12, scheduled: 1, perMinute: 30, oldestWaitSeconds: 61 });
    expect(sum).toMatchObject({ pace: 'stalled', emptyAt: null });
  });
});
