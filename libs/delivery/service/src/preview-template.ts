/** Renders a template as a message would be, without sending: stored or not saved yet, for a profile or for nobody. */
import { idsByExternalId, recipientsByIds } from '@carillon/audience-service';
import type { BodyOf, Preview } from '@carillon/contracts';
import type { Database, Sql } from '@carillon/database';
import { notFound, ProblemException } from '@carillon/server';
import type { Recipient, RenderInput } from '@carillon/delivery-rules';
import { channelShapes } from './channels.js';
import { compileTemplateContent } from './compile-template.js';
import { contentFor } from './content-for.js';
import type { RenderPool } from './render-pool.js';
import { nobody } from './show-content.js';
import { readVersion } from './templates.js';

type Request = BodyOf<'previewTemplate'>;

/** Where the real link will be: nobody is unsubscribed by a preview. */
const NO_LINK = 'https://unsubscribe.invalid/';

/** @throws ProblemException `not_found` without such a template or version, `invalid_request` without such a profile */
export async function previewTemplate(
  database: Database,
  renderer: RenderPool,
  workspaceId: string,
  key: string,
  request: Request,
): Promise<Preview> {
  const { stored, recipient } = await database.inWorkspace(workspaceId, async (sql) => {
    const version = await readVersion(sql, workspaceId, key, request.version);
    if (!version && !request.content)
      throw request.version === undefined ? noTemplate() : notFound('version of this template');
    return { stored: version, recipient: await recipientOf(sql, workspaceId, request) };
  });

  const ref = { id: '', messageId: '' };
  let chosen;
  if (request.content) {
    const { compiled, errors } = await compileTemplateContent({ content: request.content });
    if (errors.length > 0) return { rendered: null, errors, warnings: [] };
    chosen = contentFor(
      { ...ref, templateId: null, templateVersion: null },
      compiled.content,
      undefined,
      null,
    );
  } else if (stored)
    chosen = contentFor(
      { ...ref, templateId: stored.templateId, templateVersion: stored.version },
      null,
      { key, version: stored.version, ...stored.compiled },
      recipient.locale,
    );
  if (!chosen) throw noTemplate();

  const examples = (stored?.variables ?? []).flatMap(({ name, example }) =>
    example === undefined || name.includes('.') ? [] : [[name, example] as const],
  );
  const channel = channelShapes[request.channel];
  const input: RenderInput = {
    ...chosen,
    data: { ...Object.fromEntries(examples), ...request.data },
    recipient,
    messageClass: 'transactional',
    replyTo: null,
    attachments: [],
    unsubscribeUrl: NO_LINK,
  };
  const [result] = await renderer.render(request.channel, [input]);
  if (!result) throw new Error('nothing was rendered');
  if (!result.ok) {
    const error = { pointer: result.pointer, code: result.reason, message: result.detail };
    return { rendered: null, errors: [error], warnings: [] };
  }
  const address = channel.addresses(recipient)[0]?.address ?? null;
  return { rendered: channel.show(result.rendered, address), errors: [], warnings: result.warnings };
}

export const noTemplate = (): ProblemException =>
  new ProblemException('not_found', 'There is no template with this key in your workspace.');

async function recipientOf(sql: Sql, workspaceId: string, request: Request): Promise<Recipient> {
  const locale = request.locale === undefined ? {} : { locale: request.locale };
  if (request.profile === undefined) return { ...nobody, ...locale };
  const id = (await idsByExternalId(sql, workspaceId, [request.profile])).get(request.profile);
  const [recipient] = id === undefined ? [] : await recipientsByIds(sql, workspaceId, [id]);
  if (recipient) return { ...recipient, ...locale };
  const message = `there is no profile ${JSON.stringify(request.profile)}: leave it out, or create the profile first`;
  throw new ProblemException('invalid_request', `The body is not valid: /profile: ${message}`, {
    errors: [{ pointer: '/profile', code: 'unknown_profile', message }],
  });
}
