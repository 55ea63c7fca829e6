/** One person with everything that rules look at: what the evaluator asks. */
export interface Person {
  id: string;
  externalId: string;
  email: string | null;
  phone: string | null;
  locale: string | null;
  timezone: string | null;
  phoneZone: string | null;
  createdAt: Date;
  updatedAt: Date;
  attributes: Readonly<Record<string, unknown>>;
  activity: Readonly<Record<string, number | Date | null>>;
  events: readonly PersonEvent[];
  messages: readonly PersonMessage[];
  /** Of the person and of their present addresses. */
  consents: readonly {
    about: 'profile' | 'address';
    channel: string;
    topic: string;
    word: 'in' | 'out' | 'pending';
  }[];
  /** Of their present addresses. */
  suppressions: readonly { channel: string; reason: string }[];
  devices: readonly { platform: string; app: string | null; lastSeenAt: Date }[];
  /** Ids of the audiences that keep them as a member. */
  memberOf: ReadonlySet<string>;
}
export interface PersonEvent {
  id: string;
  name: string;
  at: Date;
  properties: Readonly<Record<string, unknown>>;
}
export interface PersonMessage {
  channel: string;
  class: string;
  topic: string | null;
  /** Key of its template. */
  template: string | null;
  source: string;
  sourceId: string | null;
  /** The campaign of its run. */
  campaign: string | null;
  status: string;
  reason: string | null;
  createdAt: Date;
  sentAt: Date | null;
  deliveredAt: Date | null;
  /** Lines of its timeline. */
  told: readonly { type: string; at: Date }[];
}
