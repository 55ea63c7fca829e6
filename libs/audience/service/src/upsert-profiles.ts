/**
 * Creates and changes profiles, a list at a time, each judged by itself. A profile that already says the same is not
 * written: inline profiles of sends mostly repeat what is known. The external id of a profile that became part of another
 * one leads to that one. Called by the API, by accept and by intake.
 */
import {
  OWN_NAMESPACE,
  type AttributeTypeName,
  type ProblemError,
  type ProfileUpsert,
} from '@carillon/contracts';
import { newId, texts, uuids, type Sql } from '@carillon/database';
import { isDeepStrictEqual } from 'node:util';
import { judgeProfile, type JudgedProfile, type ProfileRules } from './judge-profile.js';
import { amongWriters, EVERYTHING, markStale, type Change } from './stale.js';
import { knownZones } from './zones.js';

export type UpsertResult =
  | {
      outcome: 'created' | 'updated';
      id: string;
      /** False where the profile said all of it already. */
      changed: boolean;
      errors?: undefined;
    }
  | { outcome: 'failed'; errors: ProblemError[]; id?: undefined };

/** Between our reading and our writing somebody else may create or delete: looked at again this often. */
const ROUNDS = 3;

/**
 * @param rows of the contract's shape; the same external id may come several times and is applied in order
 * @returns one result per row, in the order given
 */
export async function upsertProfiles(
  sql: Sql,
  workspaceId: string,
  rows: readonly ProfileUpsert[],
): Promise<UpsertResult[]> {
  const judged = await judgeProfiles(sql, workspaceId, rows);
  return writeProfiles(sql, workspaceId, prepareProfiles(judged), (changes) =>
    markStale(sql, workspaceId, changes),
  );
}

/** Rows that are judged in one go: two milliseconds. */
const AT_ONCE = 100;

/**
 * The first half: writes nothing, and needs no transaction.
 * @param breathe awaited now and then, where there is something else that this process should not let wait
 */
export async function judgeProfiles(
  sql: Sql,
  workspaceId: string,
  rows: readonly ProfileUpsert[],
  breathe?: () => Promise<unknown>,
): Promise<Judgement[]> {
  const rules = await rulesFor(sql, workspaceId, rows);
  const judged: Judgement[] = [];
  for (const row of rows) {
    judged.push(judgeProfile(row, rules));
    if (breathe && judged.length % AT_ONCE === 0) await breathe();
  }
  return judged;
}
export type Judgement = ReturnType<typeof judgeProfile>;

/** Judged rows, several about one person over each other. */
export interface Prepared {
  judged: readonly Judgement[];
  wishes: readonly JudgedProfile[];
  /** The statement that would make all of them, ready to be sent. */
  insertion?: Insertion;
}

/** @param mostlyNew they are to be made first, and looked at only where they are there: as from a file */
export function prepareProfiles(judged: readonly Judgement[], mostlyNew = false): Prepared {
  const wishes = new Map<string, JudgedProfile>();
  for (const verdict of judged)
    if (verdict.ok) {
      const { externalId } = verdict.profile;
      wishes.set(externalId, over(wishes.get(externalId), verdict.profile));
    }
  const list = [...wishes.values()];
  return { judged, wishes: list, ...(mostlyNew && { insertion: insertionOf(list) }) };
}

/**
 * The second half. Where there is an insertion, the caller is among the writers, and has seen that no external id leads to
 * another profile.
 * @param tell what changed of whom, for live audiences; called once, last
 */
export async function writeProfiles(
  sql: Sql,
  workspaceId: string,
  prepared: Prepared,
  tell: (changes: readonly Change[]) => Promise<void>,
): Promise<UpsertResult[]> {
  const written = await write(sql, workspaceId, prepared, tell);
  const told = new Set<string>();
  return prepared.judged.map((verdict): UpsertResult => {
    if (!verdict.ok) return { outcome: 'failed', errors: verdict.errors };
    const { externalId } = verdict.profile;
    const found = written.get(externalId);
    if (!found) return { outcome: 'failed', errors: [contended] };
    const first = !told.has(externalId);
    told.add(externalId);
    return {
      outcome: found.created && first ? 'created' : 'updated',
      id: found.id,
      changed: found.changed && first,
    };
  });
}

const contended: ProblemError = {
  pointer: '',
  code: 'conflict',
  message: 'Somebody deletes and creates this profile at the same moment: send it again.',
};

/** A later wish for the same profile over an earlier one. */
function over(before: JudgedProfile | undefined, after: JudgedProfile): JudgedProfile {
  if (!before) return after;
  const attributes = { ...before.attributes, ...after.attributes };
  for (const key of after.removed) delete attributes[key];
  const removed = [...before.removed.filter((key) => !(key in after.attributes)), ...after.removed];
  const both = { ...after, attributes, removed: [...new Set(removed)] };
  for (const field of fields) if (after[field] === undefined) both[field] = before[field];
  return both;
}

/** The fields of a profile that are one text, by their column. */
const columns = {
  email: 'email',
  emailOriginal: 'email_original',
  phone: 'phone',
  phoneOriginal: 'phone_original',
  locale: 'locale',
  timezone: 'timezone',
  phoneCountry: 'phone_country',
  phoneZone: 'phone_zone',
} as const;
type Field = keyof typeof columns;
const fields = Object.keys(columns) as Field[];
const names = Object.values(columns);

type Stored = { id: string; externalId: string; attributes: Record<string, unknown> } & Record<
  Field,
  string | null
>;

/** What a wish would change of what is stored, as live audiences call it. */
function changesTo(wish: JudgedProfile, stored: Stored): string[] {
  const changed = fields.some((field) => wish[field] !== undefined && wish[field] !== stored[field]);
  const keys = [
    ...wish.removed.filter((key) => key in stored.attributes),
    ...Object.keys(wish.attributes).filter(
      (key) => !isDeepStrictEqual(stored.attributes[key], wish.attributes[key]),
    ),
  ];
  return [...(changed ? ['profile'] : []), ...keys.map((key) => `attribute:${key}`)];
}

async function write(
  sql: Sql,
  workspaceId: string,
  { wishes, insertion }: Prepared,
  tell: (changes: readonly Change[]) => Promise<void>,
): Promise<Map<string, { id: string; created: boolean; changed: boolean }>> {
  const done = new Map<string, { id: string; created: boolean; changed: boolean }>();
  const changes: Change[] = [];
  let open = wishes;
  let stored = new Map<string, Stored>();
  const drop = () => {
    for (const wish of open) {
      const found = stored.get(wish.externalId);
      if (found && changesTo(wish, found).length === 0)
        done.set(wish.externalId, { id: found.id, created: false, changed: false });
    }
    open = open.filter((wish) => !done.has(wish.externalId));
  };
  const made = ({ id, externalId }: Made) => {
    done.set(externalId, { id, created: true, changed: true });
    changes.push({ profileId: id, mentions: [EVERYTHING] });
  };
  if (insertion) {
    for (const one of await insert(sql, workspaceId, insertion)) made(one);
    open = open.filter((wish) => !done.has(wish.externalId));
  } else {
    // They mostly say what is known, and need no lock then.
    stored = await storedProfiles(sql, workspaceId, open);
    drop();
    if (open.length > 0) await amongWriters(sql, workspaceId);
  }
  for (let round = 0; open.length > 0 && round < ROUNDS; round++) {
    const before = open.length;
    stored = await storedProfiles(sql, workspaceId, open);
    drop();
    const missing = open.filter((wish) => !stored.has(wish.externalId));
    for (const one of await insert(sql, workspaceId, insertionOf(missing))) made(one);
    // Two external ids may lead to one profile: one wish of a profile at a time.
    const different = new Map<string, { wish: JudgedProfile; found: Stored }>();
    for (const wish of open) {
      const found = stored.get(wish.externalId);
      if (found && !different.has(found.id)) different.set(found.id, { wish, found });
    }
    for (const id of await update(sql, workspaceId, different)) {
      const { wish, found } = different.get(id)!;
      done.set(wish.externalId, { id, created: false, changed: true });
      changes.push({ profileId: id, mentions: changesTo(wish, found) });
    }
    open = open.filter((wish) => !done.has(wish.externalId));
    // Only a round that got nowhere counts.
    if (open.length < before) round--;
  }
  await tell(changes);
  return done;
}

/**
 * By the external id that was asked for. OFFSET 0 makes it one look-up each, whatever the planner believes of a table that
 * has grown faster than its statistics: it would else compare everybody with everybody.
 */
async function storedProfiles(
  sql: Sql,
  workspaceId: string,
  wishes: readonly JudgedProfile[],
): Promise<Map<string, Stored>> {
  if (wishes.length === 0) return new Map();
  const shown = Object.entries(columns).map(([field, column]) => `p.${column} AS "${field}"`);
  const rows = await sql.query<Stored>(
    `SELECT p.id, p.external_id AS "externalId", ${shown.join(', ')}, p.attributes
     FROM unnest($2::text[]) AS u(external_id)
     CROSS JOIN LATERAL (SELECT * FROM profiles WHERE workspace_id = $1 AND external_id = u.external_id OFFSET 0) p`,
    [workspaceId, wishes.map((wish) => wish.externalId)],
  );
  const found = new Map(rows.map((row) => [row.externalId, row]));
  const missing = wishes.filter((wish) => !found.has(wish.externalId));
  if (missing.length > 0)
    for (const row of await sql.query<Stored>(
      `SELECT p.id, i.value AS "externalId", ${shown.join(', ')}, p.attributes
       FROM identities i JOIN profiles p ON p.workspace_id = i.workspace_id AND p.id = i.profile_id
       WHERE i.workspace_id = $1 AND i.namespace = $3 AND i.value = ANY($2)`,
      [workspaceId, missing.map((wish) => wish.externalId), OWN_NAMESPACE],
    ))
      found.set(row.externalId, row);
  return found;
}

interface Made {
  id: string;
  externalId: string;
}
interface Insertion {
  made: readonly Made[];
  params: readonly unknown[];
}
/** Whose original is their normal form need not be said twice. */
const normalOf = { emailOriginal: 'email', phoneOriginal: 'phone' } as const;
const normalName = { email_original: 'email', phone_original: 'phone' } as const;

const INSERT = `INSERT INTO profiles (id, workspace_id, external_id, ${names.join(', ')}, attributes)
  SELECT id, $1, external_id, ${names.map((name) => (name in normalName ? `coalesce(${name}, ${normalName[name as keyof typeof normalName]})` : name)).join(', ')}, attributes
  FROM ROWS FROM (unnest($2::uuid[], $3::text[], ${names.map((_, i) => `$${i + 5}::text[]`).join(', ')}), jsonb_array_elements($4::jsonb))
    AS u(id, external_id, ${names.join(', ')}, attributes)
  ON CONFLICT (workspace_id, external_id) DO NOTHING`;

/** In one order, so that two lists with the same people cannot wait for each other. */
function insertionOf(wishes: readonly JudgedProfile[]): Insertion {
  const list = wishes.map((wish) => ({ id: newId(), externalId: wish.externalId, wish }));
  list.sort((a, b) => (a.externalId < b.externalId ? -1 : 1));
  const column = (field: Field) =>
    texts(
      list.map(({ wish }) => {
        const value = wish[field] ?? null;
        return field in normalOf && value === wish[normalOf[field as keyof typeof normalOf]] ? null : value;
      }),
    );
  return {
    made: list.map(({ id, externalId }) => ({ id, externalId })),
    params: [
      uuids(list.map(({ id }) => id)),
      texts(list.map(({ externalId }) => externalId)),
      JSON.stringify(list.map(({ wish }) => wish.attributes)),
      ...fields.map(column),
    ],
  };
}

/** @returns those that nobody else has made */
async function insert(sql: Sql, workspaceId: string, { made, params }: Insertion): Promise<readonly Made[]> {
  if (made.length === 0) return made;
  const count = await sql.execute(INSERT, [workspaceId, ...params]);
  if (count === made.length) return made;
  const rows = await sql.query<{ id: string }>(
    'SELECT id FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[])',
    [workspaceId, made.map(({ id }) => id)],
  );
  const ours = new Set(rows.map(({ id }) => id));
  return made.filter(({ id }) => ours.has(id));
}

/** @returns the ids of those that are still there */
async function update(
  sql: Sql,
  workspaceId: string,
  changes: ReadonlyMap<string, { wish: JudgedProfile }>,
): Promise<string[]> {
  if (changes.size === 0) return [];
  const ids = [...changes.keys()];
  const wishes = [...changes.values()].map(({ wish }) => wish);
  // Locked in one order, so that two lists with the same people cannot wait for each other.
  await sql.query(
    `SELECT FROM profiles WHERE workspace_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
    [workspaceId, ids],
  );
  const sets = names.map((name) => `sets_${name}`);
  const given = [
    ...names.map((name) => ({ name, type: 'text' })),
    ...sets.map((name) => ({ name, type: 'boolean' })),
    { name: 'attributes', type: 'text' },
    { name: 'removed', type: 'text' },
  ];
  const rows = await sql.query<{ id: string }>(
    `UPDATE profiles p SET ${names.map((name) => `${name} = CASE WHEN u.sets_${name} THEN u.${name} ELSE p.${name} END`).join(', ')},
       attributes = (p.attributes || u.attributes::jsonb) - ARRAY(SELECT jsonb_array_elements_text(u.removed::jsonb)),
       version = p.version + 1, updated_at = now()
     FROM unnest($2::uuid[], ${given.map(({ type }, i) => `$${i + 3}::${type}[]`).join(', ')}) AS u(id, ${given.map(({ name }) => name).join(', ')})
     WHERE p.workspace_id = $1 AND p.id = ANY($2::uuid[]) AND p.id = u.id
     RETURNING p.id`,
    [
      workspaceId,
      ids,
      ...fields.map((field) => wishes.map((wish) => wish[field] ?? null)),
      ...fields.map((field) => wishes.map((wish) => wish[field] !== undefined)),
      wishes.map((wish) => JSON.stringify(wish.attributes)),
      wishes.map((wish) => JSON.stringify(wish.removed)),
    ],
  );
  return rows.map(({ id }) => id);
}

/** What is needed to judge these rows; asks for nothing where they hold nothing that depends on it. */
async function rulesFor(
  sql: Sql,
  workspaceId: string,
  rows: readonly ProfileUpsert[],
): Promise<ProfileRules> {
  const rules: ProfileRules = {};
  if (rows.some((row) => row.phone || row.attributes)) {
    const [row] = await sql.query<{
      country: string | null;
      types: Record<string, AttributeTypeName> | null;
    }>(
      `SELECT settings->>'defaultCountry' AS country,
         (SELECT jsonb_object_agg(name, type) FROM attribute_types WHERE workspace_id = $1) AS types
       FROM workspaces WHERE id = $1`,
      [workspaceId],
    );
    rules.defaultCountry = row?.country ?? undefined;
    rules.types = row?.types ? new Map(Object.entries(row.types)) : undefined;
  }
  if (rows.some((row) => row.phone || row.timezone)) {
    const zones = await knownZones(sql);
    rules.knowsZone = (name) => zones.has(name);
  }
  return rules;
}
