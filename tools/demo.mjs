#!/usr/bin/env node
/**
 * `npm run demo`: Carillon's main job on real input (apps/cli, demo), on the instance that runs from this checkout,
 * or else on one of its own in a temporary folder, which it removes. Arguments go to the demo. `npm run demo -- campaign [people]`: a campaign
 * to many (demo-campaign.mjs); `npm run demo -- journey [people]`: the six ready journeys (demo-journey.mjs). Both always on an
 * instance of their own.
 */
import { dataFolder } from './data-folder.mjs';
import { runningInstance } from './instance.mjs';
import { onInstance, runCommand, runProgram } from './stack.mjs';

const [what, people] = process.argv.slice(2);
await runCommand(async (until) => {
  if (what === 'campaign') {
    const instance = await onInstance(until);
    const { demoCampaign } = await import('./demo-campaign.mjs');
    process.exitCode = await demoCampaign(instance, people === undefined ? undefined : Number(people));
    return;
  }
  if (what === 'journey') {
    const instance = await onInstance(until);
    const { demoJourney } = await import('./demo-journey.mjs');
    process.exitCode = await demoJourney(instance, people === undefined ? undefined : Number(people));
    return;
  }
  const running = runningInstance(dataFolder());
  const { urls, apiKey } = running?.urls ? running : await onInstance(until);
  const env = {
    CARILLON_API_URL: urls.dashboard,
    CARILLON_API_KEY: apiKey,
    CARILLON_SANDBOX_URL: urls.sandbox,
  };
  process.exitCode = await runProgram('apps/cli/bin/carillon.mjs', ['demo', ...process.argv.slice(2)], env);
});
