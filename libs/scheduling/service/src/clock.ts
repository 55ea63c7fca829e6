/**
 * The clock: an interval inside each scheduling process, not a queue. It takes due rows on the database's time and
 * offers them to the dispatchers; makes the coming day partitions; forgets what is past its window. Several clocks may
 * run: SKIP LOCKED shares the rows between them.
 */
import {
  confirmUrl,
  dueConfirmations,
  forgetChanges,
  forgetImports,
  keepEvents,
  offerImports,
  settleConfirmation,
} from '@carillon/audience-service';
import { config, failpoint } from '@carillon/config';
import { bulkQueue, deliverQueue, SendMessage, type Channel } from '@carillon/contracts';
import { Database, ensurePartitions, isAway, kept } from '@carillon/database';
import {
  Acceptance,
  advanceRedrives,
  applyParked,
  channelShapes,
  DeliveryHints,
  dropOld,
  forgetExpired,
  groupBy,
  releasePages,
  takeBackPages,
  takeDue,
} from '@carillon/delivery-service';
import { Queues } from '@carillon/queue';
import { Rounds } from '@carillon/server';
import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type BeforeApplicationShutdown,
} from '@nestjs/common';
import { forgetJourneys } from './forget-journeys.js';

const TICK_MS = 250;
const SLICE = 500;
/** Of one re-drive and tick: what is sent again must not crowd out what is new. */
const REDRIVE_SLICE = 200;
const HOUSEKEEPING_MS = 600_000;
/** How often receipts that wait for their delivery are looked at. */
const PARKED_MS = 1000;
/** In this time after an outage whoever lives has renewed their leases, which they do every 3 s. */
const RENEWED_MS = 4000;

/** What may be there besides deliveries. */
type There = Record<'redrives' | 'imports' | 'confirmations' | 'runs', boolean>;

@Injectable()
export class Clock implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger('Clock');
  private readonly rounds = new Rounds(() => this.round(), {
    restMs: TICK_MS,
    log: this.log,
    trouble: 'a tick failed',
  });
  private kept = 0;
  private looked = 0;
  /** When leases count; never, until PostgreSQL is seen to be back. */
  private countsFrom = 0;

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(Queues) private readonly queues: Queues,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
    @Inject(Acceptance) private readonly acceptance: Acceptance,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Pages of runs, to those that work them. */
  private async takePages(): Promise<void> {
    const busy = await this.database.acrossWorkspaces((sql) =>
      sql.query<{ channel: Channel }>(`SELECT DISTINCT channel FROM runs WHERE state = 'running'`),
    );
    for (const { channel } of busy) {
      const ids = await this.database.acrossWorkspaces(async (sql) => {
        await takeBackPages(sql, channel);
        return releasePages(sql, channel);
      });
      await Promise.all(ids.map((pageId) => this.queues.send(bulkQueue(channel), { pageId })));
    }
  }

  /** Every delivery that is due now. */
  private async takeRows(): Promise<void> {
    for (let full = true; full && !this.rounds.stopping;) {
      const { offer, changed, taken } = await this.database.acrossWorkspaces((sql) =>
        takeDue(sql, SLICE, (channel) => channelShapes[channel].retry, Math.random),
      );
      if (taken > 0) failpoint('clock-after-take');
      for (const [queue, ids] of groupBy(offer, (d) => deliverQueue(d.channel, d.lane)))
        void this.queues.offer(
          queue,
          ids.map((d) => d.id),
        );
      for (const [workspaceId, rows] of groupBy(changed, (d) => d.workspaceId))
        this.hints.changed(
          workspaceId,
          rows.map((d) => d.id),
        );
      full = taken === SLICE;
    }
  }

  /** A slice of what somebody asked to be sent again; the tick after it offers those. */
  private async advanceRedrives(): Promise<void> {
    const { changed } = await this.database.acrossWorkspaces((sql) => advanceRedrives(sql, REDRIVE_SLICE));
    for (const { workspaceId, deliveryIds } of changed) this.hints.changed(workspaceId, deliveryIds);
  }

  /** Receipts that came before their delivery. */
  private async applyParked(): Promise<void> {
    const { applied } = await this.database.acrossWorkspaces((sql) => applyParked(sql, SLICE));
    for (const { workspaceId, deliveryIds, eventIds } of applied) {
      this.hints.changed(workspaceId, deliveryIds);
      if (eventIds.length > 0) void this.queues.offer('route-event', eventIds);
    }
  }

  /** A failure here must not keep what is due waiting. */
  private async dropOld(): Promise<void> {
    try {
      const { days, busy } = await dropOld(this.database, config().limits.retentionDays);
      if (days.length > 0) this.log.log(`dropped what is older than its retention: ${days.join(', ')}`);
      if (busy) this.log.warn('an old day could not be dropped, somebody holds the log: tried again later');
    } catch (error) {
      this.log.error(`old days could not be dropped: ${error instanceof Error ? error.message : 'unknown'}`);
    }
  }

  /** Double opt-in: hands over the messages that ask. The same key each time, so that each is sent once. */
  private async askForConfirmations(): Promise<void> {
    const due = await this.database.acrossWorkspaces((sql) => dueConfirmations(sql, SLICE));
    for (const asked of due) {
      const { channel, address } = asked;
      const to =
        address === null
          ? { profile: asked.externalId }
          : channel === 'sms'
            ? { phone: address }
            : { email: address };
      const message = SendMessage.parse({
        to,
        channels: [channel],
        template: asked.template,
        class: 'transactional',
        data: { confirm_url: confirmUrl(asked), topic: asked.topic },
      });
      const result = await this.acceptance.accept(asked.workspaceId, {
        message,
        idempotencyKey: `confirm-${asked.id}`,
      });
      const problem = result.ok ? null : result.detail;
      await this.database.inWorkspace(asked.workspaceId, (sql) =>
        settleConfirmation(sql, asked.workspaceId, asked.id, problem),
      );
    }
  }

  /** Imports whose job was lost, or whose worker is gone. */
  private async offerImports(): Promise<void> {
    const ids = await this.database.acrossWorkspaces((sql) => offerImports(sql));
    if (ids.length > 0) void this.queues.offer('import-profiles', ids);
  }

  /** The same for what people did. */
  private async keepEvents(): Promise<void> {
    try {
      const { months } = await keepEvents(this.database, config().limits.eventRetentionDays);
      if (months > 0) this.log.log(`dropped ${months} months of events, older than their retention`);
    } catch (error) {
      this.log.error(`events could not be kept: ${error instanceof Error ? error.message : 'unknown'}`);
    }
  }

  private async forgetChanges(): Promise<void> {
    try {
      const changes = await forgetChanges(this.database, config().limits.eventRetentionDays);
      if (changes > 0) this.log.log(`forgot ${changes} changes of audiences, older than their retention`);
    } catch (error) {
      this.log.error(`old changes of audiences stay: ${error instanceof Error ? error.message : 'unknown'}`);
    }
  }

  private async forgetJourneys(): Promise<void> {
    try {
      const ways = await forgetJourneys(
        this.database,
        config().limits.retentionDays,
        () => this.rounds.stopping,
      );
      if (ways > 0) this.log.log(`forgot ${ways} ways through journeys, ended before their retention`);
    } catch (error) {
      this.log.error(`old ways through journeys stay: ${error instanceof Error ? error.message : 'unknown'}`);
    }
  }

  private async round(): Promise<void> {
    try {
      if (await this.leasesCount()) await this.tick();
    } catch (error) {
      if (isAway(error)) this.countsFrom = Infinity;
      throw error;
    }
  }

  /** A lease that ran out while nobody could renew it says nothing of who holds it: after an outage they get the time for it. */
  private async leasesCount(): Promise<boolean> {
    if (this.countsFrom === Infinity) {
      await this.look();
      this.countsFrom = performance.now() + RENEWED_MS;
    }
    return performance.now() >= this.countsFrom;
  }

  /** Deliveries first, and housekeeping last: what fails here must not keep those before it waiting for ever. */
  private async tick(): Promise<void> {
    await this.takeRows();
    const there = await this.look();
    if (there?.runs) await this.takePages();
    if (there?.redrives) await this.advanceRedrives();
    if (there?.imports) await this.offerImports();
    if (there?.confirmations) await this.askForConfirmations();
    if (Date.now() - this.looked > PARKED_MS) {
      await this.applyParked();
      this.looked = Date.now();
    }
    if (Date.now() - this.kept > HOUSEKEEPING_MS) {
      await ensurePartitions(this.database);
      await this.database.acrossWorkspaces((sql) => forgetExpired(sql));
      await this.database.acrossWorkspaces((sql) => forgetImports(sql));
      await this.dropOld();
      await this.keepEvents();
      await this.forgetChanges();
      await this.forgetJourneys();
      this.kept = Date.now();
    }
  }

  /** One look, because there is mostly nothing. */
  private async look(): Promise<There | undefined> {
    const [there] = await this.database.acrossWorkspaces(({ last }) => last.query<There>(LOOK));
    return there;
  }
}

const LOOK = kept(
  'clock-look',
  `SELECT EXISTS (SELECT FROM redrives WHERE state = 'running') AS redrives,
          EXISTS (SELECT FROM imports WHERE due_at <= now()) AS imports,
          EXISTS (SELECT FROM consent_confirmations WHERE due_at <= now()) AS confirmations,
          EXISTS (SELECT FROM runs WHERE state = 'running') AS runs`,
);
