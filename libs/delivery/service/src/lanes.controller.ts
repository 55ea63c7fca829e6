/** Lanes and queues over HTTP. */
import { Database } from '@carillon/database';
import { Operation, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { lanesOf, rebuildQueues } from './lanes.js';

@Controller()
export class LanesController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listLanes')
  async list({ caller: { workspaceId } }: Call<'listLanes'>): Promise<Result<'listLanes'>> {
    return { items: await lanesOf(this.database, workspaceId) };
  }

  @Operation('rebuildQueues')
  rebuild({ caller: { workspaceId } }: Call<'rebuildQueues'>): Promise<Result<'rebuildQueues'>> {
    return this.database.inWorkspace(workspaceId, (sql) => rebuildQueues(sql, workspaceId));
  }
}
