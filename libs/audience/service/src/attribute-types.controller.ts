/** The optional typed schema of attributes: `operations.*AttributeType*`. What stands already is not judged again. */
import type { AttributeType } from '@carillon/contracts';
import { Database, type Sql } from '@carillon/database';
import { notFound, Operation, type Call, type Result } from '@carillon/server';
import { Controller, Inject } from '@nestjs/common';

@Controller()
export class AttributeTypesController {
  constructor(@Inject(Database) private readonly database: Database) {}

  @Operation('listAttributeTypes')
  async list({ caller }: Call<'listAttributeTypes'>): Promise<Result<'listAttributeTypes'>> {
    const items = await this.database.inWorkspace(caller.workspaceId, (sql) => read(sql, caller.workspaceId));
    return { items };
  }

  @Operation('setAttributeType')
  set({ params, body, caller }: Call<'setAttributeType'>): Promise<AttributeType> {
    return this.database.inWorkspace(caller.workspaceId, async (sql) => {
      await sql.execute(
        `INSERT INTO attribute_types AS t (workspace_id, name, type, description) VALUES ($1, $2, $3, coalesce($4, ''))
         ON CONFLICT (workspace_id, name) DO UPDATE SET type = EXCLUDED.type, description = coalesce($4, t.description)`,
        [caller.workspaceId, params.name, body.type, body.description ?? null],
      );
      const [type] = await read(sql, caller.workspaceId, params.name);
      if (!type) throw new Error('a type that was just written is not there');
      return type;
    });
  }

  @Operation('deleteAttributeType')
  async delete({ params, caller }: Call<'deleteAttributeType'>): Promise<void> {
    const gone = await this.database.inWorkspace(caller.workspaceId, (sql) =>
      sql.execute('DELETE FROM attribute_types WHERE workspace_id = $1 AND name = $2', [
        caller.workspaceId,
        params.name,
      ]),
    );
    if (gone === 0) throw notFound('attribute type');
  }
}

async function read(sql: Sql, workspaceId: string, name: string | null = null): Promise<AttributeType[]> {
  const rows = await sql.query<Omit<AttributeType, 'createdAt'> & { createdAt: Date }>(
    `SELECT name, type, description, created_at AS "createdAt" FROM attribute_types
     WHERE workspace_id = $1 AND ($2::text IS NULL OR name = $2) ORDER BY name`,
    [workspaceId, name],
  );
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }));
}
