/** Events over HTTP: `operations.trackEvent` and `trackEvents`. */
import { TrackEvent } from '@carillon/contracts';
import { errorsOf, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { Intake } from './intake.js';

type Row = Result<'trackEvents'>['results'][number];

@Controller()
export class EventsController {
  constructor(@Inject(Intake) private readonly intake: Intake) {}

  @Operation('trackEvent')
  async track({ body, caller }: Call<'trackEvent'>): Promise<Result<'trackEvent'>> {
    const result = await this.intake.take(caller.workspaceId, body);
    if (result.outcome !== 'failed') return { ...result, at: result.at.toISOString() };
    const [first] = result.errors;
    throw new ProblemException(
      'invalid_request',
      `The event is not taken: ${first?.pointer ?? ''}: ${first?.message ?? ''}`,
      { errors: result.errors },
    );
  }

  @Operation('trackEvents')
  async trackBatch({ body, caller }: Call<'trackEvents'>): Promise<Result<'trackEvents'>> {
    const open: { index: number; event: TrackEvent }[] = [];
    const results = body.events.map((given, index): Row => {
      const parsed = TrackEvent.safeParse(given);
      if (parsed.success) open.push({ index, event: parsed.data });
      return {
        index,
        outcome: 'failed',
        ...(parsed.success ? {} : { errors: errorsOf(TrackEvent, given, parsed.error) }),
      };
    });
    const taken = await this.intake.takeAll(
      caller.workspaceId,
      open.map(({ event }) => event),
    );
    open.forEach(({ index }, i) => {
      const result = taken[i]!;
      const { outcome } = result;
      results[index] =
        outcome === 'failed' ? { index, outcome, errors: result.errors } : { index, outcome, id: result.id };
    });
    const count = (outcome: Row['outcome']) => results.filter((result) => result.outcome === outcome).length;
    return { accepted: count('accepted'), duplicates: count('duplicate'), failed: count('failed'), results };
  }
}
