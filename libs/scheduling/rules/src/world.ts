/**
 * Journeys in memory: apart from the other rules (`@carillon/scheduling-rules/world`), because it knows the gate and reads
 * templates, which whoever asks only for the next step need not load.
 */
export {
  JourneyWorld,
  type Answer,
  type Behaviour,
  type Means,
  type Played,
  type Refused,
  type Somebody,
  type Walker,
  type WayLine,
  type WorldDelivery,
  type WorldMessage,
  type WorldSettings,
} from './journey-world.js';
export { WorldContents, type Said, type WorldTemplate } from './world-contents.js';
export { Behaviours, type Chances } from './world-behaviour.js';
