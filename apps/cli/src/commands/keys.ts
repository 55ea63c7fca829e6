/** `carillon keys list|create|rotate|revoke`. A key is printed once, when it is made, and never again. */
import { scopes, type Scope, type ScopeName } from '@carillon/contracts';
import type { ApiKeyCreated } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples, oneOf, seconds, time } from '../command.js';
import { UsageError } from '../settings.js';
import { clock, shortTime } from '../terminal.js';

const scopeNames = Object.keys(scopes) as ScopeName[];

export function keys(root: Command, context: Context): void {
  const group = root
    .command('keys')
    .summary('list, make and revoke API keys')
    .description('List, make, rotate and revoke API keys.');

  examples(
    group
      .command('list')
      .summary('list keys')
      .description('List API keys. The keys themselves are stored nowhere and cannot be shown.')
      .action(async () => {
        const found = await context.carillon.keys.list({ signal: context.stop });
        if (context.json) return context.terminal.json(found);
        // In a narrow window the prefix has to do: the other commands take it as well.
        const roomy = context.terminal.width >= 100;
        context.terminal.table(
          [
            { title: 'NAME', narrow: 'cut' },
            { title: 'PREFIX' },
            { title: 'LAST USED' },
            { title: 'STATE' },
            ...(roomy ? [{ title: 'ID' }] : []),
          ],
          found.map((key) => [
            key.name,
            key.prefix,
            { text: key.lastUsedAt ? shortTime(key.lastUsedAt) : 'never', style: 'dim' },
            key.revokedAt
              ? { text: 'revoked', style: 'red' }
              : key.expiresAt
                ? { text: `ends ${clock(key.expiresAt).slice(0, 16)}`, style: 'yellow' }
                : { text: 'live', style: 'green' },
            ...(roomy ? [key.id] : []),
          ]),
        );
      }),
    ['carillon keys list'],
  );

  examples(
    group
      .command('create')
      .summary('make a key')
      .description(
        `Make an API key. It is shown once.\n\nScopes:\n${scopeNames.map((name) => `  ${name.padEnd(16)} ${scopes[name]}`).join('\n')}`,
      )
      .argument('<name>', 'what it is for')
      .requiredOption('--scope <names>', 'what it may do', oneOf(scopeNames))
      .option('--expires <time>', 'when it ends by itself: a time, or +90d', time)
      .action(async (name: string, options: { scope: Scope[]; expires?: string }) => {
        const key = await context.carillon.keys.create(
          { name, scopes: options.scope, ...(options.expires ? { expiresAt: options.expires } : {}) },
          { signal: context.stop },
        );
        showKey(context, key);
      }),
    [
      'carillon keys create shop --scope messages:write,profiles:write',
      'carillon keys create report --scope deliveries:read --expires +90d',
    ],
  );

  examples(
    group
      .command('rotate')
      .summary('make a second key; the old one ends later')
      .description(
        'Make a second live key with the same scopes. The old one still works for the overlap, then ends.',
      )
      .argument('<id>', 'id or prefix of the key, see keys list')
      .option('--overlap <duration>', 'how long the old key still works', seconds, 86_400)
      .action(async (id: string, { overlap }: { overlap: number }) => {
        showKey(
          context,
          await context.carillon.keys.rotate(
            await idOf(context, id),
            { overlapSeconds: overlap },
            { signal: context.stop },
          ),
        );
      }),
    ['carillon keys rotate ck_live_4k2m9x7p1q8z --overlap 2h'],
  );

  examples(
    group
      .command('revoke')
      .summary('end a key now')
      .description('End a key. It stops working everywhere within 5 seconds.')
      .argument('<id>', 'id or prefix of the key, see keys list')
      .action(async (given: string) => {
        const id = await idOf(context, given);
        await context.carillon.keys.revoke(id, { signal: context.stop });
        if (context.json) context.terminal.json({ id, revoked: true });
        else
          context.terminal.say(
            `${context.terminal.style('green', '✓')} Revoked. It stops working everywhere within 5 seconds.`,
          );
      }),
    ['carillon keys revoke ck_live_4k2m9x7p1q8z'],
  );
}

async function idOf({ carillon, stop }: Context, given: string): Promise<string> {
  if (!given.startsWith('ck_')) return given;
  const found = (await carillon.keys.list({ signal: stop })).find(({ prefix }) => prefix === given);
  if (!found) throw new UsageError(`There is no key with the prefix ${given}.`, 'See: carillon keys list');
  return found.id;
}

function showKey({ terminal, json }: Context, key: ApiKeyCreated): void {
  if (json) return terminal.json(key);
  terminal.say(`${terminal.style('green', '✓')} ${terminal.style('bold', key.key)}`);
  terminal.say('  Keep it now: it is not shown again.');
  terminal.facts([
    ['name', key.name],
    ['scopes', key.scopes.join(', ')],
    ['ends', key.expiresAt && clock(key.expiresAt)],
    ['id', key.id],
  ]);
}
