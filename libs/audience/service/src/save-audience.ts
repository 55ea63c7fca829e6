/**
 * Creating, changing and archiving audiences. Alone with the workspace's people for that moment: from its commit on every
 * writer leaves rows for what the rule mentions, and whoever wrote before has committed, so the evaluation that follows
 * sees it.
 */
import { selects } from '@carillon/audience-rules';
import type { AudienceSave } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { ProblemException } from '@carillon/server';
import {
  audienceByKey,
  audiencesOf,
  cycleThrough,
  mentionsWithin,
  namesIn,
  type AudienceRow,
} from './audience-rows.js';
import { withoutWriters } from './stale.js';

const MOST_AUDIENCES = 2000;

/** @returns what it is now */
export async function saveAudience(
  sql: Sql,
  workspaceId: string,
  key: string,
  save: AudienceSave,
): Promise<{ id: string; version: number }> {
  await withoutWriters(sql, workspaceId);
  const before = await audienceByKey(sql, workspaceId, key);
  const audiences = await audiencesOf(sql, workspaceId);
  const kind = save.definition ? 'rule' : 'list';
  refuseOther(before, save);
  if (before && before.kind !== kind)
    throw new ProblemException(
      'conflict',
      `This audience is a ${before.kind}: take another key for a ${kind}.`,
    );
  if (!before && audiences.size >= MOST_AUDIENCES)
    throw new ProblemException('conflict', `There are ${MOST_AUDIENCES} audiences: archive some first.`);
  const { definition } = save;
  if (definition) refuseNames(key, definition, audiences);
  const { mentions, swept } = definition
    ? mentionsWithin(definition, audiences)
    : { mentions: [], swept: false };
  const live = definition !== undefined && save.live;
  const [row] = await sql.query<{ id: string; version: number }>(
    `INSERT INTO audiences AS a (id, workspace_id, key, name, description, kind, definition, mentions, live, swept, due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, CASE WHEN $6 = 'rule' THEN now() END)
     ON CONFLICT (workspace_id, key) DO UPDATE
       SET name = EXCLUDED.name, description = EXCLUDED.description, definition = EXCLUDED.definition, mentions = EXCLUDED.mentions,
           live = EXCLUDED.live, swept = EXCLUDED.swept, due_at = EXCLUDED.due_at, version = a.version + 1, problem = NULL,
           updated_at = clock_timestamp(), archived_at = NULL
     RETURNING id, version`,
    [
      newId(),
      workspaceId,
      key,
      save.name,
      save.description,
      kind,
      definition ? JSON.stringify(definition) : null,
      mentions,
      live,
      swept,
    ],
  );
  if (!row) throw new Error('an audience was saved and is not there');
  if (before?.live && !live) await forgetMembers(sql, workspaceId, row.id);
  await renewMentions(sql, workspaceId, row.id);
  return row;
}

/** @returns its id; null where there is none to archive */
export async function archiveAudience(sql: Sql, workspaceId: string, key: string): Promise<string | null> {
  await withoutWriters(sql, workspaceId);
  const audiences = await audiencesOf(sql, workspaceId);
  const row = audiences.get(key);
  if (!row) return null;
  const users = [...audiences.values()].filter(({ mentions }) => mentions.includes(`audience:${row.id}`));
  if (users.length > 0)
    throw new ProblemException(
      'conflict',
      `It is named by the rules of ${users.map((user) => user.key).join(', ')}: change those first.`,
    );
  await sql.execute(
    `UPDATE audiences SET archived_at = now(), live = false, due_at = NULL, size = 0, version = version + 1, updated_at = now()
     WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, row.id],
  );
  await forgetMembers(sql, workspaceId, row.id);
  return row.id;
}

async function forgetMembers(sql: Sql, workspaceId: string, id: string): Promise<void> {
  await sql.execute(`DELETE FROM audience_members WHERE workspace_id = $1 AND audience_id = $2`, [
    workspaceId,
    id,
  ]);
}

/** Rules that name a changed one look at what that one looks at now, and are evaluated again. */
async function renewMentions(sql: Sql, workspaceId: string, changed: string): Promise<void> {
  const audiences = await audiencesOf(sql, workspaceId);
  for (const row of audiences.values()) {
    if (!row.definition || row.id === changed) continue;
    const { mentions, swept } = mentionsWithin(row.definition, audiences);
    if (!mentions.includes(`audience:${changed}`)) continue;
    await sql.execute(
      `UPDATE audiences SET mentions = $3, swept = $4, due_at = now() WHERE workspace_id = $1 AND id = $2`,
      [workspaceId, row.id, mentions, swept || selects(row.definition)],
    );
  }
}

function refuseOther(before: AudienceRow | undefined, { version }: AudienceSave): void {
  if (version === undefined || version === (before && before.archivedAt === null ? before.version : 0))
    return;
  throw new ProblemException(
    'conflict',
    before
      ? `It is at version ${before.version} now: read it again, then change it.`
      : 'There is no such audience yet: leave version out, or send 0.',
  );
}

function refuseNames(
  key: string,
  definition: NonNullable<AudienceSave['definition']>,
  audiences: ReadonlyMap<string, AudienceRow>,
): void {
  const names = namesIn(definition.where, '/definition/where');
  const unknown = names.filter((name) => name.key !== key && !audiences.has(name.key));
  const way = cycleThrough(key, definition, audiences);
  const errors = [
    ...unknown.map((name) => ({
      pointer: name.pointer,
      code: 'unknown_audience',
      message: `There is no audience ${name.key}: make it first, or name another.`,
    })),
    ...(way
      ? names
          .filter((name) => name.key === way[0])
          .map((name) => ({
            pointer: name.pointer,
            code: 'cycle',
            message: `This leads back to ${key} itself (${[key, ...way].join(' → ')}): leave it out.`,
          }))
      : []),
  ];
  const [first] = errors;
  if (first) throw new ProblemException('invalid_request', first.message, { errors });
}

/** What the compiler was told to know by whoever previews: names are looked up there as here. */
export function refuseUnknown(
  definition: NonNullable<AudienceSave['definition']>,
  audiences: ReadonlyMap<string, AudienceRow>,
): void {
  // No key is empty: nothing leads back to it.
  refuseNames('', definition, audiences);
}
