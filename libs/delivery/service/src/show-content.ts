/** What a delivery said or will say, rendered again from its template version and data. Nothing rendered is stored. */
import { recipientsByIds } from '@carillon/audience-service';
import type { Channel, RenderedContent } from '@carillon/contracts';
import { dayOf, type Database, type Sql } from '@carillon/database';
import type { Recipient, RenderInput } from '@carillon/delivery-rules';
import { channelShapes } from './channels.js';
import { contentFor, templateContent } from './content-for.js';
import { memberDataOf } from './member-data.js';
import type { RenderPool } from './render-pool.js';

interface Row {
  id: string;
  day: string;
  erased: boolean;
  messageId: string;
  channel: Channel;
  messageClass: 'transactional' | 'marketing';
  profileId: string | null;
  address: string | null;
  templateId: string | null;
  templateVersion: number | null;
  content: Parameters<typeof contentFor>[1];
  data: Record<string, unknown>;
  options: { replyTo?: string; attachments?: { filename: string; contentType: string; content: string }[] };
}
/** Stands where the real link was: a person who looks at a message must not be able to unsubscribe its recipient. */
const NO_LINK = 'https://unsubscribe.invalid/';
export const nobody: Recipient = {
  profileId: null,
  externalId: null,
  email: null,
  phone: null,
  locale: null,
  timezone: null,
  attributes: {},
  devices: [],
};

/** @returns null when there is no such delivery in the workspace */
export async function showContent(
  database: Database,
  renderer: Pick<RenderPool, 'render'>,
  workspaceId: string,
  id: string,
): Promise<{ ok: true; content: RenderedContent } | { ok: false; detail: string } | null> {
  const found = await database.inWorkspace(workspaceId, (sql) => inputOf(sql, workspaceId, id));
  if (!found) return null;
  const { row, input } = found;
  if (row.erased) return { ok: false, detail: 'its content was erased' };
  if (!input) return { ok: false, detail: 'its template version is missing' };
  const [result] = await renderer.render(row.channel, [input]);
  if (!result) throw new Error('nothing was rendered');
  return result.ok
    ? { ok: true, content: channelShapes[row.channel].show(result.rendered, row.address) }
    : { ok: false, detail: result.detail };
}

async function inputOf(
  sql: Sql,
  workspaceId: string,
  id: string,
): Promise<{ row: Row; input: RenderInput | null } | null> {
  const [row] = await sql.query<Row>(
    `SELECT d.id, d.day::text AS day, d.message_id AS "messageId", d.channel, d.class AS "messageClass", d.profile_id AS "profileId", d.address, d.template_id AS "templateId",
            d.template_version AS "templateVersion", m.content, m.data, m.options, m.erased_at IS NOT NULL AS erased
       FROM deliveries d JOIN messages m ON m.day = d.day AND m.id = d.message_id WHERE d.day = $2::date AND d.id = $3 AND d.workspace_id = $1`,
    [workspaceId, dayOf(id), id],
  );
  if (!row) return null;
  const [profile] = row.profileId ? await recipientsByIds(sql, workspaceId, [row.profileId]) : [];
  const recipient = profile ?? {
    ...nobody,
    email: row.channel === 'email' ? row.address : null,
    phone: row.channel === 'sms' ? row.address : null,
  };
  const templates = await templateContent(sql, workspaceId, [row]);
  const chosen = contentFor(row, row.content, templates(row), recipient.locale);
  const input = chosen && {
    ...chosen,
    data: { ...row.data, ...(await memberDataOf(sql, workspaceId, [row])).get(id) },
    recipient,
    messageClass: row.messageClass,
    replyTo: row.options.replyTo ?? null,
    attachments: row.options.attachments ?? [],
    unsubscribeUrl: NO_LINK,
  };
  return { row, input };
}
