/** The gate's rules of a workspace: quiet hours, frequency caps, holdouts, allow list. */
import type { BodyInputOf, Gate, GateTried, ResponseOf } from '@carillon/contracts';
import type { CallOptions, Requests } from './requests.js';

export class WorkspaceGate {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** The rules as they stand. */
  get(options?: CallOptions): Promise<Gate> {
    return this.requests.call('getGate', { options });
  }

  /** The whole document: what is left out gets its default. With `ifVersion` it is refused when somebody else was faster. */
  set(rules: BodyInputOf<'setGate'>, options?: CallOptions): Promise<Gate> {
    return this.requests.call('setGate', { body: rules, options });
  }

  /** The rules as they stood, the newest first. */
  async versions(options?: CallOptions): Promise<ResponseOf<'listGateVersions'>['items']> {
    return (await this.requests.call('listGateVersions', { options })).items;
  }

  /** What the gate would say to a message, without sending one. */
  try(message: BodyInputOf<'tryGate'>, options?: CallOptions): Promise<GateTried> {
    return this.requests.call('tryGate', { body: message, options });
  }

  /** How full the capacities are, and what waits for them. */
  async capacity(options?: CallOptions): Promise<ResponseOf<'getCapacity'>['items']> {
    return (await this.requests.call('getCapacity', { options })).items;
  }

  /** Nothing that this person was sent counts for caps any more. */
  resetCaps(profile: string, options?: CallOptions): Promise<ResponseOf<'resetCaps'>> {
    return this.requests.call('resetCaps', { body: { profile }, options });
  }
}
