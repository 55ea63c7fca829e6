/** `carillon track`: tells what a person did. */
import type { Json } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples, pairs, repeated, time } from '../command.js';
import { UsageError } from '../settings.js';
import { clock } from '../terminal.js';

interface TrackOptions {
  property?: string[];
  at?: string;
  eventKey?: string;
  knownOnly?: true;
}

export function track(root: Command, context: Context): void {
  examples(
    root
      .command('track')
      .summary('tell what a person did')
      .description(
        'Tell what a person did. A profile that is not known is created, unless --known-only is given. With a key of ' +
          'your own the same event may be told again and is recorded once.',
      )
      .argument('<who>', 'external id, or another identity as namespace=value')
      .argument('<event>', 'what they did, e.g. order.placed')
      .option('-p, --property <name=value>', 'a property; repeat for more', repeated)
      .option('--at <time>', 'when it happened: RFC 3339, or 2h for two hours ago', time)
      .option('--event-key <key>', 'your own id of the event')
      .option('--known-only', 'refuse it when there is no such profile')
      .action(async (who: string, name: string, options: TrackOptions) => {
        const { terminal, carillon, stop } = context;
        const event = await carillon.events.track(
          {
            profile: identity(who) ?? who,
            name,
            ...(options.property
              ? { properties: pairs(options.property, '--property') as Record<string, Json> }
              : {}),
            ...(options.at ? { at: options.at } : {}),
            ...(options.eventKey ? { key: options.eventKey } : {}),
            ...(options.knownOnly ? { unknownProfile: 'refuse' as const } : {}),
          },
          { signal: stop },
        );
        if (context.json) return terminal.json(event);
        terminal.say(
          event.outcome === 'accepted'
            ? `${terminal.style('green', '✓')} Kept, as of ${clock(event.at)}.`
            : `${terminal.style('yellow', '!')} It had been told before: nothing changed.`,
        );
        terminal.facts([['event', event.id]]);
      }),
    [
      'carillon track ada order.placed -p total=49.90 -p currency=EUR',
      'carillon track crm=0042 call.ended --at 2h --event-key call-981',
    ],
  );
}

/** `namespace=value`, or undefined where there is no such thing. */
export function identity(text: string): { namespace: string; value: string } | undefined {
  const [, namespace, value] = /^([a-z][a-z0-9_.-]*)=(.+)$/.exec(text) ?? [];
  return namespace !== undefined && value !== undefined ? { namespace, value } : undefined;
}

/** @throws UsageError when it is none */
export function identityOf(text: string): { namespace: string; value: string } {
  const given = identity(text);
  if (!given) throw new UsageError(`${text}: write it as namespace=value, e.g. crm=0042.`);
  return given;
}
