import { Module } from '@nestjs/common';
import { AttributeTypesController } from './attribute-types.controller.js';
import { AudiencesController } from './audiences.controller.js';
import { ConsentController } from './consent.controller.js';
import { EventsController } from './events.controller.js';
import { ImportsController } from './imports.controller.js';
import { Intake } from './intake.js';
import { Outcomes } from './outcomes.js';
import { AudienceRefresher } from './refresh-audiences.js';
import { PreferencesController } from './preferences.controller.js';
import { ProfilesController } from './profiles.controller.js';
import { RouteEventController } from './route-event.js';
import { ImportWorker } from './run-import.js';
import { SuppressionController } from './suppression.controller.js';
import { UnsubscribeController } from './unsubscribe.controller.js';

/** The audience service's HTTP side: mounted by the API. */
@Module({
  controllers: [
    AttributeTypesController,
    AudiencesController,
    ConsentController,
    EventsController,
    ImportsController,
    PreferencesController,
    ProfilesController,
    SuppressionController,
    UnsubscribeController,
  ],
  providers: [Intake],
})
export class AudienceHttpModule {}

/** Its worker side: run by apps/audience. */
@Module({ controllers: [ImportWorker, RouteEventController], providers: [AudienceRefresher, Outcomes] })
export class AudienceWorkerModule {}
