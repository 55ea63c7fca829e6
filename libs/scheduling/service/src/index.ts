/** The scheduling service: the clock, campaigns and journeys. */
import { Acceptance, DeliveryCoreModule, DeliveryHttpModule } from '@carillon/delivery-service';
import { Module } from '@nestjs/common';
import { CampaignClock } from './campaign-clock.js';
import { CampaignsController } from './campaigns.controller.js';
import { Clock } from './clock.js';
import { JourneyCalls } from './journey-calls.js';
import { JourneyClock, LOOK } from './journey-clock.js';
import { JourneysController } from './journeys.controller.js';
import { SimulationsController } from './simulations.controller.js';

@Module({
  imports: [DeliveryCoreModule],
  providers: [Acceptance, Clock, CampaignClock, JourneyCalls, JourneyClock],
  exports: [Clock, CampaignClock, JourneyClock],
})
export class SchedulingModule {}

/** The scheduling service's HTTP side: mounted by the API. */
@Module({
  imports: [DeliveryCoreModule, DeliveryHttpModule],
  controllers: [CampaignsController, JourneysController, SimulationsController],
})
export class SchedulingHttpModule {}
export { CampaignClock, Clock, JourneyClock };
/** For those who measure it. */
export { LOOK };
export {
  closeJourney,
  deleteJourney,
  goLive,
  pauseJourney,
  resumeJourney,
  saveJourney,
  stopJourney,
} from './change-journey.js';
export { enrollmentHistory, enrollmentsBefore, journeyNumbers } from './enrollment-rows.js';
export { forgetJourneys } from './forget-journeys.js';
export { showJourney } from './journey-rows.js';
export { campaignCalendar } from './campaign-calendar.js';
export { campaignEdits } from './campaign-edits.js';
export { campaignFunnel } from './campaign-funnel.js';
export { campaignChanges } from './campaign-changes.js';
export { campaignNumbers } from './campaign-numbers.js';
export { chooseWinner, showTest } from './campaign-test.js';
export { campaignsBefore, showCampaign } from './campaign-rows.js';
export {
  approveCampaign,
  cancelCampaign,
  cloneCampaign,
  createCampaign,
  pauseCampaign,
  prepareCampaign,
  rejectCampaign,
  resumeCampaign,
  saveCampaign,
  startCampaign,
} from './campaign-steps.js';
export { simulateJourney } from './simulate-journey.js';
export { simulatedPeople, simulatedWay, simulationsOf } from './simulation-rows.js';
