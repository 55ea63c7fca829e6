/** `carillon profiles timeline|state|merge|identify|forget-identity`: one person, under all names. */
import { timelineKinds, type TimelineKind } from '@carillon/contracts';
import type { TimelineEntry } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples, oneOf, wholeNumber } from '../command.js';
import { clock, plural } from '../terminal.js';
import { identityOf } from './track.js';

export function person(group: Command, context: Context): void {
  const signal = { signal: context.stop };
  examples(
    group
      .command('timeline')
      .summary('show what a person did and was sent')
      .description('Show events, messages with what became of them, memberships and consents, newest first.')
      .argument('<externalId>', 'your id of the person')
      .option('-k, --kind <names>', 'only these kinds', oneOf(timelineKinds))
      .option('-n, --lines <count>', 'how many to show', wholeNumber(1, 200), 20)
      .action(async (externalId: string, { kind, lines }: { kind?: TimelineKind[]; lines: number }) => {
        const { terminal, carillon } = context;
        const page = await carillon.profiles
          .timeline(externalId, { limit: lines, ...(kind ? { kind } : {}) }, signal)
          .page();
        if (context.json) return terminal.json(page);
        if (page.items.length === 0) return terminal.say('Nothing is known of this person yet.');
        terminal.table(
          [{ title: 'WHEN' }, { title: 'WHAT' }, { title: '', narrow: 'cut' }],
          page.items.map((entry) => [
            { text: clock(entry.at), style: 'dim' as const },
            entry.kind,
            sentence(entry),
          ]),
        );
        if (page.nextCursor) terminal.say(terminal.style('dim', 'There is more: --lines 200.'));
      }),
    ['carillon profiles timeline ada', 'carillon profiles timeline ada --kind event,message'],
  );

  examples(
    group
      .command('state')
      .summary('show what is known of a person now')
      .description('Show activity, consents and memberships.')
      .argument('<externalId>', 'your id of the person')
      .action(async (externalId: string) => {
        const { terminal, carillon } = context;
        const state = await carillon.profiles.state(externalId, signal);
        if (context.json) return terminal.json(state);
        const { activity } = state;
        const last = (at: string | null) => (at === null ? '' : `, last ${clock(at)}`);
        terminal.facts([
          ['externalId', { text: state.externalId, style: 'bold' }],
          ['zone', `${state.zone.name} (of the ${state.zone.source})`],
          ['events', `${activity.events}${last(activity.lastSeenAt)}`],
          ['sent', `${activity.sent}${last(activity.lastSentAt)}`],
          ['opened', `${activity.opened}${last(activity.lastOpenedAt)}`],
          ['clicked', `${activity.clicked}${last(activity.lastClickedAt)}`],
          ...state.consents.map(({ channel, topic, word, about }): [string, string] => [
            'consent',
            `${word}: ${topic || 'everything'} by ${channel} (${about})`,
          ]),
          ...state.suppressed.map(({ channel, reason }): [string, string] => [
            'suppressed',
            `${channel}: ${reason}`,
          ]),
          ...state.audiences.map(({ key, since }): [string, string] => [
            'audience',
            `${key}, since ${clock(since)}`,
          ]),
        ]);
      }),
    ['carillon profiles state ada'],
  );

  examples(
    group
      .command('merge')
      .summary('make one profile of two')
      .description(
        'Make another profile part of this one. Values of the one that stays win, an opt-out of either holds, and ' +
          'the other one’s ids lead here from then on. It cannot be undone.',
      )
      .argument('<externalId>', 'who stays')
      .argument('<from>', 'who becomes part of them')
      .action(async (externalId: string, from: string) => {
        const { terminal, carillon } = context;
        const merged = await carillon.profiles.merge(externalId, from, signal);
        if (context.json) return terminal.json(merged);
        if (merged.outcome === 'already')
          return terminal.say('They are one profile already: nothing changed.');
        const { events, devices, identities } = merged.moved;
        terminal.say(
          `${terminal.style('green', '✓')} ${from} is part of ${merged.profile.externalId}: ${plural(events, 'event')}, ${plural(devices, 'device')} and ${plural(identities, 'name')} came along.`,
        );
      }),
    ['carillon profiles merge ada ada-from-the-shop'],
  );

  examples(
    group
      .command('identify')
      .summary('set another name for a person')
      .description(
        'Give a profile another name, e.g. its id in another system. Events may name it from then on.',
      )
      .argument('<externalId>', 'your id of the person')
      .argument('<name>', 'namespace=value')
      .option('--remove', 'take the name back')
      .action(async (externalId: string, name: string, { remove }: { remove?: true }) => {
        const { terminal, carillon } = context;
        const identity = identityOf(name);
        if (remove) {
          await carillon.profiles.removeIdentity(externalId, identity, signal);
          if (context.json) return terminal.json({ removed: identity });
          return terminal.say(
            `${terminal.style('green', '✓')} ${name} is no name of ${externalId} any more.`,
          );
        }
        const profile = await carillon.profiles.addIdentity(externalId, identity, signal);
        if (context.json) return terminal.json(profile);
        terminal.say(`${terminal.style('green', '✓')} ${name} is ${profile.externalId}.`);
      }),
    ['carillon profiles identify ada crm=0042'],
  );
}

/** What an entry says, in a line. */
function sentence(entry: TimelineEntry): string {
  switch (entry.kind) {
    case 'event': {
      const properties = Object.entries(entry.properties).map(
        ([name, value]) => `${name}=${JSON.stringify(value)}`,
      );
      return [entry.name, ...properties].join('  ');
    }
    case 'message': {
      const last = entry.outcomes.at(-1);
      const what = [entry.channel, entry.template ?? entry.class].join(' ');
      return `${what}: ${entry.status}${last && last.type !== entry.status ? `, ${last.type}` : ''}`;
    }
    case 'membership':
      return `${entry.change === 'enter' ? 'entered' : 'left'} ${entry.audience.key}`;
    case 'consent':
      return `${entry.word}: ${entry.topic || 'everything'} by ${entry.channel} (${entry.source})`;
    case 'profile':
      return entry.change === 'created' ? 'created' : `${entry.mergedExternalId} became part of this profile`;
  }
}
