/** The scheduling service: today the clock; campaigns and journeys join it here. */
import { Acceptance, DeliveryCoreModule } from '@carillon/delivery-service';
import { Module } from '@nestjs/common';
import { Clock } from './clock.js';

@Module({ imports: [DeliveryCoreModule], providers: [Acceptance, Clock], exports: [Clock] })
export class SchedulingModule {}
export { Clock };
