/**
 * `carillon outbox migrate|status|retry`: the outbox in your own database, which the SDK writes and its relay reads.
 * Needs neither Carillon nor a key: it speaks to your PostgreSQL alone.
 */
import { outboxSchema, outboxStatus, retryRefused, type OutboxDatabase } from '@carillon/sdk/outbox';
import { Option, type Command } from 'commander';
import { type Context, examples } from '../command.js';
import { UsageError } from '../settings.js';
import { clock, duration, plural } from '../terminal.js';

const CONNECT_MS = 10_000;
/** PostgreSQL's code for a table that is not there. */
const UNDEFINED_TABLE = '42P01';
/** A relay takes what waits within a second; what waits for longer has none. */
const LATE_SECONDS = 60;

export function outbox(root: Command, context: Context): void {
  const group = root
    .command('outbox')
    .summary('keep the outbox in your own database')
    .description('Make the outbox table in your own PostgreSQL, and see what waits in it or was refused.');
  const database = () =>
    new Option('--database <url>', 'your database (or DATABASE_URL)').argParser((text: string) => text);

  examples(
    group
      .command('migrate')
      .summary('make the table of the outbox')
      .description(
        'Make the table carillon_outbox and its index, where they are missing. Safe to run again. With --print, write the SQL for a migration of your own.',
      )
      .addOption(database())
      .option('--print', 'change nothing: print the SQL')
      .action(async (given: { database?: string; print?: true }) => {
        if (given.print) return context.terminal.write(outboxSchema);
        const made = await within(context, given.database, async (db) => {
          const before = await db.query(`SELECT to_regclass('carillon_outbox') AS name`);
          await db.query(outboxSchema);
          return before.rows[0]?.['name'] === null;
        });
        if (context.json) return context.terminal.json({ table: 'carillon_outbox', made });
        context.terminal.say(
          `${context.terminal.style('green', '✓')} ${made ? 'Made the table carillon_outbox.' : 'The table carillon_outbox is there.'}`,
        );
      }),
    [
      'carillon outbox migrate --database postgresql://shop@localhost/shop',
      'carillon outbox migrate --print > migrations/0042_outbox.sql',
    ],
  );

  examples(
    group
      .command('status')
      .summary('see what waits and what was refused')
      .description(
        'Show how many messages wait for a relay and since when, and what the API refused and why. Ends with 1 when something was refused, or has waited for more than a minute.',
      )
      .addOption(database())
      .action(async (given: { database?: string }) => {
        const { terminal } = context;
        const status = await within(context, given.database, (db) => outboxStatus(db));
        const late = status.oldestSeconds > LATE_SECONDS;
        if (late || status.refused.length > 0) context.exitCode = 1;
        if (context.json) return terminal.json(status);
        terminal.say(
          status.waiting === 0
            ? `${terminal.style('green', '✓')} Nothing waits.`
            : `${terminal.style(late ? 'red' : 'green', late ? '✗' : '✓')} ${plural(status.waiting, 'message waits', 'messages wait')}, the oldest for ${duration(status.oldestSeconds)}.`,
        );
        if (late) terminal.say('  Does a relay run? See new OutboxRelay(…) of @carillon/sdk/outbox.');
        if (status.refused.length === 0) return;
        terminal.say();
        terminal.table(
          [{ title: 'REFUSED' }, { title: 'KEY', narrow: 'cut' }, { title: 'WHY', narrow: 'break' }],
          status.refused.map(({ createdAt, idempotencyKey, problem }) => [
            { text: clock(new Date(createdAt).toISOString()).replace(/\.\d+$/, ''), style: 'dim' },
            idempotencyKey,
            problem.errors?.[0]
              ? `${problem.code}: ${problem.errors.map(({ pointer, message }) => `${pointer}: ${message}`).join('; ')}`
              : `${problem.code}: ${problem.detail}`,
          ]),
        );
        terminal.say(`  Once the cause is mended: carillon outbox retry`);
      }),
    ['carillon outbox status', 'carillon outbox status --json'],
  );

  examples(
    group
      .command('retry')
      .summary('let refused messages go again')
      .description('Let all refused messages go again, once their cause is mended.')
      .addOption(database())
      .action(async (given: { database?: string }) => {
        const retried = await within(context, given.database, (db) => retryRefused(db));
        if (context.json) return context.terminal.json({ retried });
        context.terminal.say(
          `${context.terminal.style('green', '✓')} ${plural(retried, 'message goes', 'messages go')} again.`,
        );
      }),
    ['carillon outbox retry'],
  );
}

type Rows = OutboxDatabase & {
  query(text: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
};

/** One connection for one command. */
async function within<T>(
  context: Context,
  given: string | undefined,
  work: (database: Rows) => Promise<T>,
): Promise<T> {
  const url = given ?? (context.env['DATABASE_URL'] || undefined);
  if (url === undefined)
    throw new UsageError(
      'Which database is yours?',
      'Give --database postgresql://…, or set DATABASE_URL. It is the one your transactions write to, not Carillon’s.',
    );
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new UsageError(
      'The outbox stands in a PostgreSQL.',
      'Write --database postgresql://user@host/name',
    );
  // Loaded by who needs it: no other command does.
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  try {
    await client.connect();
  } catch (error) {
    const { hostname, pathname } = new URL(url);
    // Never the address itself: it holds a password.
    throw new Error(
      `The database${pathname === '/' ? '' : ` ${pathname.slice(1)}`} at ${hostname} cannot be reached: ${error instanceof Error ? error.message || error.name : String(error)}`,
      { cause: error },
    );
  }
  try {
    return await work(client as unknown as Rows);
  } catch (error) {
    if ((error as { code?: string }).code === UNDEFINED_TABLE)
      throw new UsageError('There is no outbox in this database.', 'Make it: carillon outbox migrate');
    throw error;
  } finally {
    await client.end();
  }
}
