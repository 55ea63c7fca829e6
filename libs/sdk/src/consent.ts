/** Topics, consent and suppression, as a caller sees them. */
import type {
  AuditEntry,
  AuditVerification,
  BodyInputOf,
  ConsentPolicy,
  PersonConsents,
  Channel,
  ResponseOf,
  Suppression,
  Topic,
} from '@carillon/contracts';
import { List } from './pages.js';
import type { Paging } from './resources.js';
import type { CallOptions, Requests } from './requests.js';

/** Which suppressions. */
export interface SuppressionQuery {
  channel?: Channel;
  reason?: Suppression['reason'];
  search?: string;
  from?: string;
  to?: string;
}

export class Topics {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** In the order of the preference page. */
  async list(options?: CallOptions): Promise<Topic[]> {
    return (await this.requests.call('listTopics', { options })).items;
  }

  /** Creates the topic or changes it as a whole. */
  save(key: string, topic: BodyInputOf<'saveTopic'>, options?: CallOptions): Promise<Topic> {
    return this.requests.call('saveTopic', { params: { key }, body: topic, options });
  }

  /** Puts it away; what people said about it stays and counts. */
  archive(key: string, options?: CallOptions): Promise<void> {
    return this.requests.call('archiveTopic', { params: { key }, options });
  }
}

export class Consents {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** What a person said, now and before. */
  get(externalId: string, options?: CallOptions): Promise<PersonConsents> {
    return this.requests.call('getConsents', { params: { externalId }, options });
  }

  /** Records words; they hold when this resolves. */
  set(
    externalId: string,
    consents: BodyInputOf<'setConsents'>['consents'],
    options?: CallOptions,
  ): Promise<PersonConsents> {
    return this.requests.call('setConsents', { params: { externalId }, body: { consents }, options });
  }

  /** The workspace's rules about consent, soft bounces and keywords. */
  policy(options?: CallOptions): Promise<ConsentPolicy> {
    return this.requests.call('getConsentPolicy', { options });
  }

  /** What is left out gets its default. */
  setPolicy(policy: BodyInputOf<'setConsentPolicy'>, options?: CallOptions): Promise<ConsentPolicy> {
    return this.requests.call('setConsentPolicy', { body: policy, options });
  }
}

export class Privacy {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** Erases a person for good: the profile and what every message to them said. All of it, or nothing. */
  erase(externalId: string, options?: CallOptions): Promise<ResponseOf<'erasePerson'>> {
    return this.requests.call('erasePerson', { body: { externalId }, options });
  }

  /** Everything that is kept of a person. */
  export(externalId: string, options?: CallOptions): Promise<ResponseOf<'exportPerson'>> {
    return this.requests.call('exportPerson', { params: { externalId }, options });
  }

  /** Who erased, exported, released and recorded what, newest first. */
  audit(query: Paging = {}, options?: CallOptions): List<AuditEntry> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listAudit', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Whether the audit log is as it was written. Keep its `head` elsewhere, and ask again later. */
  verifyAudit(options?: CallOptions): Promise<AuditVerification> {
    return this.requests.call('verifyAudit', { options });
  }
}

export class Suppressions {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** Newest first. `search` takes an address, or `@example.com` for a domain and its addresses. */
  list(query: SuppressionQuery & Paging = {}, options?: CallOptions): List<Suppression> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listSuppressions', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Adds up to 1,000 addresses or domains; gives how many are new. */
  async add(
    suppressions: BodyInputOf<'addSuppressions'>['suppressions'],
    options?: CallOptions,
  ): Promise<number> {
    return (await this.requests.call('addSuppressions', { body: { suppressions }, options })).added;
  }

  /** Counts what matches; with `dryRun: false` takes it off the list. */
  release(
    which: BodyInputOf<'releaseSuppressions'>,
    options?: CallOptions,
  ): Promise<ResponseOf<'releaseSuppressions'>> {
    return this.requests.call('releaseSuppressions', { body: which, options });
  }
}
