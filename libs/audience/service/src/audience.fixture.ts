/** For specs of this library: a fresh database with two workspaces. */
import { Database, newId } from '@carillon/database';
import { freshDatabase } from '@carillon/testing';
import pg from 'pg';

export interface AudienceFixture {
  database: Database;
  appUrl: string;
  owner: pg.Client;
  here: string;
  elsewhere: string;
  close(): Promise<void>;
}

export async function audienceFixture(): Promise<AudienceFixture> {
  const fresh = await freshDatabase();
  const database = new Database({ url: fresh.appUrl, max: 6 });
  const owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  const [here, elsewhere] = [newId(), newId()];
  await owner.query(
    `INSERT INTO workspaces (id, slug, name, settings) VALUES ($1, 'here', 'Here', '{"defaultCountry":"GB"}'), ($2, 'elsewhere', 'Elsewhere', '{}')`,
    [here, elsewhere],
  );
  return {
    database,
    appUrl: fresh.appUrl,
    owner,
    here,
    elsewhere,
    async close() {
      await database.close();
      await owner.end();
      await fresh.drop();
    },
  };
}
