/**
 * All that an inbound surface (a shop, a call centre) asks about a person, in one statement whose plan is kept: it waits
 * for the answer. Reads that come within two milliseconds share one, so that a thousand a second cost a few hundred trips, and
 * the statement writes the whole answer: nobody reads it between the database and the caller.
 */
import { OWN_NAMESPACE, type ProfileState } from '@carillon/contracts';
import { GroupCommit, kept, type Database } from '@carillon/database';
import { WrittenJson } from '@carillon/server';
import { activityJson, jsonTime, noActivity } from './show-profiles.js';

/** The person's addresses: what is said about them stands by address. */
const ADDRESSES = `(VALUES ('email', p.email), ('sms', p.phone)) AS own(channel, address)`;

/** @param people a row `p` of profiles for each of $2, by place; each table in it costs the statement more than another person does */
const stateOf = (people: string): string =>
  `SELECT wanted.place::int, json_build_object('id', p.id, 'externalId', p.external_id, 'email', p.email, 'phone', p.phone, 'locale', p.locale,
    'zone', CASE WHEN p.timezone <> '' THEN json_build_object('name', p.timezone, 'source', 'profile')
                 WHEN p.phone_zone <> '' THEN json_build_object('name', p.phone_zone, 'source', 'phone')
                 ELSE json_build_object('name', coalesce((SELECT settings->>'timezone' FROM workspaces WHERE id = $1), 'UTC'), 'source', 'workspace') END,
    'attributes', p.attributes,
    'activity', coalesce((SELECT ${activityJson('a')} FROM profile_activity a WHERE a.workspace_id = $1 AND a.profile_id = p.id), '${JSON.stringify(noActivity)}'),
    'consents', coalesce((SELECT json_agg(json_build_object('channel', c.channel, 'topic', c.topic, 'word', c.word,
        'about', CASE WHEN c.address = '' THEN 'profile' ELSE 'address' END, 'at', ${jsonTime('c.at')}) ORDER BY c.channel, c.topic, c.address)
      FROM (SELECT channel, topic, word, address, at FROM consents WHERE workspace_id = $1 AND profile_id = p.id AND address = ''
            UNION ALL SELECT about.* FROM ${ADDRESSES} CROSS JOIN LATERAL
              (SELECT channel, topic, word, address, at FROM consents WHERE workspace_id = $1 AND channel = own.channel AND address = own.address
                ORDER BY profile_id, topic OFFSET 0) about) c), '[]'),
    'suppressed', coalesce((SELECT json_agg(json_build_object('channel', s.channel, 'reason', s.reason) ORDER BY s.channel)
      FROM ${ADDRESSES} CROSS JOIN LATERAL
        (SELECT channel, reason FROM suppressions WHERE workspace_id = $1 AND channel = own.channel AND address = own.address OFFSET 0) s), '[]'),
    'audiences', coalesce((SELECT json_agg(json_build_object('id', m.audience_id, 'key', a.key, 'since', ${jsonTime('m.since')}) ORDER BY a.key)
      FROM audience_members m JOIN audiences a ON a.workspace_id = $1 AND a.id = m.audience_id AND a.archived_at IS NULL
      WHERE m.workspace_id = $1 AND m.profile_id = p.id), '[]'),
    'devices', (SELECT count(*) FROM devices WHERE workspace_id = $1 AND profile_id = p.id),
    'version', p.version)::text AS state
  FROM unnest($2::text[]) WITH ORDINALITY AS wanted(name, place) CROSS JOIN LATERAL (${people} OFFSET 0) p`;

const STATE = kept(
  'profile-state',
  stateOf(`SELECT * FROM profiles WHERE workspace_id = $1 AND external_id = wanted.name`),
);
/** By the id of somebody who became part of them. */
const STATE_OF_MERGED = kept(
  'profile-state-merged',
  stateOf(`SELECT p.* FROM identities i JOIN profiles p ON p.workspace_id = $1 AND p.id = i.profile_id
    WHERE i.workspace_id = $1 AND i.namespace = '${OWN_NAMESPACE}' AND i.value = wanted.name`),
);

/** Reads that begin within so long of each other share a statement. */
const TOGETHER_MS = 2;

type State = WrittenJson<ProfileState> | null;

/** @returns a reader; it answers null when nobody is known by this external id, nor was */
export function stateReader(database: Database): (workspaceId: string, externalId: string) => Promise<State> {
  const read = async (workspaceId: string, names: readonly string[]): Promise<State[]> => {
    const states: State[] = names.map(() => null);
    for (const statement of [STATE, STATE_OF_MERGED]) {
      const open = names.flatMap((name, to) => (states[to] ? [] : [{ name, to }]));
      if (open.length === 0) break;
      const params = [workspaceId, open.map(({ name }) => name)];
      const rows = await database.reading(workspaceId, (sql) =>
        sql.query<{ place: number; state: string }>(statement, params),
      );
      for (const { place, state } of rows) states[open[place - 1]!.to] = new WrittenJson(state);
    }
    return states;
  };
  const reads = new GroupCommit(
    async (wanted: { workspaceId: string; externalId: string }[]) => {
      const states: State[] = wanted.map(() => null);
      const by = new Map<string, number[]>();
      for (const [to, { workspaceId }] of wanted.entries()) {
        const places = by.get(workspaceId);
        if (places) places.push(to);
        else by.set(workspaceId, [to]);
      }
      for (const [workspaceId, places] of by) {
        const found = await read(
          workspaceId,
          places.map((to) => wanted[to]!.externalId),
        );
        places.forEach((to, i) => (states[to] = found[i]!));
      }
      return states;
    },
    { size: 100, parallel: 2, restMs: TOGETHER_MS },
  );
  return (workspaceId, externalId) => reads.add({ workspaceId, externalId });
}
