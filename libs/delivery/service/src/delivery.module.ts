import { Database } from '@carillon/database';
import { Module } from '@nestjs/common';
import { Acceptance } from './accept.js';
import { Admission } from './admission.js';
import { AccountsController } from './accounts.controller.js';
import { DeliveriesController } from './deliveries.controller.js';
import { DeskController } from './desk.controller.js';
import { Engagement } from './engagement.js';
import { ErasureController } from './erasure.controller.js';
import { GateController } from './gate.controller.js';
import { HintListener } from './hint-listener.js';
import { DeliveryHints } from './hints.js';
import { InboxController } from './inbox.controller.js';
import { LanesController } from './lanes.controller.js';
import { LocalDispatchers } from './local-dispatchers.js';
import { Precedence } from './precedence.js';
import { MessagesController } from './messages.controller.js';
import { RenderPool } from './render-pool.js';
import { WebhooksController } from './receive-webhook.js';
import { TemplatesController } from './templates.controller.js';
import { TrackingController } from './tracking.controller.js';
import { WebhookCalls } from './webhook-call.js';
import { WebhookEndpointsController } from './webhook-endpoints.controller.js';

/** What every process that changes or shows deliveries needs. */
@Module({
  providers: [
    DeliveryHints,
    LocalDispatchers,
    Precedence,
    { provide: RenderPool, useFactory: () => new RenderPool() },
  ],
  exports: [DeliveryHints, LocalDispatchers, Precedence, RenderPool],
})
export class DeliveryCoreModule {}

/** The delivery service's HTTP side: mounted by the API. */
@Module({
  imports: [DeliveryCoreModule],
  controllers: [
    MessagesController,
    ErasureController,
    DeliveriesController,
    DeskController,
    GateController,
    InboxController,
    LanesController,
    TemplatesController,
    AccountsController,
    WebhooksController,
    WebhookEndpointsController,
    TrackingController,
  ],
  providers: [
    Acceptance,
    Engagement,
    { provide: Admission, useFactory: (database: Database) => new Admission(database), inject: [Database] },
    HintListener,
    WebhookCalls,
  ],
  exports: [Acceptance],
})
export class DeliveryHttpModule {}
