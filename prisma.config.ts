/**
 * Prisma's settings, read by its CLI only (through tools/prisma.mjs). Services take theirs from libs/config.
 * Migrations are authored and compared as the owner of the tables, never as the role the services log in with.
 */
import { defineConfig } from 'prisma/config';

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: {
    // Commands that touch no database (generate, validate, format) still want a well-formed address.
    url:
      process.env.DATABASE_OWNER_URL ??
      process.env.DATABASE_URL ??
      'postgresql://carillon@127.0.0.1:1/carillon',
  },
});
