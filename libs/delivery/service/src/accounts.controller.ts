/** Provider accounts over HTTP. */
import { config } from '@carillon/config';
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, ProblemException, type Call, type Result } from '@carillon/server';
import { Controller, Inject, type OnApplicationShutdown } from '@nestjs/common';
import { providerInfos, providerOf } from './account-settings.js';
import {
  createAccount,
  deleteAccount,
  listAccounts,
  pauseAccount,
  readAccount,
  resumeAccount,
  rowOf,
  updateAccount,
} from './accounts.js';
import { inboxPort } from './inbox.js';
import { links } from './links.js';
import { retryPolicies, updateRetryPolicy } from './retry-policies.js';
import { SendContexts } from './send-contexts.js';
import { testAccount } from './test-account.js';
import { unreadBounces } from './unread-bounces.js';

@Controller()
export class AccountsController implements OnApplicationShutdown {
  private contexts: SendContexts | undefined;

  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listProviders')
  providers(): Result<'listProviders'> {
    return { items: providerInfos() };
  }

  @Operation('listAccounts')
  async list({ caller }: Call<'listAccounts'>): Promise<Result<'listAccounts'>> {
    return { items: await this.in(caller, (sql) => listAccounts(sql, caller.workspaceId)) };
  }

  @Operation('listUnreadBounces')
  async unread({ caller }: Call<'listUnreadBounces'>): Promise<Result<'listUnreadBounces'>> {
    return { items: await this.in(caller, (sql) => unreadBounces(sql, caller.workspaceId)) };
  }

  @Operation('createAccount')
  create({ body, caller }: Call<'createAccount'>): Promise<Result<'createAccount'>> {
    return this.in(caller, (sql) => createAccount(sql, caller.workspaceId, body));
  }

  @Operation('getAccount')
  async get({ params, caller }: Call<'getAccount'>): Promise<Result<'getAccount'>> {
    return found(await this.in(caller, (sql) => readAccount(sql, caller.workspaceId, params.id)));
  }

  @Operation('updateAccount')
  async update({ params, body, caller }: Call<'updateAccount'>): Promise<Result<'updateAccount'>> {
    return found(await this.in(caller, (sql) => updateAccount(sql, caller.workspaceId, params.id, body)));
  }

  @Operation('deleteAccount')
  async delete({ params, caller }: Call<'deleteAccount'>): Promise<void> {
    const deleted = await this.in(caller, (sql) => deleteAccount(sql, caller.workspaceId, params.id));
    if (!deleted) throw notFound('provider account');
  }

  @Operation('testAccount')
  async test({ params, body, caller }: Call<'testAccount'>): Promise<Result<'testAccount'>> {
    const row = found(await this.in(caller, (sql) => rowOf(sql, caller.workspaceId, params.id)));
    const provider = providerOf(row.channel, row.provider);
    if (!provider)
      throw new ProblemException('conflict', `This installation no longer has the provider ${row.provider}.`);
    this.contexts ??= new SendContexts({
      links: links(),
      inboxFor: (workspaceId) => inboxPort(this.database, workspaceId),
      allowPrivateNetworks: config().out.allowPrivateNetworks,
    });
    return testAccount(this.database, this.contexts, provider, row, body.to);
  }

  @Operation('pauseAccount')
  async pause({ params, caller }: Call<'pauseAccount'>): Promise<Result<'pauseAccount'>> {
    return found(await this.in(caller, (sql) => pauseAccount(sql, caller.workspaceId, params.id)));
  }

  @Operation('resumeAccount')
  async resume({ params, caller }: Call<'resumeAccount'>): Promise<Result<'resumeAccount'>> {
    return found(await this.in(caller, (sql) => resumeAccount(sql, caller.workspaceId, params.id)));
  }

  @Operation('listRetryPolicies')
  async retries({ caller }: Call<'listRetryPolicies'>): Promise<Result<'listRetryPolicies'>> {
    return { items: await this.in(caller, (sql) => retryPolicies(sql, caller.workspaceId)) };
  }

  @Operation('updateRetryPolicy')
  updateRetry({ params, body, caller }: Call<'updateRetryPolicy'>): Promise<Result<'updateRetryPolicy'>> {
    return this.in(caller, (sql) => updateRetryPolicy(sql, caller.workspaceId, params.channel, body));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.contexts?.close();
  }

  private in<T>(caller: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(caller.workspaceId, work);
  }
}

function found<T>(account: T | null): T {
  if (account === null) throw notFound('provider account');
  return account;
}
