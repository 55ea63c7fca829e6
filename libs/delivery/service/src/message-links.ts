/** The links that messages of runs have, of all that they may have said: every locale of their template versions. */
import { linksIn, type SourceLink } from '@carillon/content';
import type { ContentByChannel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { templateContent } from './content-for.js';

interface Row {
  id: string;
  messageId: string;
  templateId: string | null;
  templateVersion: number | null;
  content: ContentByChannel | null;
}

/** @returns each link once; of what was erased there are none */
export async function linksOfMessages(
  sql: Sql,
  workspaceId: string,
  messages: readonly { messageId: string; day: string }[],
): Promise<SourceLink[]> {
  if (messages.length === 0) return [];
  const rows = await sql.query<Row>(
    `SELECT id, id AS "messageId", template_id AS "templateId", template_version AS "templateVersion", content
       FROM messages WHERE day = ANY($2::date[]) AND id = ANY($3::uuid[]) AND workspace_id = $1`,
    [workspaceId, [...new Set(messages.map((m) => m.day))], messages.map((m) => m.messageId)],
  );
  const templates = await templateContent(sql, workspaceId, rows);
  const sources = rows.flatMap((row) => {
    const template = templates(row);
    const contents = template ? [template.content, ...Object.values(template.locales)] : [row.content];
    return contents.flatMap((content) => content?.email?.html ?? []);
  });
  return [
    ...new Map(
      [...new Set(sources)].flatMap(linksIn).map((link): [string, SourceLink] => [link.id, link]),
    ).values(),
  ];
}
