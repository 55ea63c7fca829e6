/** Failures by cause, re-drives and the policies of the workspace over HTTP. */
import { config } from '@carillon/config';
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { listFailures } from './failures.js';
import { IDEMPOTENCY_WINDOW_HOURS } from './idempotency.js';
import { readPolicies, writePolicies } from './policies.js';
import { cancelRedrive, listRedrives, previewRedrive, readRedrive, startRedrive } from './redrive.js';
import { whoIs } from './who.js';

@Controller()
export class DeskController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listFailures')
  failures({ query, caller }: Call<'listFailures'>): Promise<Result<'listFailures'>> {
    return this.in(caller, (sql) => listFailures(sql, caller.workspaceId, query, new Date()));
  }

  @Operation('redrive')
  async redrive({ body, caller }: Call<'redrive'>): Promise<Result<'redrive'>> {
    const { workspaceId } = caller;
    const { dryRun, fingerprint } = body;
    const made = await this.in(caller, async (sql) => {
      const who = await whoIs(sql, caller);
      return dryRun || fingerprint === undefined
        ? previewRedrive(sql, workspaceId, body, who, new Date())
        : startRedrive(sql, workspaceId, fingerprint, who);
    });
    if (!made)
      throw new ProblemException(
        'conflict',
        'There is no such preview, or it is older than an hour: preview again, look at it, and start that one.',
      );
    return made;
  }

  @Operation('listRedrives')
  async list({ caller }: Call<'listRedrives'>): Promise<Result<'listRedrives'>> {
    return { items: await this.in(caller, (sql) => listRedrives(sql, caller.workspaceId)) };
  }

  @Operation('getRedrive')
  async get({ params, caller }: Call<'getRedrive'>): Promise<Result<'getRedrive'>> {
    return found(await this.in(caller, (sql) => readRedrive(sql, caller.workspaceId, params.id)));
  }

  @Operation('cancelRedrive')
  async cancel({ params, caller }: Call<'cancelRedrive'>): Promise<Result<'cancelRedrive'>> {
    return found(await this.in(caller, (sql) => cancelRedrive(sql, caller.workspaceId, params.id)));
  }

  @Operation('getPolicies')
  policies({ caller }: Call<'getPolicies'>): Promise<Result<'getPolicies'>> {
    return this.in(caller, (sql) => readPolicies(sql, caller.workspaceId));
  }

  @Operation('setPolicies')
  setPolicies({ body, caller }: Call<'setPolicies'>): Promise<Result<'setPolicies'>> {
    return this.in(caller, (sql) => writePolicies(sql, caller.workspaceId, body));
  }

  @Operation('getInstallation')
  installation(_: Call<'getInstallation'>): Result<'getInstallation'> {
    const { retentionDays, eventRetentionDays, backlogPerWorkspace } = config().limits;
    return {
      retentionDays,
      eventRetentionDays,
      idempotencyHours: IDEMPOTENCY_WINDOW_HOURS,
      backlogLimit: backlogPerWorkspace,
    };
  }

  private in<T>({ workspaceId }: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(workspaceId, work);
  }
}

function found<T>(redrive: T | null): T {
  if (!redrive) throw notFound('re-drive');
  return redrive;
}
