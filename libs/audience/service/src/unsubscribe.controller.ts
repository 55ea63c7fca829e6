/**
 * The unsubscribe page, and the one-click POST that mail programs send (RFC 8058). GET changes nothing, however often
 * a scanner opens it; POST needs no cookie and no JavaScript, and may come twice.
 */
import { Controller, Get, Header, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { config } from '@carillon/config';
import { Database, dayOf, type Sql } from '@carillon/database';
import { allowPage, Public } from '@carillon/server';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { recordConsents } from './consent.js';
import { donePage, formPage, gonePage } from './unsubscribe-page.js';
import { readUnsubscribeToken, type UnsubscribeSubject } from './unsubscribe-token.js';

@Public()
@Controller('u')
export class UnsubscribeController {
  constructor(private readonly database: Database) {}

  @Get(':token')
  @Header('x-robots-tag', 'noindex')
  async page(
    @Param('token') token: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const nonce = allowPage(reply);
    const subject = subjectOf(token);
    const sender = subject && (await this.senderOf(subject.workspaceId));
    if (!subject || !sender) {
      reply.status(404);
      return gonePage(nonce);
    }
    return formPage(nonce, sender, subject);
  }

  @Post(':token')
  @HttpCode(200)
  async unsubscribe(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const nonce = allowPage(reply);
    const subject = subjectOf(token);
    const sender = subject && (await this.senderOf(subject.workspaceId));
    if (!subject || !sender) {
      reply.status(404);
      return gonePage(nonce);
    }
    const answer = answerOf(request);
    if (answer === null) {
      reply.status(400);
      return formPage(nonce, sender, subject);
    }
    const topic = answer.scope === 'all' ? 'marketing' : subject.topic;
    await this.database.inWorkspace(subject.workspaceId, async (sql) => {
      const { channel, address, profileId } = subject;
      await recordConsents(sql, subject.workspaceId, [
        { channel, address, profileId, topic, word: 'out', source: answer.source },
      ]);
      await noteOnTimeline(sql, subject, topic, answer.source);
    });
    return donePage(nonce, sender, { ...subject, topic });
  }

  private async senderOf(workspaceId: string): Promise<string | null> {
    const [row] = await this.database.inWorkspace(workspaceId, (sql) =>
      sql.query<{ name: string }>(`SELECT name FROM workspaces WHERE id = $1`, [workspaceId]),
    );
    return row?.name ?? null;
  }
}

function subjectOf(token: string): UnsubscribeSubject | null {
  const { signingKey, previousSigningKeys } = config().secrets;
  return readUnsubscribeToken([signingKey, ...previousSigningKeys], token);
}

/** What was posted: the form of our page, or the one-click of RFC 8058 §3.2 (urlencoded or multipart). */
function answerOf(request: FastifyRequest): { scope: 'topic' | 'all'; source: 'one-click' | 'page' } | null {
  const text = request.body instanceof Uint8Array ? Buffer.from(request.body).toString('latin1') : '';
  const multipart = request.headers['content-type']?.startsWith('multipart/form-data') === true;
  if (multipart)
    return /name="?List-Unsubscribe"?\r?\n(?:[^\r\n]+\r?\n)*\r?\nOne-Click\r?\n/i.test(text)
      ? { scope: 'topic', source: 'one-click' }
      : null;
  const form = new URLSearchParams(text);
  if (form.get('List-Unsubscribe') === 'One-Click') return { scope: 'topic', source: 'one-click' };
  const scope = form.get('unsubscribe');
  return scope === 'topic' || scope === 'all' ? { scope, source: 'page' } : null;
}

/** A line on the delivery's timeline, once, as long as the delivery is kept. */
const noteOnTimeline = (
  sql: Sql,
  subject: UnsubscribeSubject,
  topic: string,
  source: string,
): Promise<number> =>
  sql.execute(
    `INSERT INTO delivery_events (day, delivery_id, workspace_id, type, detail)
     SELECT d.day, d.id, d.workspace_id, 'unsubscribed', jsonb_build_object('topic', $4::text, 'source', $5::text)
     FROM deliveries d WHERE d.day = $1::date AND d.id = $2 AND d.workspace_id = $3
       AND NOT EXISTS (SELECT FROM delivery_events e WHERE e.day = d.day AND e.delivery_id = d.id
                         AND e.type = 'unsubscribed' AND e.detail->>'topic' = $4)`,
    [dayOf(subject.deliveryId), subject.deliveryId, subject.workspaceId, topic, source],
  );
