/** Scenarios after one another. Those that want the same kind of installation share it, with services started anew. */
import { randomFrom } from './random.mjs';
import { runScenario } from './run.mjs';
import { openStage } from './stage.mjs';

/**
 * How much longer than its bound a sample's recovery may take: it runs in continuous integration, beside neighbours that
 * nobody sees. What the bounds themselves are is shown by the whole matrix.
 */
const SAMPLE_SLACK = 2;

/**
 * @param {boolean} options.sample recovery is judged with slack, and a row with nothing against it but its time is played
 *   once more. What is lost, doubled or forbidden never gets a second chance.
 * @returns {Promise<object[]>} a row for each, in the order given
 */
export async function runAll(
  scenarios,
  { seed, rate, commit, say, onStop, stopping, keep, onRow, sample = false },
) {
  const rows = new Map();
  let stage;
  let kind;
  const close = async () => {
    await stage?.close({ keep });
    stage = undefined;
  };
  onStop(close);
  for (const scenario of bySameStage(scenarios)) {
    if (stopping()) break;
    const why = scenario.skip?.();
    if (why) {
      say(`- ${scenario.name}: left out, ${why}`);
      rows.set(scenario, {
        scenario: scenario.name,
        queue: scenario.queue ?? 'postgres',
        ok: true,
        skipped: why,
      });
      continue;
    }
    const wanted = kindOf(scenario);
    if (wanted !== kind || scenario.stage) {
      await close();
      stage = await openStage({
        apart: Boolean(scenario.apart),
        queue: scenario.queue ?? 'postgres',
        seed,
        ...scenario.stage,
      });
      kind = scenario.stage ? undefined : wanted;
    }
    say(`▸ ${scenario.name} (${stage.queue}, ${stage.apart ? 'one process per service' : 'one process'})`);
    const started = Date.now();
    const own = seed + rows.size;
    const play = () =>
      stage
        .startServices(scenario.how?.(randomFrom(own)))
        .then(() => runScenario(stage, scenario, { seed: own, rate, say, slack: sample ? SAMPLE_SLACK : 1 }))
        .catch((error) => brokenRow(stage, scenario, own, error))
        .then((played) => ({ ...played, ...(commit ? { commit } : {}) }));
    let row = await play();
    if (row.onlySlow && sample) {
      say(`  ${row.why.join('; ')}: played once more`);
      await stage.stopServices();
      row = { ...(await play()), slowFirst: row.recoverySeconds };
    }
    rows.set(scenario, row);
    onRow(row);
    say(
      `  ${row.ok ? 'holds' : `FAILS: ${row.why.join('; ')}`} · ${row.accepted ?? 0} accepted, ${row.unknown ?? 0} in doubt, ${Math.round((Date.now() - started) / 1000)} s, seed ${own}`,
    );
    await stage.stopServices();
    if (!row.ok && keep) stage.kept = true;
  }
  await close();
  return scenarios.map((scenario) => rows.get(scenario)).filter(Boolean);
}

/** What could not be played proves nothing. */
const brokenRow = (stage, scenario, seed, error) => ({
  scenario: scenario.name,
  queue: stage.queue,
  processes: stage.apart ? 'one per service' : 'one',
  seed,
  ok: false,
  why: [`it could not be played: ${error.message}`],
});

const kindOf = ({ queue = 'postgres', apart = false, stage }) => `${queue} ${apart} ${stage ? 'own' : ''}`;
function bySameStage(scenarios) {
  const kinds = [...new Set(scenarios.map(kindOf))];
  return kinds.flatMap((kind) => scenarios.filter((scenario) => kindOf(scenario) === kind));
}
