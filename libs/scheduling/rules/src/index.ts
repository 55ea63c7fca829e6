/** Pure rules of planning: durations, recurrence, the lives of campaigns and journeys, variants, and what a journey does next. */

export {
  instantOf,
  nextOccurrence,
  occurrencesBetween,
  recurrenceFault,
  type Recurrence,
} from './occurrences.js';
export { judge, winnerOf, type Seen } from './variant-test.js';
export { liftOf, type Counted } from './lift.js';
export { alarm, refusal, type CampaignStepName } from './campaign-life.js';
export { explainJourney, type ExplainedJourney, type JourneyRecord } from './explain-journey.js';
export { approvalBy, approverWords, mayNotApprove, type Approver } from './approval.js';
export { differences } from './differences.js';
export { durationMs, perSecond } from './duration.js';
export { journeyRefusal, remembers, type JourneyAsked } from './journey-life.js';
export { journeyListens, journeyNames, lintJourney, type JourneyNames } from './lint-journey.js';
export {
  afterEffect,
  businessEntry,
  entryOf,
  entryRefusals,
  factsWanted,
  journeySignal,
  journeyStep,
  mayEnter,
  MOST_DIGEST,
  valueAt,
  type Before,
  type Done,
  type Effect,
  type EntryRefusal,
  type Facts,
  type JourneyData,
  type Move,
  type Place,
  type Signal,
} from './journey-step.js';
export { follow, journeyMessage, newVisit, type JourneyMessage, type Visit } from './journey-place.js';
