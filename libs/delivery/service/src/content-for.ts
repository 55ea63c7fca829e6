/** Which content a delivery says: its message's own, or its template version's, in the nearest locale. */
import { createHash } from 'node:crypto';
import { localeChain } from '@carillon/audience-rules';
import type { ContentByChannel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

interface Ref {
  id: string;
  messageId: string;
  templateId: string | null;
  templateVersion: number | null;
}
export interface TemplateContent {
  key: string;
  version: number;
  content: ContentByChannel;
  locales: Record<string, ContentByChannel>;
}

/** Versions never change, so they are kept for as long as there is room. */
const versions = new Map<string, TemplateContent>();
const KEPT_VERSIONS = 500;

/** Reads the template versions of these deliveries. Returns a look-up. */
export async function templateContent(
  sql: Sql,
  workspaceId: string,
  refs: readonly Ref[],
): Promise<(ref: Ref) => TemplateContent | undefined> {
  const found = new Map<string, TemplateContent>();
  const missing = new Map<string, { id: string; version: number }>();
  for (const { templateId: id, templateVersion: version } of refs) {
    if (id === null || version === null) continue;
    const key = `${workspaceId} ${id} ${version}`;
    const kept = versions.get(key);
    if (kept) found.set(key, kept);
    else missing.set(key, { id, version });
  }
  if (missing.size > 0) {
    const wanted = [...missing.values()];
    const rows = await sql.query<{
      id: string;
      key: string;
      version: number;
      compiled: Pick<TemplateContent, 'content' | 'locales'>;
    }>(
      `SELECT t.id, t.key, tv.version, tv.compiled FROM unnest($2::uuid[], $3::int[]) AS u(id, version)
         JOIN template_versions tv ON tv.workspace_id = $1 AND tv.template_id = u.id AND tv.version = u.version
         JOIN templates t ON t.workspace_id = $1 AND t.id = u.id`,
      [workspaceId, wanted.map((w) => w.id), wanted.map((w) => w.version)],
    );
    for (const row of rows) {
      const key = `${workspaceId} ${row.id} ${row.version}`;
      const value = {
        key: row.key,
        version: row.version,
        content: row.compiled.content,
        locales: row.compiled.locales,
      };
      if (versions.size >= KEPT_VERSIONS) versions.delete(versions.keys().next().value ?? '');
      versions.set(key, value);
      found.set(key, value);
    }
  }
  return (ref) => found.get(`${workspaceId} ${ref.templateId} ${ref.templateVersion}`);
}

/**
 * @param inline the message's own content; wins when there is no template
 * @returns the content, and a key under which compiled templates may be kept; null when the template version is gone
 */
export function contentFor(
  ref: Ref,
  inline: ContentByChannel | null,
  template: TemplateContent | undefined,
  locale: string | null,
): { content: ContentByChannel; cacheKey: string } | null {
  if (ref.templateId === null) return inline ? { content: inline, cacheKey: contentKey(inline) } : null;
  if (!template) return null;
  const tag = (locale ? localeChain(locale) : []).find((l) => template.locales[l]);
  return {
    // A locale may cover some channels only; the default covers the rest.
    content: tag ? { ...template.content, ...template.locales[tag] } : template.content,
    cacheKey: `${ref.templateId}:${template.version}:${tag ?? ''}`,
  };
}

/** Equal content shares compiled templates, whichever message brings it. */
function contentKey(content: ContentByChannel): string {
  let key = keys.get(content);
  if (!key) {
    key = `inline:${createHash('sha256').update(JSON.stringify(content)).digest('base64url')}`;
    keys.set(content, key);
  }
  return key;
}
/** Messages accepted here with equal content hold the same object. */
const keys = new WeakMap<ContentByChannel, string>();
