/** For specs: people with all that rules look at, written as rows. */
import type { Person } from '@carillon/audience-rules';
import { dayOf, newId } from '@carillon/database';
import type { AudienceFixture } from './audience.fixture.js';

const NOBODY = '00000000-0000-0000-0000-000000000000';
const months = new Set<string>();
const days = new Set<string>();

/**
 * Replaces everybody of a workspace. With `merges`, some messages are in the log under ids of profiles that became part of
 * the person, or of somebody who became part of them. Words of consent stand with the person, or at their address where several people
 * share it; so they are given back as rules see them.
 */
export async function storePeople(
  { owner }: AudienceFixture,
  workspaceId: string,
  people: readonly Person[],
  suppressed: readonly string[],
  merges = false,
): Promise<Person[]> {
  await owner.query('BEGIN');
  for (const table of [
    'events',
    'profile_activity',
    'consents',
    'suppressions',
    'audience_members',
    'delivery_events',
    'deliveries',
    'devices',
    'runs',
    'templates',
    'profiles',
    'profile_merges',
  ])
    await owner.query(`DELETE FROM ${table} WHERE workspace_id = $1`, [workspaceId]);
  const rows = async (
    table: string,
    columns: string,
    types: string[],
    values: unknown[][],
  ): Promise<void> => {
    if (values.length === 0) return;
    const list = types.map((type, i) => `$${i + 1}::${type}[]`).join(', ');
    await owner.query(
      `INSERT INTO ${table} (${columns}) SELECT * FROM unnest(${list})`,
      types.map((_, i) => values.map((row) => row[i])),
    );
  };
  await rows(
    'profiles',
    'id, workspace_id, external_id, email, phone, locale, timezone, phone_zone, created_at, updated_at, attributes',
    ['uuid', 'uuid', 'text', 'text', 'text', 'text', 'text', 'text', 'timestamptz', 'timestamptz', 'jsonb'],
    people.map((p) => [
      p.id,
      workspaceId,
      p.externalId,
      p.email,
      p.phone,
      p.locale,
      p.timezone,
      p.phoneZone,
      p.createdAt,
      p.updatedAt,
      JSON.stringify(p.attributes),
    ]),
  );
  const active = people.filter(({ activity }) => Object.keys(activity).length > 0);
  const counts = ['events', 'sent', 'opened', 'clicked'];
  const times = ['firstSeenAt', 'lastSeenAt', 'lastSentAt', 'lastOpenedAt', 'lastClickedAt'];
  await rows(
    'profile_activity',
    'workspace_id, profile_id, events, sent, opened, clicked, first_seen_at, last_seen_at, last_sent_at, last_opened_at, last_clicked_at',
    ['uuid', 'uuid', ...counts.map(() => 'integer'), ...times.map(() => 'timestamptz')],
    active.map((p) => [workspaceId, p.id, ...[...counts, ...times].map((name) => p.activity[name] ?? null)]),
  );
  const events = people.flatMap((p) => p.events.map((event) => ({ ...event, profileId: p.id })));
  for (const { at } of events) {
    const month = at.toISOString().slice(0, 7).replace('-', '');
    if (months.has(month)) continue;
    months.add(month);
    const first = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1));
    const next = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1));
    await owner.query(
      `CREATE TABLE IF NOT EXISTS events_${month} PARTITION OF events FOR VALUES FROM ('${first.toISOString()}') TO ('${next.toISOString()}')`,
    );
  }
  await rows(
    'events',
    'workspace_id, profile_id, at, id, name, properties',
    ['uuid', 'uuid', 'timestamptz', 'uuid', 'text', 'jsonb'],
    events.map((e) => [workspaceId, e.profileId, e.at, e.id, e.name, JSON.stringify(e.properties)]),
  );

  const templates = new Map(['welcome', 'spring'].map((key) => [key, newId()]));
  await rows(
    'templates',
    'id, workspace_id, key, name, version',
    ['uuid', 'uuid', 'text', 'text', 'integer'],
    [...templates].map(([key, id]) => [id, workspaceId, key, key, 1]),
  );
  const runs = new Map<string, string>();
  const gone: [merged: string, kept: string][] = [];
  const messages = people.flatMap((p) => {
    const names = merges ? [p.id, newId(), newId()] : [p.id];
    if (merges) gone.push([names[1]!, p.id], [names[2]!, names[1]!]);
    return p.messages.map((m, i) => ({ ...m, id: newId(), profileId: names[i % names.length]! }));
  });
  await rows(
    'profile_merges',
    'id, workspace_id, merged_id, kept_id, merged_external_id, rule, by',
    ['uuid', 'uuid', 'uuid', 'uuid', 'text', 'text', 'text'],
    gone.map(([merged, keptBy]) => [newId(), workspaceId, merged, keptBy, merged, 'spec', 'spec']),
  );
  const day = dayOf(newId());
  if (!days.has(day)) {
    days.add(day);
    await owner.query('SELECT ensure_partitions(1)');
  }
  for (const m of messages)
    if (m.campaign && m.sourceId && !runs.has(m.sourceId)) {
      const id = newId();
      runs.set(m.sourceId, id);
      await owner.query(
        `INSERT INTO runs (id, workspace_id, source, source_id, channel, class, message_id, day, planned_at, state)
         VALUES ($1, $2, 'campaign', $3, 'email', 'marketing', $4, $5, now(), 'completed')`,
        [id, workspaceId, m.campaign, newId(), day],
      );
    }
  await rows(
    'deliveries',
    'day, id, workspace_id, message_id, profile_id, channel, class, lane, source, source_id, topic, template_id, status, reason, created_at, sent_at, delivered_at',
    [
      'date',
      'uuid',
      'uuid',
      'uuid',
      'uuid',
      'text',
      'text',
      'text',
      'text',
      'text',
      'text',
      'uuid',
      'text',
      'text',
      'timestamptz',
      'timestamptz',
      'timestamptz',
    ],
    messages.map((m) => [
      day,
      m.id,
      workspaceId,
      newId(),
      m.profileId,
      m.channel,
      m.class,
      'bulk',
      m.source,
      runs.get(m.sourceId ?? '') ?? m.sourceId,
      m.topic,
      m.template && templates.get(m.template),
      m.status,
      m.reason,
      m.createdAt,
      m.sentAt,
      m.deliveredAt,
    ]),
  );
  await rows(
    'delivery_events',
    'day, delivery_id, workspace_id, at, type',
    ['date', 'uuid', 'uuid', 'timestamptz', 'text'],
    messages.flatMap((m) => m.told.map(({ type, at }) => [day, m.id, workspaceId, at, type])),
  );

  // Every second word is about the address, and so of everybody who has it.
  const words = new Map<
    string,
    { channel: string; address: string; profileId: string; topic: string; word: 'in' | 'out' | 'pending' }
  >();
  for (const p of people)
    p.consents.forEach(({ channel, topic, word }, i) => {
      const address = channel === 'email' ? p.email : channel === 'sms' ? p.phone : null;
      const at = i % 2 === 1 && address ? { address, profileId: NOBODY } : { address: '', profileId: p.id };
      words.set(JSON.stringify([channel, topic, at]), { channel, topic, word, ...at });
    });
  await rows(
    'consents',
    'workspace_id, channel, address, profile_id, topic, word, source',
    ['uuid', 'text', 'text', 'uuid', 'text', 'text', 'text'],
    [...words.values()].map((w) => [workspaceId, w.channel, w.address, w.profileId, w.topic, w.word, 'spec']),
  );
  const reasons = ['complained', 'hard_bounced', 'suppressed_manually'];
  const blocked = suppressed.map((address, i) => ({
    address,
    channel: address.startsWith('+') ? 'sms' : 'email',
    reason: reasons[i % 3] ?? 'complained',
  }));
  await rows(
    'suppressions',
    'workspace_id, channel, address, reason, source',
    ['uuid', 'text', 'text', 'text', 'text'],
    blocked.map((b) => [workspaceId, b.channel, b.address, b.reason, 'spec']),
  );
  await rows(
    'devices',
    'id, workspace_id, profile_id, token, platform, app, last_seen_at',
    ['uuid', 'uuid', 'uuid', 'text', 'text', 'text', 'timestamptz'],
    people.flatMap((p) =>
      p.devices.map((d) => [newId(), workspaceId, p.id, newId(), d.platform, d.app, d.lastSeenAt]),
    ),
  );
  await rows(
    'audience_members',
    'workspace_id, audience_id, profile_id, seq',
    ['uuid', 'uuid', 'uuid', 'bigint'],
    people.flatMap((p, seq) => [...p.memberOf].map((audience) => [workspaceId, audience, p.id, seq + 1])),
  );
  await owner.query('COMMIT');

  return people.map((p) => ({
    ...p,
    // A run goes by its own id.
    messages: p.messages.map((m) => ({ ...m, sourceId: runs.get(m.sourceId ?? '') ?? m.sourceId })),
    consents: [...words.values()]
      .filter(
        (w) =>
          w.profileId === p.id ||
          (w.address !== '' &&
            ((w.channel === 'email' && w.address === p.email) ||
              (w.channel === 'sms' && w.address === p.phone))),
      )
      .map((w) => ({ ...w, about: w.address === '' ? ('profile' as const) : ('address' as const) })),
    suppressions: blocked.filter(({ address }) => address === p.email || address === p.phone),
  }));
}
