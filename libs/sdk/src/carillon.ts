/** The client: options in, one property per kind of thing. */
import type { Me } from '@carillon/contracts';
import { Campaigns } from './campaigns.js';
import { Journeys } from './journeys.js';
import { Consents, Privacy, Suppressions, Topics } from './consent.js';
import { WorkspaceGate } from './gate.js';
import { Imports } from './imports.js';
import type { CallOptions, CarillonOptions } from './requests.js';
import { Audiences } from './audiences.js';
import { Requests } from './requests.js';
import { outbox, type Outbox, type OutboxTransaction } from './outbox.js';
import {
  Accounts,
  AttributeTypes,
  Deliveries,
  Events,
  Failures,
  Inbox,
  Keys,
  Lanes,
  Messages,
  Profiles,
  Redrives,
  Session,
  Templates,
  Webhooks,
  WorkspacePolicies,
} from './resources.js';
import type { AnyTemplates } from './templates.js';

/**
 * Sends messages and reads what became of them.
 *
 * ```ts
 * const carillon = new Carillon({ apiKey: 'ck_…', baseUrl: 'https://carillon.example.com' });
 * await carillon.messages.send({
 *   to: { profile: 'ada' },
 *   channels: ['email', 'push'],
 *   template: 'order-shipped',
 *   data: { orderId: '1042' },
 * });
 * ```
 *
 * Give the interface written by `carillon types` to have templates and their data checked by the compiler:
 * `new Carillon<Templates>({ … })`.
 *
 * Every call throws CarillonError or one of its kinds, see ApiProblem.
 */
export class Carillon<Known = AnyTemplates> {
  readonly messages: Messages<Known>;
  readonly deliveries: Deliveries;
  readonly failures: Failures;
  readonly redrives: Redrives;
  readonly policies: WorkspacePolicies;
  readonly gate: WorkspaceGate;
  readonly profiles: Profiles;
  readonly topics: Topics;
  readonly consents: Consents;
  readonly suppressions: Suppressions;
  readonly attributeTypes: AttributeTypes;
  readonly events: Events;
  readonly audiences: Audiences;
  readonly imports: Imports;
  readonly privacy: Privacy;
  readonly campaigns: Campaigns;
  readonly journeys: Journeys;
  readonly templates: Templates;
  readonly accounts: Accounts;
  readonly lanes: Lanes;
  readonly webhooks: Webhooks;
  readonly inbox: Inbox;
  readonly keys: Keys;
  readonly session: Session;
  readonly #requests: Requests;

  constructor(options: CarillonOptions) {
    const requests = new Requests(options);
    this.#requests = requests;
    this.messages = new Messages(requests);
    this.deliveries = new Deliveries(requests);
    this.failures = new Failures(requests);
    this.redrives = new Redrives(requests);
    this.policies = new WorkspacePolicies(requests);
    this.gate = new WorkspaceGate(requests);
    this.profiles = new Profiles(requests);
    this.topics = new Topics(requests);
    this.consents = new Consents(requests);
    this.suppressions = new Suppressions(requests);
    this.attributeTypes = new AttributeTypes(requests);
    this.events = new Events(requests);
    this.audiences = new Audiences(requests);
    this.imports = new Imports(requests);
    this.privacy = new Privacy(requests);
    this.campaigns = new Campaigns(requests);
    this.journeys = new Journeys(requests);
    this.templates = new Templates(requests);
    this.accounts = new Accounts(requests);
    this.lanes = new Lanes(requests);
    this.webhooks = new Webhooks(requests);
    this.inbox = new Inbox(requests);
    this.keys = new Keys(requests);
    this.session = new Session(requests);
  }

  /**
   * Sends inside a transaction of your own PostgreSQL: the message exists if and only if that transaction commits. A
   * relay (OutboxRelay of `@carillon/sdk/outbox`) hands it over within a second.
   *
   * @param tx a `pg` client, or a Prisma transaction client, in whose transaction the message is written
   */
  outbox(tx: OutboxTransaction): Outbox<Known> {
    return outbox<Known>(tx);
  }

  /** Who is calling: the workspace, the scopes, and with a session the user. */
  me(options?: CallOptions): Promise<Me> {
    return this.#requests.call('me', { options });
  }
}
