/** The compose file as data, for its specs. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export interface ComposeService {
  image?: string;
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string | number>;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test?: string[] };
  restart?: string;
}
export const root = fileURLToPath(new URL('../../../', import.meta.url));
export const compose = parse(readFileSync(`${root}docker-compose.yml`, 'utf8'), { merge: true }) as {
  services: Record<string, ComposeService>;
};

/** What tools/role.mjs accepts, from its own words. */
export const roles = (
  /const services = \[([^\]]+)\]/.exec(readFileSync(`${root}tools/role.mjs`, 'utf8'))?.[1] ?? ''
)
  .split(',')
  .map((role) => role.trim().replaceAll("'", ''))
  .filter((role) => role !== '')
  .concat('init', 'migrate', 'seed');

export const serviceEnvironment = (service: ComposeService): Record<string, string> =>
  Object.fromEntries(Object.entries(service.environment ?? {}).map(([name, value]) => [name, String(value)]));
