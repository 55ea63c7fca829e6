/** Journeys to begin with: those of the SDK, and one that does nothing yet. */
import type { JourneyDefinition } from '@carillon/contracts';
import { readyJourneys } from '@carillon/sdk/ready';

export interface Ready {
  key: string;
  name: string;
  means: string;
  definition: JourneyDefinition;
}
const rest: Pick<JourneyDefinition, 'zone' | 'mostStay' | 'exits' | 'priority'> = {
  zone: 'person',
  mostStay: '365d',
  exits: [],
  priority: 50,
};

/** With what the API would fill in: a spec of the SDK sees that this is all. */
export const ready: Ready[] = readyJourneys.map((one) => ({
  ...one,
  definition: { ...rest, ...one.definition } as JourneyDefinition,
}));
/** The least there can be. */
export const blank: JourneyDefinition = {
  ...rest,
  entry: { kind: 'api' },
  reentry: { kind: 'after' },
  start: 'end',
  steps: { end: { kind: 'end', outcome: 'done' } },
};
export const keyFrom = (name: string): string =>
  name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);
