/**
 * Double opt-in: an "in" that waits for its confirmation, and the message that asks for it. The message is planned in the
 * transaction of the word, as a row; the clock hands it over.
 */
import type { Channel } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';

export interface Asked {
  channel: Channel;
  topic: string;
  /** Of the message that asks. */
  template: string;
  /** Null: it is about the profile. */
  address: string | null;
}

/** Plans the messages that ask. A question that is still open is not asked again. */
export async function askForConfirmations(
  sql: Sql,
  workspaceId: string,
  profile: { id: string },
  asked: readonly Asked[],
): Promise<void> {
  for (const { channel, topic, template, address } of asked)
    await sql.execute(
      `INSERT INTO consent_confirmations (workspace_id, id, profile_id, channel, address, topic, template, due_at)
       SELECT $1, $2, $3, $4, $5, $6, $7, now()
       WHERE NOT EXISTS (SELECT FROM consent_confirmations WHERE workspace_id = $1 AND profile_id = $3 AND channel = $4
                           AND address = $5 AND topic = $6 AND confirmed_at IS NULL AND created_at > now() - interval '1 hour')`,
      [workspaceId, newId(), profile.id, channel, address ?? '', topic, template],
    );
}
