/** Erasing what a message said: `operations.eraseMessage`. */
import { Database } from '@carillon/database';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { eraseMessage } from './erase.js';
import { DeliveryHints } from './hints.js';

@Controller()
export class ErasureController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(DeliveryHints) private readonly hints: DeliveryHints,
  ) {}

  @Operation('eraseMessage')
  async erase({ params, caller }: Call<'eraseMessage'>): Promise<Result<'eraseMessage'>> {
    const erased = await this.database.inWorkspace(caller.workspaceId, async (sql) => {
      const result = await eraseMessage(sql, caller.workspaceId, params.id);
      // Thrown inside the transaction, so that nothing is half done.
      if (result && !result.ok)
        throw new ProblemException(
          'conflict',
          `${result.busy === 1 ? 'A delivery of this message is' : `${result.busy} deliveries of this message are`} being sent or held at this moment: ask again when it has ended, or decide about it.`,
        );
      return result;
    });
    if (!erased?.ok) throw notFound('message');
    this.hints.changed(caller.workspaceId, erased.cancelled);
    return { id: params.id, deliveries: erased.deliveries, cancelled: erased.cancelled.length };
  }
}
