/** The database of commands that an operator runs beside the services: the given one, or the embedded one of this checkout. */
import { Problem } from './data-folder.mjs';
import { address } from './migrate.mjs';

/**
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 * @throws {Problem} in production, when none is given
 */
export async function operatorsDatabase() {
  const given = address('DATABASE_URL');
  if (given) return { url: given, stop: () => Promise.resolve() };
  if (process.env.NODE_ENV === 'production')
    throw new Problem("Say which database: DATABASE_URL, the same as the services'.");
  const { developmentCluster } = await import('./postgres.mjs');
  const { ownerUrl, stop } = await developmentCluster();
  return { url: ownerUrl, stop };
}
