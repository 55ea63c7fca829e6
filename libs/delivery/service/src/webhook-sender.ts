/**
 * Tells endpoints what happened: claims due rows under a lease, calls, records. Several senders may run. Each endpoint
 * has places of its own, so that a slow one delays nobody else; one that fails has few.
 */
import type { WebhookBody } from '@carillon/contracts';
import { Database } from '@carillon/database';
import { endsWithin } from '@carillon/queue';
import { Grace, Rounds } from '@carillon/server';
import { afterWebhook } from '@carillon/delivery-rules';
import {
  Inject,
  Injectable,
  Logger,
  Module,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { groupBy } from './group-by.js';
import { WebhookCalls, type Answered, type Called } from './webhook-call.js';
import { liveSecrets } from './webhook-endpoints.js';
import {
  bodiesOf,
  claimWebhooks,
  dueEndpoints,
  forgetWebhooks,
  recordHealth,
  recordWebhooks,
  type ClaimedWebhook,
  type DueEndpoint,
  type WebhookOutcome,
} from './webhook-messages.js';

const TICK_MS = 250;
/** Calls under way to one endpoint from this process. */
const PLACES = 32;
/** The same, when it fails, or when the process is busy with many. */
const FEW_PLACES = 2;
const MANY_CALLS = 512;
const HOUSEKEEPING_MS = 600_000;

interface Told {
  message: ClaimedWebhook;
  endpoint: DueEndpoint;
  outcome: WebhookOutcome;
  disable: string | null;
}

@Injectable()
export class WebhookSender implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('WebhookSender');
  /** Calls under way, by endpoint. */
  private readonly busy = new Map<string, number>();
  private readonly calls = new Set<Promise<void>>();
  private told: Told[] = [];
  private recording: Promise<void> | undefined;
  private readonly rounds = new Rounds(() => this.round(), {
    restMs: TICK_MS,
    log: this.log,
    trouble: 'a tick failed',
  });
  /** An endpoint had more due than places. */
  private hungry = false;
  private kept = 0;

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(WebhookCalls) private readonly way: WebhookCalls,
    @Inject(Grace) private readonly grace: Grace,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.rounds.stop();
    // What is cut off is told again by another sender when its lease ends.
    await endsWithin(this.grace.leftMs(), Promise.all(this.calls));
    await this.recording;
  }

  /** Claims what is due and begins to tell it. @returns how many calls were begun */
  async tick(): Promise<number> {
    const { endpoints, places, claimed } = await this.database.acrossWorkspaces(async (sql) => {
      const due = await dueEndpoints(sql);
      const free = due
        .map((endpoint) => ({ endpointId: endpoint.id, free: this.freeFor(endpoint) }))
        .filter((one) => one.free > 0);
      this.hungry = free.length < due.length;
      return {
        endpoints: new Map(due.map((endpoint) => [endpoint.id, endpoint])),
        places: new Map(free.map((one) => [one.endpointId, one.free])),
        claimed: free.length > 0 ? await claimWebhooks(sql, free) : [],
      };
    });
    for (const [workspaceId, messages] of groupBy(claimed, (m) => m.workspaceId)) {
      const bodies = await this.database.inWorkspace(workspaceId, (sql) =>
        bodiesOf(sql, workspaceId, messages),
      );
      for (const [endpointId, own] of groupBy(messages, (m) => m.endpointId)) {
        const endpoint = endpoints.get(endpointId);
        if (!endpoint) continue;
        const called = { url: endpoint.url, secrets: liveSecrets(endpoint, endpoint.now) };
        this.hungry ||= own.length === places.get(endpointId);
        for (const message of own) this.begin(endpoint, called, message, bodies.get(message.eventId));
      }
    }
    return claimed.length;
  }

  private freeFor({ id, failingSince }: DueEndpoint): number {
    const places = failingSince !== null || this.calls.size >= MANY_CALLS ? FEW_PLACES : PLACES;
    return Math.max(0, places - (this.busy.get(id) ?? 0));
  }

  private begin(
    endpoint: DueEndpoint,
    called: Called,
    message: ClaimedWebhook,
    body: WebhookBody | undefined,
  ): void {
    this.busy.set(endpoint.id, (this.busy.get(endpoint.id) ?? 0) + 1);
    const call = this.tell(endpoint, called, message, body).finally(() => {
      const left = (this.busy.get(endpoint.id) ?? 1) - 1;
      if (left > 0) this.busy.set(endpoint.id, left);
      else this.busy.delete(endpoint.id);
      this.calls.delete(call);
      if (this.hungry) this.rounds.hurry();
    });
    this.calls.add(call);
  }

  /** Ends when its outcome is recorded, or could not be. */
  private async tell(
    endpoint: DueEndpoint,
    called: Called,
    message: ClaimedWebhook,
    body: WebhookBody | undefined,
  ): Promise<void> {
    try {
      const answered = body ? await this.way.call(called, body) : forgotten();
      const { retryAfter, ...attempt } = answered;
      const next = body
        ? afterWebhook(
            {
              status: attempt.status,
              retryAfter,
              tries: message.tries,
              failingSince: endpoint.failingSince,
              now: endpoint.now,
            },
            Math.random(),
          )
        : ({ kind: 'failed', disable: null } as const);
      this.told.push({
        message,
        endpoint,
        disable: next.disable,
        outcome: {
          endpointId: message.endpointId,
          eventId: message.eventId,
          tries: message.tries,
          attempt,
          status: next.kind === 'retry' ? 'pending' : next.kind,
          afterMs: next.kind === 'retry' ? next.afterMs : null,
        },
      });
      this.recording ??= this.record().finally(() => (this.recording = undefined));
      await this.recording;
    } catch (error) {
      // Its lease ends, and it is told again under the same id.
      this.log.error(
        `a webhook was not recorded: ${error instanceof Error ? error.message : 'unknown error'}`,
      );
    }
  }

  /** One write at a time; what is answered meanwhile goes with the next. */
  private async record(): Promise<void> {
    while (this.told.length > 0) {
      const told = this.told.splice(0);
      for (const [workspaceId, own] of groupBy(told, (t) => t.endpoint.workspaceId))
        await this.database.inWorkspace(workspaceId, async (sql) => {
          await recordWebhooks(
            sql,
            workspaceId,
            own.map((t) => t.outcome),
          );
          await recordHealth(sql, workspaceId, healthFrom(own));
        });
    }
  }

  private async round(): Promise<void> {
    if (Date.now() - this.kept > HOUSEKEEPING_MS) {
      await this.database.acrossWorkspaces((sql) => forgetWebhooks(sql));
      this.kept = Date.now();
    }
    await this.tick();
  }
}

const forgotten = (): Answered => ({
  at: new Date().toISOString(),
  status: null,
  ms: 0,
  answer: null,
  error: 'The delivery log no longer holds this event.',
  retryAfter: undefined,
});

/** A success among them is newer than any failure before it. */
function healthFrom(told: readonly Told[]): Parameters<typeof recordHealth>[2] {
  const working = new Set(told.filter((t) => t.outcome.status === 'sent').map((t) => t.endpoint.id));
  const failed = told.filter((t) => t.outcome.status !== 'sent' && !working.has(t.endpoint.id));
  return {
    working: told
      .filter((t) => working.has(t.endpoint.id) && t.endpoint.failingSince !== null)
      .map((t) => t.endpoint.id),
    failing: failed.filter((t) => t.endpoint.failingSince === null).map((t) => t.endpoint.id),
    disable: new Map(
      failed.flatMap((t) => (t.disable === null ? [] : [[t.endpoint.id, t.disable] as const])),
    ),
  };
}

/** The sending side: mounted by the API's process, beside its door. */
@Module({ providers: [WebhookCalls, WebhookSender], exports: [WebhookSender] })
export class WebhookWorkerModule {}
