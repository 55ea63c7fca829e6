/** The scheduling service: the clock and campaigns; journeys join them here. */
import { Acceptance, DeliveryCoreModule, DeliveryHttpModule } from '@carillon/delivery-service';
import { Module } from '@nestjs/common';
import { CampaignClock } from './campaign-clock.js';
import { CampaignsController } from './campaigns.controller.js';
import { Clock } from './clock.js';
import { JourneysController } from './journeys.controller.js';

@Module({
  imports: [DeliveryCoreModule],
  providers: [Acceptance, Clock, CampaignClock],
  exports: [Clock, CampaignClock],
})
export class SchedulingModule {}

/** The scheduling service's HTTP side: mounted by the API. */
@Module({ imports: [DeliveryHttpModule], controllers: [CampaignsController, JourneysController] })
export class SchedulingHttpModule {}
export { CampaignClock, Clock };
export { campaignNumbers } from './campaign-numbers.js';
export { chooseWinner, showTest } from './campaign-test.js';
export { showCampaign } from './campaign-rows.js';
export {
  approveCampaign,
  cancelCampaign,
  cloneCampaign,
  createCampaign,
  pauseCampaign,
  prepareCampaign,
  resumeCampaign,
  saveCampaign,
  startCampaign,
} from './campaign-steps.js';
