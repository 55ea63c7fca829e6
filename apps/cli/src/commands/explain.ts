/** `carillon explain <id>`: did it arrive, why (not), and what happens next, in sentences. */
import { NotFoundProblem } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples } from '../command.js';
import { timeline } from '../deliveries-view.js';
import { channelTitles, printable } from '../terminal.js';

export function explain(root: Command, context: Context): void {
  const command = root
    .command('explain')
    .summary('say why a message did or did not arrive')
    .description('Say whether it arrived, why or why not, and what happens next.')
    .argument('<id>', 'id of a delivery, or of a message for all its deliveries')
    .action(async (id: string) => {
      const { terminal, carillon, stop } = context;
      const ids = await deliveriesOf(context, id);
      const told = [];
      for (const one of ids) {
        const [explanation, delivery] = await Promise.all([
          carillon.deliveries.explain(one, { signal: stop }),
          carillon.deliveries.get(one, { signal: stop }),
        ]);
        told.push({ ...explanation, timeline: delivery.timeline });
        if (context.json) continue;
        if (told.length > 1) terminal.say();
        terminal.say(terminal.style('dim', `${channelTitles[delivery.channel]} ${one}`));
        terminal.say(terminal.style('bold', terminal.wrap(printable(explanation.verdict))));
        for (const because of explanation.because)
          terminal.say(terminal.wrap(`  • ${printable(because)}`, '    '));
        terminal.say();
        timeline(terminal, delivery.timeline);
        terminal.say();
        for (const next of [explanation.next, ...explanation.youCan])
          terminal.say(terminal.wrap(`→ ${printable(next)}`, '  '));
      }
      if (context.json) terminal.json(ids.length === 1 && ids[0] === id ? told[0] : told);
    });
  examples(command, [
    'carillon explain 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b',
    'carillon tail --status failed   # ids to ask about',
  ]);
}

/** The id itself, or when it is a message's, its deliveries. */
async function deliveriesOf({ carillon, stop }: Context, id: string): Promise<string[]> {
  try {
    return [(await carillon.deliveries.get(id, { signal: stop })).id];
  } catch (error) {
    if (!(error instanceof NotFoundProblem) || error.code === 'unexpected_answer') throw error;
    try {
      return (await carillon.messages.get(id, { signal: stop })).deliveries.map((delivery) => delivery.id);
    } catch (second) {
      throw second instanceof NotFoundProblem ? error : second;
    }
  }
}
