/** The simulator over HTTP. */
import { Database, type Sql } from '@carillon/database';
import { RenderPool, whoIs } from '@carillon/delivery-service';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { journeyByKey } from './journey-rows.js';
import { simulateJourney } from './simulate-journey.js';
import { simulatedPeople, simulatedWay, simulationsOf } from './simulation-rows.js';

@Controller()
export class SimulationsController {
  /** One at a time: it takes a core for as long as it runs. */
  private running = false;

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(RenderPool) private readonly renderer: Pick<RenderPool, 'render'>,
  ) {}

  @Operation('simulateJourney')
  async simulate({ params, body, caller }: Call<'simulateJourney'>): Promise<Result<'simulateJourney'>> {
    const { workspaceId } = caller;
    const by = await this.database.inWorkspace(workspaceId, (sql) => whoIs(sql, caller));
    if (this.running)
      throw new ProblemException('conflict', 'Another simulation is running: try again when it is done.');
    this.running = true;
    try {
      return await simulateJourney(this.database, workspaceId, params.key, body, by);
    } finally {
      this.running = false;
    }
  }

  @Operation('listJourneySimulations')
  list({
    params,
    caller: { workspaceId },
  }: Call<'listJourneySimulations'>): Promise<Result<'listJourneySimulations'>> {
    return this.database.inWorkspace(workspaceId, async (sql) => ({
      items: await simulationsOf(sql, workspaceId, await idOf(sql, workspaceId, params.key)),
    }));
  }

  @Operation('getJourneySimulation')
  get({
    params,
    caller: { workspaceId },
  }: Call<'getJourneySimulation'>): Promise<Result<'getJourneySimulation'>> {
    return this.database.inWorkspace(workspaceId, (sql) => this.one(sql, workspaceId, params));
  }

  @Operation('listSimulatedPeople')
  people({ params, query, caller }: Call<'listSimulatedPeople'>): Promise<Result<'listSimulatedPeople'>> {
    const { limit, cursor, ...asked } = query;
    const { workspaceId } = caller;
    return this.database.inWorkspace(workspaceId, async (sql) => {
      const { id } = await this.one(sql, workspaceId, params);
      const after = cursor === undefined ? -1 : Number(cursor);
      const rows = await simulatedPeople(sql, workspaceId, id, { ...asked, after, limit: limit + 1 });
      const items = rows.slice(0, limit);
      return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.no) : null };
    });
  }

  @Operation('getSimulatedWay')
  async way({
    params,
    caller: { workspaceId },
  }: Call<'getSimulatedWay'>): Promise<Result<'getSimulatedWay'>> {
    const journeyId = await this.database.inWorkspace(workspaceId, (sql) =>
      idOf(sql, workspaceId, params.key),
    );
    const way = await simulatedWay(
      this.database,
      this.renderer,
      workspaceId,
      journeyId,
      params.id,
      params.no,
    );
    if (!way) throw notFound('person in this simulation');
    return way;
  }

  private async one(sql: Sql, workspaceId: string, { key, id }: { key: string; id: string }) {
    const [found] = await simulationsOf(sql, workspaceId, await idOf(sql, workspaceId, key), id);
    if (!found) throw notFound('simulation');
    return found;
  }
}

async function idOf(sql: Sql, workspaceId: string, key: string): Promise<string> {
  const journey = await journeyByKey(sql, workspaceId, key);
  if (!journey) throw notFound('journey');
  return journey.id;
}
