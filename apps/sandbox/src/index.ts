/** The local stand-in for every provider: real protocols on loopback ports, and a page that shows what arrived. */
export { startSandbox, type SandboxHandle, type SandboxOptions } from './start.js';
export { KnobsError, type Knobs, type KnobsChange, type KnobsPanel } from './knobs.js';
export { emailMagic, pushMagic, smsMagic } from './magic.js';
export { twilioSignature } from './twilio-callbacks.js';
export type {
  Received,
  ReceivedEmail,
  ReceivedFilter,
  ReceivedPush,
  ReceivedSms,
  SandboxChannel,
  Totals,
} from './received.js';
