/**
 * All that an inbound surface (a shop, a call centre) asks about a person, in one statement whose plan is kept: it waits
 * for the answer. Reads that come while one is under way share the next one, so that a thousand a second cost a few hundred trips.
 */
import type { ProfileState } from '@carillon/contracts';
import { OWN_NAMESPACE } from '@carillon/contracts';
import { GroupCommit, kept, type Database } from '@carillon/database';
import { activityJson, jsonTime, noActivity } from './show-profiles.js';

type Row = Omit<ProfileState, 'zone' | 'activity'> & {
  place: number;
  timezone: string | null;
  phoneZone: string | null;
  workspaceZone: string | null;
  activity: ProfileState['activity'] | null;
};

const STATE = kept(
  'profile-state',
  `SELECT wanted.place::int, p.id, p.external_id AS "externalId", p.email, p.phone, p.locale, p.timezone, p.phone_zone AS "phoneZone",
    p.attributes, p.version,
    (SELECT settings->>'timezone' FROM workspaces WHERE id = $1) AS "workspaceZone",
    (SELECT ${activityJson('a')} FROM profile_activity a WHERE a.workspace_id = $1 AND a.profile_id = p.id) AS activity,
    coalesce((SELECT json_agg(json_build_object('channel', c.channel, 'topic', c.topic, 'word', c.word,
        'about', CASE WHEN c.address = '' THEN 'profile' ELSE 'address' END, 'at', ${jsonTime('c.at')}) ORDER BY c.channel, c.topic, c.address)
      FROM (SELECT * FROM consents WHERE workspace_id = $1 AND profile_id = p.id AND address = ''
            UNION ALL SELECT * FROM consents WHERE workspace_id = $1 AND channel = 'email' AND address = p.email
            UNION ALL SELECT * FROM consents WHERE workspace_id = $1 AND channel = 'sms' AND address = p.phone) c), '[]') AS consents,
    coalesce((SELECT json_agg(json_build_object('channel', s.channel, 'reason', s.reason) ORDER BY s.channel)
      FROM (SELECT * FROM suppressions WHERE workspace_id = $1 AND channel = 'email' AND address = p.email
            UNION ALL SELECT * FROM suppressions WHERE workspace_id = $1 AND channel = 'sms' AND address = p.phone) s), '[]') AS suppressed,
    coalesce((SELECT json_agg(json_build_object('id', m.audience_id, 'key', a.key, 'since', ${jsonTime('m.since')}) ORDER BY a.key)
      FROM audience_members m JOIN audiences a ON a.workspace_id = $1 AND a.id = m.audience_id AND a.archived_at IS NULL
      WHERE m.workspace_id = $1 AND m.profile_id = p.id), '[]') AS audiences,
    (SELECT count(*)::int FROM devices WHERE workspace_id = $1 AND profile_id = p.id) AS devices
  FROM unnest($2::text[]) WITH ORDINALITY AS wanted(name, place) CROSS JOIN LATERAL (
    SELECT * FROM profiles WHERE workspace_id = $1 AND external_id = wanted.name
    UNION ALL
    SELECT p.* FROM identities i JOIN profiles p ON p.workspace_id = $1 AND p.id = i.profile_id
    WHERE i.workspace_id = $1 AND i.namespace = '${OWN_NAMESPACE}' AND i.value = wanted.name
    LIMIT 1) p`,
);

/** @returns a reader; it answers null when nobody is known by this external id, nor was */
export function stateReader(
  database: Database,
): (workspaceId: string, externalId: string) => Promise<ProfileState | null> {
  const reads = new GroupCommit(
    async (wanted: { workspaceId: string; externalId: string }[]) => {
      const states: (ProfileState | null)[] = wanted.map(() => null);
      const by = new Map<string, { name: string; to: number }[]>();
      for (const [to, { workspaceId, externalId }] of wanted.entries())
        by.set(workspaceId, [...(by.get(workspaceId) ?? []), { name: externalId, to }]);
      for (const [workspaceId, names] of by) {
        const params = [workspaceId, names.map(({ name }) => name)];
        const rows = await database.reading(workspaceId, (sql) => sql.query<Row>(STATE, params));
        for (const row of rows) states[names[row.place - 1]!.to] = shown(row);
      }
      return states;
    },
    { size: 100, parallel: 2 },
  );
  return (workspaceId, externalId) => reads.add({ workspaceId, externalId });
}

function shown({ place: _, timezone, phoneZone, workspaceZone, activity, ...state }: Row): ProfileState {
  return {
    ...state,
    activity: activity ?? noActivity,
    zone: timezone
      ? { name: timezone, source: 'profile' }
      : phoneZone
        ? { name: phoneZone, source: 'phone' }
        : { name: workspaceZone ?? 'UTC', source: 'workspace' },
  };
}
