/** What a delivery said or will say, rendered again from its template version and data. Nothing rendered is stored. */
import { recipientsByIds } from '@carillon/audience-service';
import type { Channel, ContentByChannel, RenderedContent } from '@carillon/contracts';
import { dayOf, type Database, type Sql } from '@carillon/database';
import type { Recipient, RenderInput } from '@carillon/delivery-rules';
import { channelShapes } from './channels.js';
import type { MessageOptions } from './claimed.js';
import { contentFor, templateContent } from './content-for.js';
import { memberDataOf } from './member-data.js';
import type { RenderPool } from './render-pool.js';

export interface DeliveryRow {
  id: string;
  day: string;
  erased: boolean;
  messageId: string;
  channel: Channel;
  messageClass: 'transactional' | 'marketing';
  profileId: string | null;
  topic: string | null;
  sentAt: Date | null;
  address: string | null;
  templateId: string | null;
  templateVersion: number | null;
  content: Parameters<typeof contentFor>[1];
  data: Record<string, unknown>;
  options: MessageOptions;
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
): Promise<Shown | null> {
  return shownWith(database, renderer, workspaceId, id, () => ({}));
}
export type Shown = { ok: true; content: RenderedContent } | { ok: false; detail: string };

/**
 * The same as its recipient sees it.
 * @param marks what its links are made with
 */
export async function shownWith(
  database: Database,
  renderer: Pick<RenderPool, 'render'>,
  workspaceId: string,
  id: string,
  marks: (row: DeliveryRow) => Partial<RenderInput>,
): Promise<Shown | null> {
  const found = await database.inWorkspace(workspaceId, (sql) => inputOf(sql, workspaceId, id));
  if (!found) return null;
  const { row } = found;
  const input = found.input && { ...found.input, ...marks(row) };
  if (row.erased) return { ok: false, detail: 'its content was erased' };
  if (!input) return { ok: false, detail: 'its template version is missing' };
  const [result] = await renderer.render(row.channel, [input]);
  if (!result) throw new Error('nothing was rendered');
  return result.ok
    ? { ok: true, content: channelShapes[row.channel].show(result.rendered, row.address) }
    : { ok: false, detail: result.detail };
}

/**
 * What it is rendered from; `input` is null when its template version is gone. `contents` are all that it may have said,
 * whatever its recipient's language was then.
 */
export async function inputOf(
  sql: Sql,
  workspaceId: string,
  id: string,
): Promise<{ row: DeliveryRow; input: RenderInput | null; contents: readonly ContentByChannel[] } | null> {
  const [row] = await sql.query<DeliveryRow>(
    `SELECT d.id, d.day::text AS day, d.message_id AS "messageId", d.channel, d.class AS "messageClass", d.profile_id AS "profileId", d.topic, d.sent_at AS "sentAt", d.address, d.template_id AS "templateId",
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
  const template = templates(row);
  const contents = template
    ? [template.content, ...Object.values(template.locales)]
    : row.content
      ? [row.content]
      : [];
  return { row, input, contents };
}
