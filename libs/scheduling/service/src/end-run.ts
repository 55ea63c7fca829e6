/** The end of a run, whoever brings it about. */
import type { CampaignRun } from '@carillon/contracts';
import type { Sql } from '@carillon/database';

export const endRun = (
  sql: Sql,
  workspaceId: string,
  id: string,
  no: number,
  state: Exclude<CampaignRun['state'], 'running'>,
): Promise<number> =>
  sql.execute(
    `UPDATE campaign_runs SET state = $4, ended_at = now() WHERE workspace_id = $1 AND campaign_id = $2 AND no = $3 AND state = 'running'`,
    [workspaceId, id, no, state],
  );
