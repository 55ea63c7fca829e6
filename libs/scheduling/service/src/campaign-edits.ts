/** What a campaign was at each of its versions, who wrote it so, and what was not as before. */
import type { CampaignDefinition, CampaignEdit } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { differences } from '@carillon/scheduling-rules';
import { writtenOf } from './campaign-changes.js';
import { campaignById } from './campaign-rows.js';

/** Of the version that its row holds. */
export const keepEdit = (sql: Sql, workspaceId: string, id: string, by: string): Promise<number> =>
  sql.execute(
    `INSERT INTO campaign_edits (workspace_id, campaign_id, version, name, definition, by)
     SELECT workspace_id, id, version, name, definition, $3 FROM campaigns WHERE workspace_id = $1 AND id = $2`,
    [workspaceId, id, by],
  );

interface EditRow {
  version: number;
  name: string;
  definition: CampaignDefinition;
  by: string;
  at: Date;
}

/** The newest first. @param before only versions below @returns null when there is no such campaign */
export async function campaignEdits(
  sql: Sql,
  workspaceId: string,
  id: string,
  { before, limit }: { before?: number | undefined; limit: number },
): Promise<{ items: CampaignEdit[]; next: number | null } | null> {
  if (!(await campaignById(sql, workspaceId, id))) return null;
  const rows = await sql.query<EditRow>(
    `SELECT version, name, definition, by, at FROM campaign_edits
      WHERE workspace_id = $1 AND campaign_id = $2 AND ($3::bigint IS NULL OR version < $3) ORDER BY version DESC LIMIT $4`,
    [workspaceId, id, before ?? null, limit + 1],
  );
  const items = rows.slice(0, limit).map((row, n): CampaignEdit => {
    const earlier = rows[n + 1];
    return {
      ...row,
      at: row.at.toISOString(),
      changes: earlier ? differences(recordOf(earlier), recordOf(row)) : [],
    };
  });
  return { items, next: rows.length > limit ? (items.at(-1)?.version ?? null) : null };
}

const recordOf = ({ name, definition }: EditRow) => ({ name, ...writtenOf({ definition }) });
