/** Webhook endpoints over HTTP. */
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { WebhookCalls } from './webhook-call.js';
import {
  createEndpoint,
  deleteEndpoint,
  endpointRow,
  listEndpoints,
  liveSecrets,
  readEndpoint,
  refuseUrl,
  rotateSecret,
  updateEndpoint,
} from './webhook-endpoints.js';
import {
  bodiesOf,
  listWebhookMessages,
  readWebhookMessage,
  recordWebhooks,
  replayWebhooks,
  testMessage,
} from './webhook-messages.js';

@Controller()
export class WebhookEndpointsController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(WebhookCalls) private readonly way: WebhookCalls,
  ) {}

  @Operation('listWebhookEndpoints')
  async list({ caller }: Call<'listWebhookEndpoints'>): Promise<Result<'listWebhookEndpoints'>> {
    return { items: await this.in(caller, (sql) => listEndpoints(sql, caller.workspaceId)) };
  }

  @Operation('createWebhookEndpoint')
  async create({ body, caller }: Call<'createWebhookEndpoint'>): Promise<Result<'createWebhookEndpoint'>> {
    await refuseUrl(body.url);
    return this.in(caller, (sql) => createEndpoint(sql, caller.workspaceId, body));
  }

  @Operation('getWebhookEndpoint')
  async get({ params, caller }: Call<'getWebhookEndpoint'>): Promise<Result<'getWebhookEndpoint'>> {
    return found(await this.in(caller, (sql) => readEndpoint(sql, caller.workspaceId, params.id)));
  }

  @Operation('updateWebhookEndpoint')
  async update({
    params,
    body,
    caller,
  }: Call<'updateWebhookEndpoint'>): Promise<Result<'updateWebhookEndpoint'>> {
    if (body.url !== undefined) {
      found(await this.in(caller, (sql) => readEndpoint(sql, caller.workspaceId, params.id)));
      await refuseUrl(body.url);
    }
    return found(await this.in(caller, (sql) => updateEndpoint(sql, caller.workspaceId, params.id, body)));
  }

  @Operation('deleteWebhookEndpoint')
  async delete({ params, caller }: Call<'deleteWebhookEndpoint'>): Promise<void> {
    const deleted = await this.in(caller, (sql) => deleteEndpoint(sql, caller.workspaceId, params.id));
    if (!deleted) throw notFound('webhook endpoint');
  }

  @Operation('rotateWebhookSecret')
  async rotate({
    params,
    body,
    caller,
  }: Call<'rotateWebhookSecret'>): Promise<Result<'rotateWebhookSecret'>> {
    return found(
      await this.in(caller, (sql) => rotateSecret(sql, caller.workspaceId, params.id, body.overlapSeconds)),
    );
  }

  /** Once, whatever comes of it: whoever tests is waiting for the answer. */
  @Operation('testWebhookEndpoint')
  async test({ params, caller }: Call<'testWebhookEndpoint'>): Promise<Result<'testWebhookEndpoint'>> {
    const { workspaceId } = caller;
    const { row, message, body } = await this.in(caller, async (sql) => {
      const row = found(await endpointRow(sql, workspaceId, params.id));
      const message = await testMessage(sql, workspaceId, params.id);
      return { row, message, body: (await bodiesOf(sql, workspaceId, [message])).get(message.eventId) };
    });
    if (!body) throw new Error('a test has a body');
    const secrets = liveSecrets(row, new Date());
    const { retryAfter: _, ...attempt } = await this.way.call({ url: row.url, secrets }, body);
    const { endpointId, eventId, tries } = message;
    return this.in(caller, async (sql) => {
      const status = attempt.error === null ? 'sent' : 'failed';
      await recordWebhooks(sql, workspaceId, [
        { endpointId, eventId, tries, attempt, status, afterMs: null },
      ]);
      return found(await readWebhookMessage(sql, workspaceId, endpointId, eventId));
    });
  }

  @Operation('replayWebhooks')
  async replay({ params, body, caller }: Call<'replayWebhooks'>): Promise<Result<'replayWebhooks'>> {
    const { workspaceId } = caller;
    const endpoint = found(await this.in(caller, (sql) => readEndpoint(sql, workspaceId, params.id)));
    if (!endpoint.enabled)
      throw new ProblemException('conflict', 'This endpoint is disabled: enable it, then replay.');
    return { replayed: await replayWebhooks(this.database, workspaceId, endpoint, body) };
  }

  @Operation('listWebhookMessages')
  async messages({
    params,
    query,
    caller,
  }: Call<'listWebhookMessages'>): Promise<Result<'listWebhookMessages'>> {
    return this.in(caller, async (sql) => {
      found(await endpointRow(sql, caller.workspaceId, params.id));
      return listWebhookMessages(sql, caller.workspaceId, params.id, query);
    });
  }

  private in<T>(caller: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(caller.workspaceId, work);
  }
}

function found<T>(thing: T | null): T {
  if (thing === null) throw notFound('webhook endpoint');
  return thing;
}
