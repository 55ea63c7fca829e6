/** Audiences as callers see them: lists, incremental reads, files, explanations, and refusals that say what to write. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type {
  Audience,
  AudienceChanges,
  AudienceExplanation,
  AudienceMember,
  AudiencePreview,
  AudienceVocabulary,
  AuditEntry,
  ImportPreview,
  MembersChanged,
  OperationName,
  Page,
  Problem,
} from '@carillon/contracts';
import { forgetChanges } from '@carillon/audience-service';
import { apiFixture, type ApiFixture, type AskOptions } from './api.fixture.js';

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
  const profiles = Array.from({ length: 25 }, (_, i) => ({
    externalId: `p${String(i).padStart(2, '0')}`,
    email: `p${i}@example.com`,
    attributes: {
      plan: i % 2 ? 'pro' : 'free',
      note: i === 1 ? '=HYPERLINK("http://evil")' : 'plain',
      visits: i,
    },
  }));
  await ask('bulkUpsertProfiles', { body: { profiles } });
  await ask('upsertProfile', { params: { externalId: '=cmd|evil' }, body: { attributes: { plan: 'pro' } } });
}, 60_000);
afterAll(() => at.close(), 30_000);

async function ask<T = unknown>(name: OperationName, call: AskOptions, status = 200): Promise<T> {
  const answer = await at.ask(at.here, name, call);
  expect({ name, status: answer.status, text: answer.text.slice(0, 300) }).toMatchObject({ status });
  return answer.json as T;
}
const of = (key: string) => ({ params: { key } });

describe('a list', () => {
  it('tells who entered and left, once each, to whoever reads on', async () => {
    await ask('saveAudience', { ...of('vips'), body: { name: 'VIPs' } });
    const first = await ask<MembersChanged>('changeMembers', {
      ...of('vips'),
      body: { add: ['p01', 'p02', 'p03', 'p01', 'nobody'] },
    });
    expect(first).toMatchObject({ entered: 3, left: 0, unknown: ['nobody'], size: 3, lastSeq: 3 });
    const again = await ask<MembersChanged>('changeMembers', {
      ...of('vips'),
      body: { add: ['p01'], remove: ['p09'] },
    });
    expect(again).toMatchObject({ entered: 0, left: 0, lastSeq: 3 });
    let after = 0;
    const seen: string[] = [];
    const readOn = async (): Promise<void> => {
      for (;;) {
        const page = await ask<AudienceChanges>('listAudienceChanges', {
          ...of('vips'),
          query: `?after=${after}&limit=2`,
        });
        seen.push(...page.items.map(({ change, profile }) => `${change} ${profile.externalId}`));
        after = page.lastSeq;
        if (!page.more) return;
      }
    };
    await readOn();
    const replaced = await ask<MembersChanged>('replaceMembers', {
      ...of('vips'),
      body: { profiles: ['p02', 'p04'] },
    });
    expect(replaced).toMatchObject({ entered: 1, left: 2, size: 2 });
    await readOn();
    await readOn();
    expect(seen.slice(0, 3)).toEqual(['enter p01', 'enter p02', 'enter p03']);
    expect(seen.slice(3).sort()).toEqual(['enter p04', 'leave p01', 'leave p03']);
    // p02 was the second to enter, and is there still.
    const since = await ask<Page<AudienceMember>>('listMembers', { ...of('vips'), query: '?after=2' });
    expect(since.items.map(({ externalId }) => externalId)).toEqual(['p04']);
  });

  it('takes ten writers at once, and counts right', async () => {
    await ask('saveAudience', { ...of('busy'), body: { name: 'Busy' } });
    const writes = Array.from({ length: 10 }, (_, i) =>
      ask<MembersChanged>('changeMembers', {
        ...of('busy'),
        body: i % 2 ? { add: ['p01', 'p02', 'p03'] } : { remove: ['p02'] },
      }),
    );
    await Promise.all(writes);
    const members = await ask<Page<AudienceMember>>('listMembers', of('busy'));
    expect((await ask<Audience>('getAudience', of('busy'))).size).toBe(members.items.length);
    const { items } = await ask<AudienceChanges>('listAudienceChanges', of('busy'));
    expect(items.map(({ seq }) => seq)).toEqual(items.map((_, i) => i + 1));
  });

  it('says which changes are past their retention, instead of leaving them out', async () => {
    await ask('saveAudience', { ...of('old'), body: { name: 'Old' } });
    await ask('changeMembers', { ...of('old'), body: { add: ['p01', 'p02', 'p03'] } });
    const { rows } = await at.owner.query<{ id: string }>(
      `SELECT id FROM audiences WHERE workspace_id = $1 AND key = 'old'`,
      [at.here.id],
    );
    await at.owner.query(
      `UPDATE audience_changes SET at = now() - interval '400 days' WHERE audience_id = $1 AND seq <= 2`,
      [rows[0]?.id],
    );
    expect(await forgetChanges(at.database, 365)).toBe(2);
    const problem = await ask<Problem>('listAudienceChanges', { ...of('old'), query: '?after=1' }, 409);
    expect(problem.detail).toMatch(/^Changes up to 2 are older .* ask for changes after 3\.$/);
    await ask('listAudienceChanges', of('old'), 409);
    const rest = await ask<AudienceChanges>('listAudienceChanges', { ...of('old'), query: '?after=2' });
    expect(rest.items.map(({ profile }) => profile.externalId)).toEqual(['p03']);
    const members = await ask<Page<AudienceMember>>('listMembers', of('old'));
    expect(members.items).toHaveLength(3);
    expect(await forgetChanges(at.database, 365)).toBe(0);
  });

  it('is not filled where a rule says who is in it', async () => {
    await ask('saveAudience', {
      ...of('pros'),
      body: { name: 'Pros', definition: { where: { attribute: 'plan', is: 'pro' } } },
    });
    await ask('changeMembers', { ...of('pros'), body: { add: ['p01'] } }, 409);
    await ask('listAudienceChanges', of('pros'), 409);
    await ask('saveAudience', { ...of('pros'), body: { name: 'Pros' } }, 409);
  });
});

describe('a rule that keeps no members', () => {
  it('is read page by page, each person once', async () => {
    const seen: string[] = [];
    let cursor = '';
    do {
      const page = await ask<Page<AudienceMember>>('listMembers', {
        ...of('pros'),
        query: `?limit=5${cursor && `&cursor=${cursor}`}`,
      });
      seen.push(...page.items.map(({ externalId }) => externalId));
      cursor = page.nextCursor ?? '';
    } while (cursor);
    expect(seen).toHaveLength(13);
    expect(new Set(seen).size).toBe(13);
  });

  it('goes into files that no spreadsheet computes', async () => {
    const csv = await at.ask(at.here, 'exportMembers', of('pros'));
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
    const lines = csv.text.trim().split('\r\n');
    expect(lines).toHaveLength(14);
    expect(lines[0]).toBe('externalId,email,phone,locale,timezone,createdAt,attributes');
    expect(csv.text).toContain("'=cmd|evil");
    expect(lines.filter((line) => /^"?[=+@-]/.test(line))).toEqual([]);
    const jsonl = await at.ask(at.here, 'exportMembersJson', of('pros'));
    const people = jsonl.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { externalId: string });
    expect(people).toHaveLength(13);
    expect(people.map(({ externalId }) => externalId)).toContain('=cmd|evil');
    await ask('saveAudience', { ...of('empty'), body: { name: 'Empty' } });
    expect((await at.ask(at.here, 'exportMembers', of('empty'))).text).toBe(`${lines[0]}\r\n`);
    expect((await at.ask(at.here, 'exportMembersJson', of('empty'))).text).toBe('');
    await ask('exportMembers', of('nowhere'), 404);
  });

  it('goes into files that can be imported again, as they are', async () => {
    const profiles = [
      {
        externalId: "'=SUM(1;1)",
        email: 'round@example.com',
        phone: '+442071838750',
        locale: 'en-GB',
        timezone: 'Europe/London',
        attributes: { tier: 'gold', seats: 3, tags: ['a', 'b"c'], at: { city: '-Köln' } },
      },
      { externalId: '+49', attributes: {} },
      { externalId: '@ada', attributes: { createdAt: '@noon', n: -1 } },
    ];
    await ask('bulkUpsertProfiles', { body: { profiles } });
    await ask('saveAudience', { ...of('round'), body: { name: 'Round' } });
    await ask('changeMembers', {
      ...of('round'),
      body: { add: profiles.map(({ externalId }) => externalId) },
    });
    for (const name of ['exportMembers', 'exportMembersJson'] as const) {
      const file = (await at.ask(at.here, name, of('round'))).text;
      const head = Buffer.from(file).toString('base64');
      const preview = await ask<ImportPreview>('previewImport', { body: { head, complete: true } });
      expect({ problem: preview.problem, bad: preview.bad }).toEqual({ problem: null, bad: [] });
      const rows = preview.rows.map(({ row }) => row);
      expect(rows).toHaveLength(profiles.length);
      expect(rows).toEqual(
        expect.arrayContaining(profiles.map((profile): unknown => expect.objectContaining(profile))),
      );
    }
  });

  it('explains itself for a person', async () => {
    await ask('saveAudience', {
      ...of('keen'),
      body: {
        name: 'Keen',
        definition: {
          where: {
            and: [
              { attribute: 'plan', is: 'pro' },
              { not: { attribute: 'visits', below: 5 } },
              { audience: 'vips' },
            ],
          },
        },
      },
    });
    const explained = await ask<AudienceExplanation>('explainAudience', {
      ...of('keen'),
      query: '?profile=p03',
    });
    expect(explained).toMatchObject({
      holds: false,
      member: false,
      rule: {
        holds: false,
        clauses: [
          { holds: true, asks: 'plan is “pro”.', seen: 'It is “pro”.' },
          { holds: false, clauses: [{ holds: true, asks: 'visits is below 5.', seen: 'It is 3.' }] },
          { holds: false, seen: 'It does not have this person.' },
        ],
      },
    });
    await ask('explainAudience', { ...of('keen'), query: '?profile=nobody' }, 404);
    await ask('explainAudience', of('keen'), 422);
  });

  it('is previewed before it is saved', async () => {
    const preview = await ask<AudiencePreview>('previewAudience', {
      body: { definition: { where: { attribute: 'plan', is: 'pro' } } },
    });
    expect(preview).toMatchObject({
      total: 13,
      reach: [{ channel: 'email', reachable: 12, noAddress: 1 }, {}, {}, {}],
    });
    expect(preview.sample).toHaveLength(10);
    const wrong = await ask<Problem>(
      'previewAudience',
      { body: { definition: { where: { and: [{ attribute: 'plan', iss: 'pro' }] } } } },
      422,
    );
    expect(wrong.errors?.[0]).toMatchObject({
      pointer: '/definition/where/and/0/iss',
      message: expect.stringMatching(/did you mean is\?/),
    });
    const unknown = await ask<Problem>(
      'previewAudience',
      { body: { definition: { where: { audience: 'nowhere' } } } },
      422,
    );
    expect(unknown.errors?.[0]).toMatchObject({
      pointer: '/definition/where/audience',
      code: 'unknown_audience',
    });
  });

  it('that costs too much is stopped with a sentence', async () => {
    // Somebody holds the table: the evaluation waits until its time is over.
    await at.owner.query('BEGIN; LOCK TABLE profile_activity IN ACCESS EXCLUSIVE MODE');
    const costly = ask<Problem>(
      'previewAudience',
      { body: { definition: { where: { activity: 'events', atLeast: 1 } } } },
      422,
    );
    const problem = await costly;
    await at.owner.query('ROLLBACK');
    expect(problem).toMatchObject({
      code: 'rule_too_costly',
      detail: expect.stringMatching(/stopped after 15 seconds: give its events a shorter span/),
    });
  }, 40_000);
});

it('the list shows counts and what names what; the archive keeps what is put away', async () => {
  const { items } = await ask<Page<Audience>>('listAudiences', {});
  expect(items.find(({ key }) => key === 'vips')).toMatchObject({
    kind: 'list',
    size: 2,
    usedBy: ['keen'],
    state: 'ready',
  });
  await ask('archiveAudience', of('vips'), 409);
  await ask('archiveAudience', of('keen'), 204);
  await ask('archiveAudience', of('keen'), 404);
  expect(
    (await ask<Page<Audience>>('listAudiences', { query: '?archived=true' })).items.map(({ key }) => key),
  ).toEqual(['keen']);
});

it('the vocabulary names what occurs', async () => {
  const { attributes, audiences } = await ask<AudienceVocabulary>('getAudienceVocabulary', {});
  expect(attributes.find(({ name }) => name === 'plan')).toMatchObject({
    types: ['string'],
    values: ['free', 'pro'],
  });
  expect(audiences.length).toBeGreaterThan(2);
});

it('who changed, filled, exported and put away an audience stands in the audit log, without a name', async () => {
  await ask('saveAudience', { ...of('watched'), body: { name: 'Watched' } });
  const many = Array.from({ length: 12 }, (_, i) => `p${i + 10}`);
  await ask('changeMembers', { ...of('watched'), body: { add: many } });
  // Again, and one alone: a feed does that all day.
  await ask('changeMembers', { ...of('watched'), body: { add: many } });
  await ask('changeMembers', { ...of('watched'), body: { add: ['p01'] } });
  await ask('replaceMembers', { ...of('watched'), body: { profiles: ['p01'] } });
  await at.ask(at.here, 'exportMembers', of('watched'));
  await ask('archiveAudience', of('watched'), 204);
  const { items } = await ask<Page<AuditEntry>>('listAudit', {});
  const { id } = await ask<Audience>('getAudience', of('watched'));
  const key = 'watched';
  expect(
    items
      .filter(({ subject }) => subject === id)
      .map(({ by, action, detail }) => [by.split(':')[0], action, detail])
      .reverse(),
  ).toEqual([
    ['key', 'audience.saved', { key, version: 1 }],
    ['key', 'audience.filled', { key, entered: 12, left: 0 }],
    ['key', 'audience.filled', { key, entered: 0, left: 12 }],
    ['key', 'audience.exported', { key, format: 'csv', people: 1 }],
    ['key', 'audience.archived', { key }],
  ]);
});
