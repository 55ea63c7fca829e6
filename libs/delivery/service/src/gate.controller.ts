/** The workspace's own rules of the gate over HTTP. */
import { audit, idsByExternalId, idsOfPerson } from '@carillon/audience-service';
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { capacityUses } from './capacity.js';
import { gateVersions, readGate, resetCaps, writeGate } from './gate-rules.js';
import { tryGate } from './try-gate.js';
import { whoIs } from './who.js';

@Controller()
export class GateController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('getGate')
  get({ caller }: Call<'getGate'>): Promise<Result<'getGate'>> {
    return this.in(caller, (sql) => readGate(sql, caller.workspaceId));
  }

  @Operation('listGateVersions')
  async versions({ caller }: Call<'listGateVersions'>): Promise<Result<'listGateVersions'>> {
    return { items: await this.in(caller, (sql) => gateVersions(sql, caller.workspaceId)) };
  }

  @Operation('setGate')
  set({ body, caller }: Call<'setGate'>): Promise<Result<'setGate'>> {
    return this.in(caller, async (sql) => {
      const gate = await writeGate(sql, caller.workspaceId, body, await whoIs(sql, caller));
      await audit(sql, caller, 'gate.changed', String(gate.version));
      return gate;
    });
  }

  @Operation('tryGate')
  async try({ body, caller }: Call<'tryGate'>): Promise<Result<'tryGate'>> {
    const tried = await this.in(caller, (sql) => tryGate(sql, caller.workspaceId, body));
    if (!tried) throw notFound('profile');
    return tried;
  }

  @Operation('getCapacity')
  async capacity({ caller }: Call<'getCapacity'>): Promise<Result<'getCapacity'>> {
    return { items: await this.in(caller, (sql) => capacityUses(sql, caller.workspaceId)) };
  }

  @Operation('resetCaps')
  reset({ body, caller }: Call<'resetCaps'>): Promise<Result<'resetCaps'>> {
    return this.in(caller, async (sql) => {
      const { workspaceId } = caller;
      const id = (await idsByExternalId(sql, workspaceId, [body.profile])).get(body.profile);
      if (id === undefined) throw notFound('profile');
      const forgotten = await resetCaps(sql, workspaceId, await idsOfPerson(sql, workspaceId, id));
      await audit(sql, caller, 'caps.reset', id, { forgotten });
      return { forgotten };
    });
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}
