/** Templates over HTTP. */
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';
import { noTemplate, previewTemplate } from './preview-template.js';
import { RenderPool } from './render-pool.js';
import {
  archiveTemplate,
  listTemplates,
  readTemplate,
  readVersion,
  saveTemplate,
  toVersion,
} from './templates.js';

@Controller()
export class TemplatesController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(RenderPool) private readonly renderer: RenderPool,
  ) {}

  @Operation('listTemplates')
  list({ query, caller }: Call<'listTemplates'>): Promise<Result<'listTemplates'>> {
    return this.in(caller, (sql) => listTemplates(sql, caller.workspaceId, query));
  }

  @Operation('saveTemplate')
  save({ params, body, caller }: Call<'saveTemplate'>): Promise<Result<'saveTemplate'>> {
    return this.in(caller, (sql) => saveTemplate(sql, caller.workspaceId, params.key, body));
  }

  @Operation('getTemplate')
  async get({ params, caller }: Call<'getTemplate'>): Promise<Result<'getTemplate'>> {
    const template = await this.in(caller, (sql) => readTemplate(sql, caller.workspaceId, params.key));
    if (!template) throw noTemplate();
    return template;
  }

  @Operation('getTemplateVersion')
  async version({ params, caller }: Call<'getTemplateVersion'>): Promise<Result<'getTemplateVersion'>> {
    const { key, version } = params;
    const row = await this.in(caller, (sql) => readVersion(sql, caller.workspaceId, key, version));
    if (!row) throw notFound('version of this template');
    return toVersion(row);
  }

  @Operation('previewTemplate')
  preview({ params, body, caller }: Call<'previewTemplate'>): Promise<Result<'previewTemplate'>> {
    return previewTemplate(this.database, this.renderer, caller.workspaceId, params.key, body);
  }

  @Operation('archiveTemplate')
  async archive({ params, caller }: Call<'archiveTemplate'>): Promise<void> {
    const archived = await this.in(caller, (sql) => archiveTemplate(sql, caller.workspaceId, params.key));
    if (!archived) throw noTemplate();
  }

  private in<T>(caller: { workspaceId: string }, work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.database.inWorkspace(caller.workspaceId, work);
  }
}
