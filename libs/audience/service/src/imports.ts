/** Imports as rows: made, filled with parts, started, cancelled, shown. Worked by run-import.ts. */
import { ImportMapping, type Import, type ImportCreate } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { forgetErasedNames } from './erased.js';

/** An upload that nobody went on with is thrown away after this, and a finished import after this many days. */
const UPLOAD_HOURS = 24;
const KEPT_DAYS = 30;
/** How long a worker may take for one batch before somebody else goes on. */
export const LEASE_SECONDS = 60;

export type ImportOptions = Pick<
  ImportCreate,
  'audience' | 'format' | 'encoding' | 'delimiter' | 'mapping' | 'unknownColumns'
>;

interface Row {
  id: string;
  kind: Import['kind'];
  name: string;
  state: Import['state'];
  problem: string | null;
  options: ImportOptions;
  declared: number | null;
  received: number;
  read: number;
  parts: number;
  rows: number;
  created: number;
  updated: number;
  unchanged: number;
  failed: number;
  joined: number;
  requestedBy: string;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
  seconds: number | null;
}
const columns = `id, kind, name, state, problem, options, declared_bytes AS declared, received_bytes AS received, read_bytes AS read, parts,
  rows, created, updated, unchanged, failed, joined, requested_by AS "requestedBy", created_at AS "createdAt", started_at AS "startedAt", finished_at AS "finishedAt",
  extract(epoch FROM coalesce(finished_at, now()) - started_at)::float8 AS seconds`;

function shown(row: Row): Import {
  const { declared, received, read, seconds, options, ...rest } = row;
  const rate = seconds !== null && seconds > 0 && row.rows > 0 ? Math.round(row.rows / seconds) : null;
  const going = row.state === 'running' && seconds !== null && read > 0;
  return {
    ...rest,
    mapping: options.mapping ?? null,
    audience: options.audience ?? null,
    bytes: { declared, received, read },
    rate,
    etaSeconds: going ? Math.ceil((seconds * (received - read)) / read) : null,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

export async function createImport(
  sql: Sql,
  workspaceId: string,
  wish: ImportCreate,
  requestedBy: string,
): Promise<Import> {
  const { kind, name, bytes, ...options } = wish;
  const [row] = await sql.query<Row>(
    `INSERT INTO imports (workspace_id, id, kind, name, options, declared_bytes, requested_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
     RETURNING ${columns}`,
    [workspaceId, newId(), kind, name, JSON.stringify(options), bytes ?? null, requestedBy],
  );
  if (!row) throw new Error('INSERT returned no row');
  return shown(row);
}

/** @returns null when there is no such import in the workspace */
export async function readImport(sql: Sql, workspaceId: string, id: string): Promise<Import | null> {
  const [row] = await sql.query<Row>(`SELECT ${columns} FROM imports WHERE workspace_id = $1 AND id = $2`, [
    workspaceId,
    id,
  ]);
  return row ? shown(row) : null;
}

/** Newest first. @param before an id; those made before it */
export async function listImports(
  sql: Sql,
  workspaceId: string,
  limit: number,
  before: string | null,
  kind: Import['kind'] | null,
): Promise<Import[]> {
  const rows = await sql.query<Row>(
    `SELECT ${columns} FROM imports WHERE workspace_id = $1 AND ($2::uuid IS NULL OR id < $2) AND ($4::text IS NULL OR kind = $4)
     ORDER BY id DESC LIMIT $3`,
    [workspaceId, before, limit, kind],
  );
  return rows.map(shown);
}

export type PartResult = 'stored' | 'gone' | 'not_uploading' | 'gap' | 'other_bytes' | 'too_large';

/** Stores a part. One that was stored before is compared and changes nothing, so that an upload may be repeated. */
export async function storePart(
  sql: Sql,
  workspaceId: string,
  id: string,
  no: number,
  bytes: Uint8Array,
  mostBytes: number,
): Promise<PartResult> {
  const [row] = await sql.query<{ state: string; parts: number; received: number; declared: number | null }>(
    `SELECT state, parts, received_bytes AS received, declared_bytes AS declared FROM imports WHERE workspace_id = $1 AND id = $2 FOR UPDATE`,
    [workspaceId, id],
  );
  if (!row) return 'gone';
  if (row.state !== 'uploading') return 'not_uploading';
  if (no > row.parts) return 'gap';
  if (no < row.parts) {
    const [same] = await sql.query(
      'SELECT FROM import_chunks WHERE workspace_id = $1 AND import_id = $2 AND no = $3 AND bytes = $4',
      [workspaceId, id, no, bytes],
    );
    return same ? 'stored' : 'other_bytes';
  }
  if (row.received + bytes.length > Math.min(mostBytes, row.declared ?? Infinity)) return 'too_large';
  await sql.execute(
    'INSERT INTO import_chunks (workspace_id, import_id, no, bytes) VALUES ($1, $2, $3, $4)',
    [workspaceId, id, no, bytes],
  );
  await sql.execute(
    'UPDATE imports SET parts = parts + 1, received_bytes = received_bytes + $3 WHERE workspace_id = $1 AND id = $2',
    [workspaceId, id, bytes.length],
  );
  return 'stored';
}

/** Gives it to the workers. Starting what was started changes nothing. @returns null when there is none */
export async function startImport(sql: Sql, workspaceId: string, id: string): Promise<Import | null> {
  await sql.execute(
    `UPDATE imports SET state = 'queued', due_at = now() + interval '10 seconds' WHERE workspace_id = $1 AND id = $2 AND state = 'uploading'`,
    [workspaceId, id],
  );
  return readImport(sql, workspaceId, id);
}

/** What is committed stays; the rest is not read. @returns null when there is none */
export async function cancelImport(sql: Sql, workspaceId: string, id: string): Promise<Import | null> {
  const stopped = await sql.execute(
    `UPDATE imports SET state = 'cancelled', due_at = NULL, finished_at = now() WHERE workspace_id = $1 AND id = $2 AND state IN ('uploading', 'queued', 'running')`,
    [workspaceId, id],
  );
  if (stopped > 0) await afterEnd(sql, workspaceId, id);
  return readImport(sql, workspaceId, id);
}

/** For the clock: imports whose job was lost, or whose worker is gone. They are queued again. @returns their ids */
export async function offerImports(sql: Sql): Promise<string[]> {
  const rows = await sql.query<{ id: string }>(
    `UPDATE imports SET state = 'queued', due_at = now() + interval '10 seconds'
     WHERE due_at <= now() AND state IN ('queued', 'running') RETURNING id`,
  );
  return rows.map(({ id }) => id);
}

/** For the clock: uploads that stopped half-way, and the history of long ago. */
export const forgetImports = (sql: Sql): Promise<number> =>
  sql.execute(
    `DELETE FROM imports WHERE (state = 'uploading' AND created_at < now() - interval '${UPLOAD_HOURS} hours')
       OR (finished_at < now() - interval '${KEPT_DAYS} days')`,
  );

/** An import in this worker's hands. */
export interface ImportInHand {
  id: string;
  workspaceId: string;
  kind: Import['kind'];
  options: ImportOptions;
  parts: number;
  attempt: number;
  /** When it was announced: people who were erased since are left out. */
  createdAt: Date;
  /** Where to go on, in bytes of the text and in lines. */
  cursor: number;
  line: number;
}

/** Makes this worker the only one that may write for it. @returns null when there is nothing to do */
export async function claimImport(sql: Sql, id: string): Promise<ImportInHand | null> {
  const [row] = await sql.query<ImportInHand>(
    `UPDATE imports SET state = 'running', attempt = attempt + 1, started_at = coalesce(started_at, now()), due_at = now() + make_interval(secs => $2)
     WHERE id = $1 AND state = 'queued'
     RETURNING id, workspace_id AS "workspaceId", kind, options, parts, attempt, cursor, line, created_at AS "createdAt"`,
    [id, LEASE_SECONDS],
  );
  return row ? { ...row, options: { ...row.options, ...mappingOf(row.options) } } : null;
}
const mappingOf = ({ mapping }: ImportOptions): { mapping?: ImportMapping } =>
  mapping ? { mapping: ImportMapping.parse(mapping) } : {};

export interface Tally {
  rows: number;
  created: number;
  updated: number;
  unchanged: number;
  failed: number;
  joined: number;
  /** What changed of people whom live audiences were not told of yet. */
  mentions: string[];
}

/** The last statement of a batch. @returns false when it is not this worker's any more: then all of it is rolled back */
export const moveOn = async (
  sql: Sql,
  held: ImportInHand,
  to: { cursor: number; line: number; read: number },
  tally: Tally,
): Promise<boolean> =>
  (await sql.execute(
    `UPDATE imports SET cursor = $4, line = $5, read_bytes = $6, rows = rows + $7, created = created + $8, updated = updated + $9,
            unchanged = unchanged + $10, failed = failed + $11, joined = joined + $14, due_at = now() + make_interval(secs => $12),
            mentions = CASE WHEN mentions @> $13::text[] THEN mentions ELSE ARRAY(SELECT DISTINCT unnest(mentions || $13::text[])) END
     WHERE workspace_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'`,
    [
      held.workspaceId,
      held.id,
      held.attempt,
      to.cursor,
      to.line,
      to.read,
      tally.rows,
      tally.created,
      tally.updated,
      tally.unchanged,
      tally.failed,
      LEASE_SECONDS,
      tally.mentions,
      tally.joined,
    ],
  )) > 0;

/** The end, good or bad. The file goes; what is wrong with it stays with the history. */
export async function endImport(sql: Sql, held: ImportInHand, problem: string | null): Promise<void> {
  const ended = await sql.execute(
    `UPDATE imports SET state = $4, problem = $5, due_at = NULL, finished_at = now(), read_bytes = CASE WHEN $5::text IS NULL THEN received_bytes ELSE read_bytes END
     WHERE workspace_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'`,
    [held.workspaceId, held.id, held.attempt, problem === null ? 'done' : 'failed', problem],
  );
  if (ended > 0) await afterEnd(sql, held.workspaceId, held.id);
}

/** The file goes, and live audiences that were not told of everybody are evaluated. */
async function afterEnd(sql: Sql, workspaceId: string, id: string): Promise<void> {
  await forgetErasedNames(sql, workspaceId);
  await sql.execute('DELETE FROM import_chunks WHERE workspace_id = $1 AND import_id = $2', [
    workspaceId,
    id,
  ]);
  await sql.execute(
    `UPDATE audiences SET due_at = now() WHERE id IN (
       SELECT a.id FROM audiences a JOIN imports i ON i.workspace_id = $1 AND i.id = $2
        WHERE a.workspace_id = $1 AND a.live AND a.archived_at IS NULL AND ('*' = ANY(i.mentions) OR a.mentions && i.mentions)
        ORDER BY a.id FOR NO KEY UPDATE OF a)`,
    [workspaceId, id],
  );
}
