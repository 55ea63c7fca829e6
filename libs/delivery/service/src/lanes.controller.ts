/** Lanes and queues over HTTP. */
import { Database } from '@carillon/database';
import { Operation, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { lanesOf, rebuildQueues } from './lanes.js';

@Controller()
export class LanesController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listLanes')
  list({ caller: { workspaceId } }: Call<'listLanes'>): Promise<Result<'listLanes'>> {
    return this.database.inWorkspace(workspaceId, async (sql) => ({
      items: await lanesOf(sql, workspaceId),
    }));
  }

  @Operation('rebuildQueues')
  rebuild({ caller: { workspaceId } }: Call<'rebuildQueues'>): Promise<Result<'rebuildQueues'>> {
    return this.database.inWorkspace(workspaceId, (sql) => rebuildQueues(sql, workspaceId));
  }
}
