/** Audiences: rules and lists of people, their members and their changes. */
import type {
  Audience,
  AudienceChanges,
  AudienceExplanation,
  AudienceMember,
  AudiencePreview,
  AudienceVocabulary,
  BodyInputOf,
  MembersChanged,
} from '@carillon/contracts';
import { List } from './pages.js';
import { piecesOf, type CallOptions, type Requests } from './requests.js';
import type { Paging } from './resources.js';

export class Audiences {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  list(
    query: Paging & { search?: string; archived?: 'true' | 'false' } = {},
    options?: CallOptions,
  ): List<Audience> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listAudiences', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  get(key: string, options?: CallOptions): Promise<Audience> {
    return this.requests.call('getAudience', { params: { key }, options });
  }

  /**
   * Creates or changes an audience. Rules are written as JSON or with `audience()`:
   *
   * ```ts
   * await carillon.audiences.save('active-pros', {
   *   name: 'Active pros',
   *   live: true,
   *   definition: audience()
   *     .where(attribute('plan').is('pro'))
   *     .and(event('order.placed').atLeast(3).within('30d'))
   *     .toJSON(),
   * });
   * ```
   */
  save(key: string, audience: BodyInputOf<'saveAudience'>, options?: CallOptions): Promise<Audience> {
    return this.requests.call('saveAudience', { params: { key }, body: audience, options });
  }

  /** Puts it away; it keeps no members from then on. */
  archive(key: string, options?: CallOptions): Promise<void> {
    return this.requests.call('archiveAudience', { params: { key }, options });
  }

  /** How many a rule holds for, ten of them, and how they can be reached. Saves nothing. */
  preview(
    definition: BodyInputOf<'previewAudience'>['definition'],
    options?: CallOptions,
  ): Promise<AudiencePreview> {
    return this.requests.call('previewAudience', { body: { definition }, options });
  }

  /** Why a person is or is not in it, clause by clause. */
  explain(key: string, externalId: string, options?: CallOptions): Promise<AudienceExplanation> {
    return this.requests.call('explainAudience', {
      params: { key },
      query: { profile: externalId },
      options,
    });
  }

  /** Attributes, events and topics that occur. */
  vocabulary(options?: CallOptions): Promise<AudienceVocabulary> {
    return this.requests.call('getAudienceVocabulary', { options });
  }

  /** Who is in it; with `after`, only who entered by a later change than that seq. */
  members(key: string, query: Paging & { after?: number } = {}, options?: CallOptions): List<AudienceMember> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('listMembers', { params: { key }, query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Adds people to a list and removes others, by external id: up to 10,000 of each. */
  changeMembers(
    key: string,
    change: BodyInputOf<'changeMembers'>,
    options?: CallOptions,
  ): Promise<MembersChanged> {
    return this.requests.call('changeMembers', { params: { key }, body: change, options });
  }

  /** Makes a list hold these people and no others. */
  replaceMembers(key: string, externalIds: string[], options?: CallOptions): Promise<MembersChanged> {
    return this.requests.call('replaceMembers', {
      params: { key },
      body: { profiles: externalIds },
      options,
    });
  }

  /** Who entered and left after a seq, in order: keep `lastSeq` of the answer and ask after it next time. */
  changes(
    key: string,
    query: { after?: number; limit?: number } = {},
    options?: CallOptions,
  ): Promise<AudienceChanges> {
    return this.requests.call('listAudienceChanges', { params: { key }, query, options });
  }

  /** Everybody in it as a file, in pieces of text as they arrive. */
  async *export(
    key: string,
    format: 'csv' | 'jsonl' = 'csv',
    options?: CallOptions,
  ): AsyncGenerator<string, void, undefined> {
    const response = await this.requests.open(format === 'csv' ? 'exportMembers' : 'exportMembersJson', {
      params: { key },
      options,
      headers: { accept: format === 'csv' ? 'text/csv' : 'application/x-ndjson' },
    });
    yield* piecesOf(response);
  }
}
