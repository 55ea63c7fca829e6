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
import { textsFor } from './page-texts.js';
import { visitOf } from './preferences.controller.js';
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
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const nonce = allowPage(reply);
    const visit = await this.visit(token, request);
    if (!visit) {
      reply.status(404);
      return gonePage(textsFor(null, request.headers['accept-language']), nonce);
    }
    return formPage(visit.texts, nonce, visit.sender, aboutOf(visit), `/p/${token}`);
  }

  @Post(':token')
  @HttpCode(200)
  async unsubscribe(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const nonce = allowPage(reply);
    const visit = await this.visit(token, request);
    if (!visit) {
      reply.status(404);
      return gonePage(textsFor(null, request.headers['accept-language']), nonce);
    }
    const { subject, texts, sender, topicName } = visit;
    const answer = answerOf(request);
    if (answer === null) {
      reply.status(400);
      return formPage(texts, nonce, sender, aboutOf(visit), `/p/${token}`);
    }
    const topic = answer.scope === 'all' ? 'marketing' : subject.topic;
    await this.database.inWorkspace(subject.workspaceId, async (sql) => {
      const { channel, address, profileId } = subject;
      await recordConsents(sql, subject.workspaceId, [
        { channel, address, profileId, topic, word: 'out', source: answer.source },
      ]);
      await noteOnTimeline(sql, subject, topic, answer.source);
    });
    return donePage(texts, nonce, sender, { ...subject, topic, topicName }, `/p/${token}`);
  }

  private async visit(token: string, request: FastifyRequest) {
    const subject = subjectOf(token);
    return (
      subject &&
      this.database.inWorkspace(subject.workspaceId, (sql) =>
        visitOf(sql, subject, request.headers['accept-language']),
      )
    );
  }
}

const aboutOf = ({ subject, topicName }: { subject: UnsubscribeSubject; topicName: string }) => ({
  ...subject,
  topicName,
});

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
