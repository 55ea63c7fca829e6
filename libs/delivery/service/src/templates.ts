/** Templates as rows: a save writes the next version, and a version never changes. Previews stand in preview-template.ts. */
import {
  channels,
  type ContentByChannel,
  type Page,
  type Template,
  type TemplateDetail,
  type TemplateSave,
  type TemplateVariable,
  type TemplateVersion,
} from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import { ProblemException } from '@carillon/server';
import { compileTemplateContent, type CompiledContent } from './compile-template.js';
import { slowParts } from './rendering-of.js';

interface TemplateRow {
  id: string;
  key: string;
  name: string;
  version: number;
  content: ContentByChannel;
  variables: TemplateVariable[];
  createdAt: Date;
  updatedAt: Date;
}
interface VersionRow {
  version: number;
  content: ContentByChannel;
  locales: Record<string, ContentByChannel>;
  compiled: CompiledContent;
  variables: TemplateVariable[];
  createdAt: Date;
}

/**
 * Writes the template, or its next version. A save that changes nothing writes nothing, so that it may be repeated.
 * Brings an archived template back.
 * @throws ProblemException `invalid_request` with pointers into the body when the content cannot be rendered
 */
export async function saveTemplate(
  sql: Sql,
  workspaceId: string,
  key: string,
  save: TemplateSave,
): Promise<TemplateDetail> {
  // Before the first lock: MJML takes its time.
  const { compiled, variables, errors } = await compileTemplateContent(save);
  const [first] = errors;
  if (first)
    throw new ProblemException(
      'invalid_request',
      `The template cannot be rendered: ${first.pointer}: ${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`,
      { errors },
    );

  const [template] = await sql.query<{ id: string; version: number }>(
    `INSERT INTO templates AS t (id, workspace_id, key, name, version) VALUES ($1, $2, $3, coalesce($4, $3), 0)
         ON CONFLICT (workspace_id, key) DO UPDATE SET name = coalesce($4, t.name), archived_at = NULL
     RETURNING id, version`,
    [newId(), workspaceId, key, save.name ?? null],
  );
  if (!template) throw new Error('the template was not written');
  const version = [save.content, save.locales ?? {}, variables].map((part) => JSON.stringify(part));
  const [same] = await sql.query(
    `SELECT 1 FROM template_versions WHERE workspace_id = $1 AND template_id = $2 AND version = $3
        AND content = $4::jsonb AND locales = $5::jsonb AND variables = $6::jsonb`,
    [workspaceId, template.id, template.version, ...version],
  );
  if (!same) {
    await sql.execute(
      `INSERT INTO template_versions (workspace_id, template_id, version, content, locales, variables, compiled)
       VALUES ($1, $2, $3, $4::jsonb, $5::jsonb, $6::jsonb, $7::jsonb)`,
      [workspaceId, template.id, template.version + 1, ...version, JSON.stringify(compiled)],
    );
    await sql.execute(
      'UPDATE templates SET version = version + 1, updated_at = now() WHERE workspace_id = $1 AND id = $2',
      [workspaceId, template.id],
    );
  }
  const saved = await readTemplate(sql, workspaceId, key);
  if (!saved) throw new Error('the template was not written');
  return saved;
}

/** By key, archived ones left out. */
export async function listTemplates(
  sql: Sql,
  workspaceId: string,
  { limit, cursor, search }: { limit: number; cursor?: string | undefined; search?: string | undefined },
): Promise<Page<Template>> {
  const rows = await sql.query<TemplateRow>(
    `${SELECT_TEMPLATE} AND t.archived_at IS NULL AND ($2::text IS NULL OR t.key > $2)
        AND ($3::text IS NULL OR t.key ILIKE $3 OR t.name ILIKE $3) ORDER BY t.key LIMIT $4`,
    [workspaceId, cursor ?? null, search === undefined ? null : `%${escapeLike(search)}%`, limit + 1],
  );
  const items = rows.slice(0, limit).map(toTemplate);
  return { items, nextCursor: rows.length > limit ? (items.at(-1)?.key ?? null) : null };
}

/** With its newest version and the list of all. Archived ones stay readable. */
export async function readTemplate(
  sql: Sql,
  workspaceId: string,
  key: string,
): Promise<TemplateDetail | null> {
  const [template] = await sql.query<TemplateRow>(`${SELECT_TEMPLATE} AND t.key = $2`, [workspaceId, key]);
  const current = template && (await readVersion(sql, workspaceId, key, template.version));
  if (!current) return null;
  const versions = await sql.query<Pick<VersionRow, 'version' | 'createdAt'>>(
    `SELECT version, created_at AS "createdAt" FROM template_versions WHERE workspace_id = $1 AND template_id = $2 ORDER BY version DESC`,
    [workspaceId, template.id],
  );
  const warnings = slowParts(current.compiled);
  return {
    ...toTemplate(template),
    rendering: warnings.length > 0 ? 'sandboxed' : 'fast',
    warnings,
    current: toVersion(current),
    versions: versions.map((v) => ({ version: v.version, createdAt: v.createdAt.toISOString() })),
  };
}

/** @param version left out: the newest */
export async function readVersion(
  sql: Sql,
  workspaceId: string,
  key: string,
  version?: number,
): Promise<(VersionRow & { templateId: string }) | null> {
  const [row] = await sql.query<VersionRow & { templateId: string }>(
    `SELECT v.template_id AS "templateId", v.version, v.content, v.locales, v.compiled, v.variables, v.created_at AS "createdAt"
       FROM templates t JOIN template_versions v ON v.workspace_id = $1 AND v.template_id = t.id AND v.version = coalesce($3, t.version)
      WHERE t.workspace_id = $1 AND t.key = $2`,
    [workspaceId, key, version ?? null],
  );
  return row ?? null;
}

/** @returns whether there was one to archive */
export async function archiveTemplate(sql: Sql, workspaceId: string, key: string): Promise<boolean> {
  const archived = await sql.execute(
    'UPDATE templates SET archived_at = coalesce(archived_at, now()) WHERE workspace_id = $1 AND key = $2',
    [workspaceId, key],
  );
  return archived > 0;
}

const SELECT_TEMPLATE = `SELECT t.id, t.key, t.name, t.version, v.content, v.variables, t.created_at AS "createdAt", t.updated_at AS "updatedAt"
   FROM templates t JOIN template_versions v ON v.workspace_id = t.workspace_id AND v.template_id = t.id AND v.version = t.version
  WHERE t.workspace_id = $1`;

const toTemplate = ({ content, createdAt, updatedAt, ...row }: TemplateRow): Template => ({
  ...row,
  channels: channels.filter((channel) => content[channel] !== undefined),
  createdAt: createdAt.toISOString(),
  updatedAt: updatedAt.toISOString(),
});

export const toVersion = ({
  version,
  content,
  locales,
  variables,
  createdAt,
}: VersionRow): TemplateVersion => ({
  version,
  content,
  locales,
  variables,
  createdAt: createdAt.toISOString(),
});

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
