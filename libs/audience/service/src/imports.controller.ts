/** Imports over HTTP: made, uploaded in parts, started, watched. */
import { config } from '@carillon/config';
import { IMPORT_PART_BYTES, type Import, type ImportPreview } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { Queues } from '@carillon/queue';
import { csvLine, notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { listToFill } from './audience-rows.js';
import { actorOf, audit } from './audit.js';
import { faultOf, importRows, layoutOf, type ImportedRow } from './import-rows.js';
import { importText, UnreadableFile } from './import-text.js';
import {
  cancelImport,
  createImport,
  listImports,
  readImport,
  startImport,
  storePart,
  type PartResult,
} from './imports.js';
import { judgeProfile } from './judge-profile.js';

const SAMPLE = 10;
const ERRORS_AT_ONCE = 2_000;

@Controller()
export class ImportsController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
  ) {}

  @Operation('createImport')
  create({ body, caller }: Call<'createImport'>): Promise<Import> {
    const { importBytes } = config().limits;
    if ((body.bytes ?? 0) > importBytes) {
      const message = `A file may have at most ${importBytes.toLocaleString('en')} bytes here (IMPORT_MAX_BYTES): send it in pieces, each as an import of its own.`;
      throw new ProblemException('body_too_large', message, {
        errors: [{ pointer: '/bytes', code: 'too_large', message }],
      });
    }
    return this.in(caller, async (sql) => {
      await refuseList(sql, caller.workspaceId, body.audience);
      const made = await createImport(sql, caller.workspaceId, body, actorOf(caller));
      await audit(sql, caller, 'import.started', made.id, {
        kind: made.kind,
        ...(made.audience !== null && { audience: made.audience }),
      });
      return made;
    });
  }

  @Operation('putImportPart')
  async putPart({ params, caller, request }: Call<'putImportPart'>): Promise<Import> {
    const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array();
    if (bytes.length > IMPORT_PART_BYTES)
      throw new ProblemException('body_too_large', `A part has at most ${IMPORT_PART_BYTES} bytes.`);
    return this.in(caller, async (sql) => {
      const { workspaceId } = caller;
      const stored = await storePart(
        sql,
        workspaceId,
        params.id,
        params.no,
        bytes,
        config().limits.importBytes,
      );
      if (stored !== 'stored') throw refusal[stored]();
      return this.read(sql, workspaceId, params.id);
    });
  }

  @Operation('startImport')
  async start({ params, caller }: Call<'startImport'>): Promise<Import> {
    const started = await this.in(caller, (sql) => startImport(sql, caller.workspaceId, params.id));
    if (!started) throw notFound('import');
    // A hint: the clock offers it again if this is lost.
    if (started.state === 'queued') await this.queues.offer('import-profiles', [started.id]);
    return started;
  }

  @Operation('getImport')
  get({ params, caller }: Call<'getImport'>): Promise<Import> {
    return this.in(caller, (sql) => this.read(sql, caller.workspaceId, params.id));
  }

  @Operation('listImports')
  async list({ query, caller }: Call<'listImports'>): Promise<Result<'listImports'>> {
    const items = await this.in(caller, (sql) =>
      listImports(sql, caller.workspaceId, query.limit + 1, query.cursor ?? null, query.kind ?? null),
    );
    const page = items.slice(0, query.limit);
    const last = page.at(-1);
    return {
      items: page,
      nextCursor: items.length > query.limit && last ? last.id : null,
    };
  }

  @Operation('cancelImport')
  async cancel({ params, caller }: Call<'cancelImport'>): Promise<Import> {
    const cancelled = await this.in(caller, (sql) => cancelImport(sql, caller.workspaceId, params.id));
    if (!cancelled) throw notFound('import');
    return cancelled;
  }

  @Operation('exportImportErrors')
  async *errors({ params, caller }: Call<'exportImportErrors'>): AsyncGenerator<string> {
    await this.in(caller, (sql) => this.read(sql, caller.workspaceId, params.id));
    yield csvLine(['line', 'reason', 'row']);
    for (let [after, more] = [-1, true]; more;) {
      const rows = await this.in(caller, (sql) =>
        sql.query<{ line: number; reason: string; cells: string[] }>(
          `SELECT line, reason, cells FROM import_errors WHERE workspace_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4`,
          [caller.workspaceId, params.id, after, ERRORS_AT_ONCE],
        ),
      );
      yield rows.map(({ line, reason, cells }) => csvLine([String(line), reason, ...cells])).join('');
      more = rows.length === ERRORS_AT_ONCE;
      after = rows.at(-1)?.line ?? after;
    }
  }

  @Operation('previewImport')
  async preview({ body, caller }: Call<'previewImport'>): Promise<ImportPreview> {
    const { head, complete, kind, ...options } = body;
    const country = await this.in(caller, async (sql) => {
      const [row] = await sql.query<{ country: string | null }>(
        `SELECT settings->>'defaultCountry' AS country FROM workspaces WHERE id = $1`,
        [caller.workspaceId],
      );
      return row?.country ?? undefined;
    });
    const preview: ImportPreview = {
      format: options.format ?? 'csv',
      encoding: options.encoding ?? 'utf-8',
      delimiter: null,
      headings: [],
      mapping: null,
      problem: null,
      rows: [],
      bad: [],
    };
    try {
      const bytes = Buffer.from(head, 'base64');
      const { encoding, pieces } = await importText(
        (async function* () {
          yield bytes;
        })(),
        10_000_000,
        options.encoding,
      );
      preview.encoding = encoding;
      const parts: Buffer[] = [];
      try {
        for await (const piece of pieces) parts.push(piece);
      } catch (error) {
        // The head of a gzip file ends in the middle: what came out of it is enough.
        if (!(error instanceof UnreadableFile) || complete || parts.length === 0) throw error;
      }
      const text = Buffer.concat(parts);
      const layout = layoutOf(text, kind, options);
      Object.assign(preview, layout, { problem: faultOf(layout, kind) });
      if (preview.problem) return preview;
      const rows: ImportedRow[] = [];
      const source = (async function* () {
        yield text;
      })();
      for await (const some of importRows(source, layout, kind, { cursor: 0, line: 0 })) {
        rows.push(...some);
        // The last row of a head may be cut short.
        if (!complete) break;
      }
      for (const row of rows) {
        if (preview.rows.length + preview.bad.length >= 200 || preview.rows.length >= SAMPLE) break;
        const { line, cells } = row;
        if (row.value === null) preview.bad.push({ line, cells, reason: row.reason });
        else if ('externalId' in row.value) {
          const judged = judgeProfile(row.value, { defaultCountry: country });
          if (judged.ok) {
            const {
              emailOriginal: _,
              phoneOriginal: __,
              phoneZone: ___,
              removed: ____,
              ...shown
            } = judged.profile;
            preview.rows.push({ line, row: shown });
          } else
            preview.bad.push({
              line,
              cells,
              reason: judged.errors
                .map((e) => `${e.pointer.slice(1).replaceAll('/', '.')}: ${e.message}`)
                .join(' '),
            });
        } else preview.rows.push({ line, row: row.value });
      }
      return preview;
    } catch (error) {
      if (!(error instanceof UnreadableFile)) throw error;
      return { ...preview, problem: error.message };
    }
  }

  private async read(sql: Sql, workspaceId: string, id: string): Promise<Import> {
    const found = await readImport(sql, workspaceId, id);
    if (!found) throw notFound('import');
    return found;
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

/** A file is not sent for nothing: the list that it is to fill is looked at before. */
async function refuseList(sql: Sql, workspaceId: string, key: string | undefined): Promise<void> {
  if (key === undefined) return;
  const list = await listToFill(sql, workspaceId, key);
  if (list.ok) return;
  throw new ProblemException('invalid_request', list.sentence, {
    errors: [{ pointer: '/audience', code: list.code, message: list.sentence }],
  });
}

const refusal: Record<Exclude<PartResult, 'stored'>, () => ProblemException> = {
  gone: () => notFound('import'),
  not_uploading: () =>
    new ProblemException('conflict', 'This import was started or ended: make a new one for another file.'),
  gap: () =>
    new ProblemException(
      'conflict',
      'A part before this one is missing: go on with the number that `parts` tells.',
    ),
  other_bytes: () =>
    new ProblemException('conflict', 'This part was sent before, with other bytes: make a new import.'),
  too_large: () =>
    new ProblemException(
      'body_too_large',
      'The file is larger than was announced, or than an import may be here.',
    ),
};
