#!/usr/bin/env node
/**
 * `npm run demo`: Carillon's main job on real input (apps/cli, demo), on the instance that runs from this checkout,
 * or else on one of its own in a temporary folder, which it removes. The campaign (demo-campaign.mjs) and the journeys
 * (demo-journey.mjs) are always played on an instance of their own.
 */
import { countFrom, readArguments } from './arguments.mjs';
import { dataFolder, Problem } from './data-folder.mjs';
import { runningInstance } from './instance.mjs';
import { onInstance, runCommand, runProgram } from './stack.mjs';

const HELP = `npm run demo                        three hundred people from a file, a welcome on four channels
npm run demo -- campaign [people]   a campaign to many (100,000)
npm run demo -- journey [people]    the six ready journeys (300)`;
const large = {
  campaign: async () => (await import('./demo-campaign.mjs')).demoCampaign,
  journey: async () => (await import('./demo-journey.mjs')).demoJourney,
};

await runCommand(async (until) => {
  const [what, people] = readArguments(HELP, {}, 2).positionals;
  if (what !== undefined) {
    if (!Object.hasOwn(large, what)) throw new Problem(`There is no demo '${what}'.\n\n${HELP}`);
    const count = countFrom(people);
    const instance = await onInstance(until);
    const play = await large[what]();
    process.exitCode = await play(instance, count);
    return;
  }
  const running = runningInstance(dataFolder());
  const { urls, apiKey } = running?.urls ? running : await onInstance(until);
  const env = {
    CARILLON_API_URL: urls.dashboard,
    CARILLON_API_KEY: apiKey,
    CARILLON_SANDBOX_URL: urls.sandbox,
  };
  process.exitCode = await runProgram('apps/cli/bin/carillon.mjs', ['demo'], env);
});
