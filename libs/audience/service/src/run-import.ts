/**
 * Works an import: reads its text, cuts it into rows, and writes them in batches. The cursor is committed in the
 * transaction of its batch, so that a worker that is killed doubles nothing and loses nothing. Two batches are written side by side
 * while the next one is read and judged; they are committed in the order of the file. Works `import-profiles`; the clock offers again what nobody works.
 *
 * Several rows about one person: they are applied in the order of the file, each over the one before, so the last one
 * wins, field by field.
 */
import { config } from '@carillon/config';
import { OWN_NAMESPACE, type PayloadOf, type ProfileUpsert } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { Work, type WorkContext } from '@carillon/queue';
import { withLeanHeap } from '@carillon/server';
import { Controller, Inject, Logger } from '@nestjs/common';
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { erasedSince } from './erased.js';
import { faultOf, importRows, layoutOf, type ImportedRow, type SuppressionRow } from './import-rows.js';
import { importText, UnreadableFile } from './import-text.js';
import { claimImport, endImport, moveOn, type ImportInHand, type Tally } from './imports.js';
import { listToFill } from './audience-rows.js';
import { changeList } from './members.js';
import { suppressAddresses } from './suppression.js';
import { amongWriters, markStale, type Change } from './stale.js';
import {
  judgeProfiles,
  prepareProfiles,
  writeProfiles,
  type Judgement,
  type Prepared,
  type UpsertResult,
} from './upsert-profiles.js';

/**
 * Rows of one transaction. Few enough that most of them are gone before the second young collection: what survives two of
 * them fills the old heap.
 */
const BATCH = 1_000;
/** So long a batch whose rows are written waits for the one before it. */
const TURN_MS = 2_000;
/** People of one import whom live audiences are asked about one by one; beyond, they are evaluated as a whole at its end. */
const MOST_STALE = 10_000;
/** Bad rows that are kept for download; more are only counted. */
const MOST_ERRORS = 100_000;
/** The tables grow faster than their statistics: taken for small, they would be read as a whole by every batch. */
const BY_INDEX = `SELECT set_config('enable_seqscan', 'off', true)`;
/** Cells of a bad row that are kept, and characters of each. */
const KEPT_CELLS = 100;
const KEPT_CELL = 1_000;

@Controller()
export class ImportWorker {
  private readonly log = new Logger('Imports');
  constructor(@Inject(Database) private readonly database: Database) {}

  @Work('import-profiles')
  async work({ importIds }: PayloadOf<'import-profiles'>, { signal }: WorkContext): Promise<void> {
    for (const id of importIds) await this.run(id, signal);
  }

  /** Takes it as far as it goes: to its end, until it is cancelled, or until the process stops. */
  async run(id: string, signal: AbortSignal): Promise<void> {
    const held = await this.database.acrossWorkspaces((sql) => claimImport(sql, id));
    if (!held) return;
    try {
      if (await withLeanHeap(() => this.read(held, signal)))
        await this.in(held, (sql) => endImport(sql, held, null));
    } catch (error) {
      if (!(error instanceof UnreadableFile)) throw error;
      this.log.warn(`import ${held.id} cannot be read on`);
      await this.in(held, (sql) => endImport(sql, held, error.message));
    }
  }

  /** @returns whether the end was reached */
  private async read(held: ImportInHand, signal: AbortSignal): Promise<boolean> {
    const { importBytes } = config().limits;
    const read = { bytes: 0 };
    const { pieces } = await importText(this.chunks(held, read), importBytes, held.options.encoding);
    const first = await pieces.next();
    const head = first.done ? Buffer.alloc(0) : first.value;
    const layout = layoutOf(head, held.kind, held.options);
    const fault = faultOf(layout, held.kind);
    if (fault) throw new UnreadableFile(fault);
    const all = (async function* () {
      yield head;
      yield* pieces;
    })();

    const file = { mostlyNew: true };
    const none: Written = { done: Promise.resolve(true), people: null };
    // The two that are being written. `people` of a batch that only makes new ones.
    let [earlier, last] = [none, none];
    let batch: ImportedRow[] = [];
    const write = async (): Promise<boolean> => {
      const [rows, at] = [batch, read.bytes];
      batch = [];
      // Judged while those before are written: the one is this process's work, the other the database's.
      const prepared = await this.judge(held, rows, file.mostlyNew);
      const people = prepared.insertion ? new Set(prepared.wishes.map(({ externalId }) => externalId)) : null;
      if (!(await earlier.done) || signal.aborted) return false;
      if (!areApart(last.people, people) && !(await last.done)) return false;
      const done = this.writeBatch(held, rows, prepared, at, file, last.done);
      // Awaited with a later one: until then this process reads on.
      done.catch(() => undefined);
      [earlier, last] = [last, { done, people }];
      return true;
    };
    try {
      for await (const rows of importRows(all, layout, held.kind, held)) {
        // What the database has answered meanwhile goes on first: it must not wait for rows that are read ahead.
        await breathe();
        for (let at = 0; at < rows.length;) {
          const taken = rows.slice(at, at + BATCH - batch.length);
          batch = batch.length === 0 ? taken : batch.concat(taken);
          at += taken.length;
          if (batch.length >= BATCH && !(await write())) return false;
        }
      }
      if (batch.length > 0 && !(await write())) return false;
      return (await earlier.done) && (await last.done);
    } finally {
      await Promise.allSettled([earlier.done, last.done]);
    }
  }

  /** What becomes of each good row, of profiles. */
  private async judge(
    held: ImportInHand,
    rows: readonly ImportedRow[],
    mostlyNew: boolean,
  ): Promise<Prepared> {
    if (held.kind !== 'profiles') return prepareProfiles([]);
    const good = (rows as ImportedRow<ProfileUpsert>[]).flatMap(({ value }) => value ?? []);
    const judged = await this.database.reading(held.workspaceId, (sql) =>
      judgeProfiles(sql, held.workspaceId, good, breathe),
    );
    return prepareProfiles(judged, mostlyNew);
  }

  /**
   * One transaction, committed after the one before it.
   * @returns false when it is not this worker's any more; then nothing was written
   */
  private async writeBatch(
    held: ImportInHand,
    rows: readonly ImportedRow[],
    prepared: Prepared,
    read: number,
    file: { mostlyNew: boolean },
    before: Promise<boolean>,
  ): Promise<boolean> {
    const last = rows.at(-1);
    if (!last) return before;
    const inTurn = async (): Promise<void> => {
      // Others may wait for us whom the batch before waits for: then we begin again after it.
      const waited = await Promise.race([before, sleep(TURN_MS, null, { ref: false })]);
      if (waited === null) throw new OutOfTurn();
      if (!waited) throw new NotOurs();
    };
    try {
      await this.in(held, async (sql) => {
        const { bad, ...tally } =
          held.kind === 'profiles'
            ? await writeRows(sql, held, rows as ImportedRow<ProfileUpsert>[], prepared, inTurn)
            : await writeSuppressions(sql, held.workspaceId, rows as ImportedRow<SuppressionRow>[]);
        await inTurn();
        await noteBadRows(sql, held, bad);
        const to = { cursor: last.end, line: last.line, read };
        if (!(await moveOn(sql, held, to, { ...tally, rows: rows.length, failed: bad.length })))
          throw new NotOurs();
        file.mostlyNew = tally.created * 2 > rows.length;
      });
      return true;
    } catch (error) {
      if (error instanceof NotOurs) return false;
      if (!(error instanceof OutOfTurn)) throw error;
      return (await before) && this.writeBatch(held, rows, prepared, read, file, before);
    }
  }

  private async *chunks(held: ImportInHand, read: { bytes: number }): AsyncGenerator<Buffer> {
    for (let no = 0; no < held.parts; no++) {
      const [chunk] = await this.in(held, (sql) =>
        sql.query<{ bytes: Buffer }>(
          'SELECT bytes FROM import_chunks WHERE workspace_id = $1 AND import_id = $2 AND no = $3',
          [held.workspaceId, held.id, no],
        ),
      );
      // Cancelled meanwhile: the next commit will say so.
      if (!chunk) return;
      read.bytes += chunk.bytes.length;
      yield chunk.bytes;
    }
  }

  private in<T>({ workspaceId }: ImportInHand, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

/** Somebody cancelled it, or another worker has taken over: rolls the batch back. */
class NotOurs extends Error {}
/** The batch before it is not done yet: rolls this one back. */
class OutOfTurn extends Error {}

interface Written {
  /** False when it was not this worker's any more. */
  done: Promise<boolean>;
  people: ReadonlySet<string> | null;
}
/** Whether neither batch can wait for what the other writes. */
const areApart = (a: Written['people'], b: Written['people']): boolean =>
  a !== null && b !== null && ![...b].some((person) => a.has(person));

interface BadRow {
  line: number;
  reason: string;
  cells: string[];
}
type Outcome = Omit<Tally, 'rows' | 'failed'> & { bad: BadRow[] };

const refused = (rows: readonly ImportedRow[]): BadRow[] =>
  rows.flatMap((row) =>
    row.value === null ? [{ line: row.line, reason: row.reason, cells: row.cells }] : [],
  );

async function writeRows(
  sql: Sql,
  held: ImportInHand,
  rows: readonly ImportedRow<ProfileUpsert>[],
  prepared: Prepared,
  inTurn: () => Promise<void>,
): Promise<Outcome> {
  const { workspaceId } = held;
  const changedSoFar = async (): Promise<number> => {
    const [row] = await sql.query<{ changed: number }>(
      'SELECT greatest(created + updated, joined) AS changed FROM imports WHERE workspace_id = $1 AND id = $2',
      [workspaceId, held.id],
    );
    return row?.changed ?? 0;
  };
  const [, , isErased, merged, before] = await Promise.all([
    sql.query(BY_INDEX),
    amongWriters(sql, workspaceId),
    erasedSince(sql, workspaceId, held.createdAt),
    // Of profiles that became part of others.
    sql.query('SELECT FROM identities WHERE workspace_id = $1 AND namespace = $2 LIMIT 1', [
      workspaceId,
      OWN_NAMESPACE,
    ]),
    changedSoFar(),
  ]);
  // Two ids may lead to one person: a batch may then not write beside another.
  if (isErased || merged.length > 0) await inTurn();
  const bad = refused(rows);
  const good = rows.filter(({ value }) => value !== null);
  const wanted = isErased
    ? prepareProfiles(
        prepared.judged.map((verdict) =>
          verdict.ok && isErased(verdict.profile.externalId) ? erased : verdict,
        ),
      )
    : merged.length > 0
      ? { judged: prepared.judged, wishes: prepared.wishes }
      : prepared;
  const mentions = new Set<string>();
  const tell = async (changes: readonly Change[]): Promise<void> => {
    // Those of the batch beside this one count as well.
    if (before <= MOST_STALE) await inTurn();
    const told = before <= MOST_STALE ? await changedSoFar() : before;
    if (told + changes.length <= MOST_STALE) await markStale(sql, workspaceId, changes);
    else for (const change of changes) for (const mention of change.mentions) mentions.add(mention);
  };
  const results = await writeProfiles(sql, workspaceId, wanted, tell);
  // The list is one writer's at a time: the batch before has it first.
  if (held.options.audience !== undefined) await inTurn();
  const joined = await fillList(sql, held, results, tell);
  let [created, updated, unchanged] = [0, 0, 0];
  for (const [i, result] of results.entries()) {
    if (result.outcome === 'failed') {
      const { line, cells } = good[i]!;
      const reason = result.errors.map((e) => `${e.pointer.slice(1).replaceAll('/', '.')}: ${e.message}`);
      bad.push({ line, cells, reason: reason.join(' ') });
    } else if (result.outcome === 'created') created++;
    else if (result.changed) updated++;
    else unchanged++;
  }
  // What is told of a bad row must not bring back what was erased either.
  if (isErased) for (const row of bad) if (row.cells.some(isErased)) row.cells = [];
  return { created, updated, unchanged, joined, bad, mentions: [...mentions] };
}

/** Everybody of these rows enters the list that the file fills, if it fills one. @returns who was not on it */
async function fillList(
  sql: Sql,
  { workspaceId, options }: ImportInHand,
  results: readonly UpsertResult[],
  tell: (changes: readonly Change[]) => Promise<void>,
): Promise<number> {
  if (options.audience === undefined) return 0;
  const list = await listToFill(sql, workspaceId, options.audience);
  if (!list.ok) throw new UnreadableFile(list.sentence);
  const join = results.flatMap(({ id }) => id ?? []);
  return changeList(sql, workspaceId, list.id, { join, leave: [] }, { cause: 'import', tell });
}

const erased: Judgement = {
  ok: false,
  errors: [
    {
      pointer: '/externalId',
      code: 'erased',
      message:
        'This person was erased after the file was announced: send a new file if they are to come back.',
    },
  ],
};

async function writeSuppressions(
  sql: Sql,
  workspaceId: string,
  rows: ImportedRow<SuppressionRow>[],
): Promise<Outcome> {
  const good = rows.flatMap((row) => (row.value === null ? [] : [{ ...row.value, source: 'import' }]));
  const created = await suppressAddresses(sql, workspaceId, good);
  return {
    created,
    updated: 0,
    unchanged: good.length - created,
    joined: 0,
    bad: refused(rows),
    mentions: [],
  };
}

async function noteBadRows(sql: Sql, held: ImportInHand, bad: readonly BadRow[]): Promise<void> {
  if (bad.length === 0) return;
  await sql.execute(
    `INSERT INTO import_errors (workspace_id, import_id, line, reason, cells)
     SELECT $1, $2, line, reason, ARRAY(SELECT jsonb_array_elements_text(cells::jsonb)) FROM unnest($3::bigint[], $4::text[], $5::text[]) AS u(line, reason, cells)
     WHERE (SELECT failed FROM imports WHERE workspace_id = $1 AND id = $2) < $6
     ON CONFLICT DO NOTHING`,
    [
      held.workspaceId,
      held.id,
      bad.map((row) => row.line),
      bad.map((row) => row.reason.slice(0, 1_000).replaceAll('\0', '')),
      bad.map((row) =>
        JSON.stringify(
          row.cells.slice(0, KEPT_CELLS).map((c) => c.slice(0, KEPT_CELL).replaceAll('\0', '\ufffd')),
        ),
      ),
      MOST_ERRORS,
    ],
  );
}
