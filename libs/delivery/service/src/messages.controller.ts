/** Sending, cancelling, rescheduling: `operations.*Message*`. */
import {
  type AcceptedMessage,
  type BatchResult,
  deliverQueue,
  SendMessage,
  type Channel,
  type Lane,
  type Message,
  type ProblemError,
} from '@carillon/contracts';
import { Database, dayOf } from '@carillon/database';
import { Queues } from '@carillon/queue';
import { errorsOf, notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { Acceptance } from './accept.js';
import { Admission } from './admission.js';
import type { SendRequest } from './plan-message.js';
import { cancelMessage, rescheduleMessage } from './change-plans.js';
import { DeliveryHints } from './hints.js';
import { deliveriesById } from './list.js';

@Controller()
export class MessagesController {
  constructor(
    @Inject(Admission) private readonly admission: Admission,
    @Inject(Acceptance) private readonly acceptance: Acceptance,
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
  ) {}

  @Operation('sendMessage')
  async send({ body, caller, request, reply }: Call<'sendMessage'>): Promise<Result<'sendMessage'>> {
    const header = request.headers['idempotency-key'];
    const idempotencyKey = keyOf(body, typeof header === 'string' ? header : null);
    const result = await this.admission.admit(caller.workspaceId, 1, () =>
      this.acceptance.accept(caller.workspaceId, { message: body, idempotencyKey }),
    );
    if (!result.ok)
      throw new ProblemException(result.code, result.detail, {
        errors: result.errors,
        ...(result.code === 'idempotency_in_flight' ? { headers: { 'retry-after': '1' } } : {}),
      });
    if (result.replayed) void reply.header('Idempotent-Replayed', 'true');
    else this.hints.changed(caller.workspaceId, idsOf(result.message));
    return result.message;
  }

  @Operation('sendBatch')
  async sendBatch({ body, caller }: Call<'sendBatch'>): Promise<Result<'sendBatch'>> {
    const open: { index: number; message: SendMessage }[] = [];
    const results: (BatchResult['results'][number] | undefined)[] = body.messages.map((given, index) => {
      const parsed = SendMessage.safeParse(given);
      if (parsed.success) {
        open.push({ index, message: parsed.data });
        return undefined;
      }
      const errors = errorsOf(SendMessage, given, parsed.error);
      return refusal(
        index,
        'invalid_request',
        `Message ${index} is not valid: ${errors[0]?.pointer || 'it'}: ${errors[0]?.message}.`,
        errors,
      );
    });
    const requests = open.map(({ message }): SendRequest => ({
      message,
      idempotencyKey: message.idempotencyKey ?? null,
    }));
    const accepted = await this.admission.admit(caller.workspaceId, requests.length, () =>
      this.acceptance.acceptAll(caller.workspaceId, requests),
    );
    open.forEach(({ index }, n) => {
      const result = accepted[n];
      if (!result) return;
      results[index] = result.ok
        ? { index, ...result }
        : refusal(index, result.code, result.detail, result.errors);
    });
    const all = results.filter((r) => r !== undefined);
    const good = all.filter((r) => r.ok);
    this.hints.changed(
      caller.workspaceId,
      good.flatMap((r) => idsOf(r.message)),
    );
    return { accepted: good.length, failed: all.length - good.length, results: all };
  }

  @Operation('getMessage')
  async get({ params, caller }: Call<'getMessage'>): Promise<Result<'getMessage'>> {
    const message = await this.database.inWorkspace(
      caller.workspaceId,
      async (sql): Promise<Message | null> => {
        const [row] = await sql.query<MessageRow>(
          `SELECT m.id, m.class, m.source, m.topic, t.key, m.template_version AS version, m.send_at AS "sendAt", m.expires_at AS "expiresAt", m.options, m.created_at AS "createdAt", m.delivery_ids AS "deliveryIds"
           FROM messages m LEFT JOIN templates t ON t.workspace_id = m.workspace_id AND t.id = m.template_id WHERE m.day = $2::date AND m.id = $3 AND m.workspace_id = $1`,
          [caller.workspaceId, dayOf(params.id), params.id],
        );
        if (!row) return null;
        const deliveries = await deliveriesById(sql, caller.workspaceId, row.deliveryIds);
        return {
          id: row.id,
          class: row.class,
          source: row.source,
          topic: row.topic,
          template: row.key && row.version ? { key: row.key, version: row.version } : null,
          sendAt: row.sendAt?.toISOString() ?? null,
          expiresAt: row.expiresAt?.toISOString() ?? null,
          metadata: row.options.metadata ?? {},
          createdAt: row.createdAt.toISOString(),
          deliveries: row.deliveryIds.flatMap((id) => deliveries.find((d) => d.id === id) ?? []),
        };
      },
    );
    if (!message) throw notFound('message');
    return message;
  }

  @Operation('cancelMessage')
  async cancel({ params, caller }: Call<'cancelMessage'>): Promise<Result<'cancelMessage'>> {
    const result = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      cancelMessage(sql, caller.workspaceId, params.id),
    );
    if (!result) throw notFound('message');
    this.hints.changed(caller.workspaceId, result.changed);
    return { id: params.id, cancelled: result.cancelled.length, alreadyLeft: result.alreadyLeft };
  }

  @Operation('rescheduleMessage')
  async reschedule({
    params,
    body,
    caller,
  }: Call<'rescheduleMessage'>): Promise<Result<'rescheduleMessage'>> {
    const sendAt = new Date(body.sendAt);
    const result = await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const changed = await rescheduleMessage(sql, caller.workspaceId, params.id, sendAt);
      // Thrown inside the transaction, so that nothing changes.
      if (changed?.expiresAt && changed.expiresAt <= sendAt)
        throw new ProblemException('invalid_request', 'The message expires before that time.', {
          errors: [
            {
              pointer: '/sendAt',
              code: 'after_expiry',
              message: `must be earlier than the message's expiresAt, ${changed.expiresAt.toISOString()}`,
            },
          ],
        });
      return changed;
    });
    if (!result) throw notFound('message');
    if (result.rescheduled.length === 0)
      throw new ProblemException(
        'already_left',
        'Every delivery of this message has left or ended: send a new message.',
      );
    for (const d of result.rescheduled)
      if (d.now) void this.queues.offer(deliverQueue(d.channel as Channel, d.lane as Lane), [d.id]);
    this.hints.changed(
      caller.workspaceId,
      result.rescheduled.map((d) => d.id),
    );
    return {
      id: params.id,
      rescheduled: result.rescheduled.length,
      alreadyLeft: result.alreadyLeft,
      sendAt: sendAt.toISOString(),
    };
  }
}

interface MessageRow {
  id: string;
  class: Message['class'];
  source: string;
  topic: string | null;
  key: string | null;
  version: number | null;
  sendAt: Date | null;
  expiresAt: Date | null;
  options: { metadata?: Record<string, string> };
  createdAt: Date;
  deliveryIds: string[];
}

const idsOf = (message: AcceptedMessage) => message.deliveries.map((d) => d.id);
const refusal = (
  index: number,
  code: string,
  detail: string,
  errors: ProblemError[],
): BatchResult['results'][number] => ({ index, ok: false, code, detail, errors });

/** Header and body mean the same key; two different ones are a mistake that must not be guessed about. */
function keyOf(body: SendMessage, header: string | null): string | null {
  const key = header ?? body.idempotencyKey ?? null;
  const wrong = (message: string) =>
    new ProblemException('invalid_request', `The idempotency key is not valid: ${message}.`, {
      errors: [{ pointer: '/idempotencyKey', code: 'invalid', message }],
    });
  if (header !== null && body.idempotencyKey !== undefined && header !== body.idempotencyKey)
    throw wrong('the Idempotency-Key header and idempotencyKey in the body differ: give one of them');
  if (key !== null && (key.length === 0 || key.length > 255)) throw wrong('write 1 to 255 characters');
  return key;
}
