/**
 * Works `route-event`: somebody has written outcomes, and they need not wait for the next look at what is pending. The rows
 * are the truth and the job is a hint, so that a job may come twice, late or never.
 */
import type { PayloadOf } from '@carillon/contracts';
import { Work, type WorkContext } from '@carillon/queue';
import { Controller, Inject } from '@nestjs/common';
import { Outcomes } from './outcomes.js';

@Controller()
export class RouteEventController {
  constructor(@Inject(Outcomes) private readonly outcomes: Outcomes) {}

  @Work('route-event')
  async route(_payload: PayloadOf<'route-event'>, _context: WorkContext): Promise<void> {
    await this.outcomes.drain();
  }
}
