/** The life of a campaign: what may follow what. Pure. */
import type { CampaignDefinition, CampaignState, CampaignTally } from '@carillon/contracts';

/** What a person may ask for. The rest the clock does. */
export type CampaignStepName =
  'save' | 'prepare' | 'approve' | 'reject' | 'start' | 'pause' | 'resume' | 'cancel';

const may: Record<CampaignStepName, readonly CampaignState[]> = {
  // Editing what is prepared or scheduled takes it back to a draft: what starts is what was prepared.
  save: ['draft', 'prepared', 'scheduled'],
  prepare: ['draft', 'prepared'],
  approve: ['prepared'],
  reject: ['prepared'],
  start: ['prepared'],
  pause: ['running', 'scheduled'],
  resume: ['paused'],
  cancel: ['draft', 'prepared', 'scheduled', 'running', 'paused'],
};

/** Null when it may; else why not, in a sentence. */
export function refusal(step: CampaignStepName, state: CampaignState): string | null {
  if (may[step].includes(state)) return null;
  if (step === 'start' && state === 'draft')
    return 'It has not been prepared since it was last changed: prepare it, look at the report, then start it.';
  return `A campaign that is ${state} cannot be ${past[step]}: that is for one that is ${may[step].join(', ').replace(/, ([^,]*)$/, ' or $1')}.`;
}
const past: Record<CampaignStepName, string> = {
  save: 'changed',
  prepare: 'prepared',
  approve: 'approved',
  reject: 'sent back',
  start: 'started',
  pause: 'paused',
  resume: 'resumed',
  cancel: 'cancelled',
};

/** Why a run should pause by itself, in a sentence; null when nothing is wrong with it. */
export function alarm(
  { failedPercent, complainedPercent, after }: CampaignDefinition['stopWhen'],
  { sent, failed, unknown }: Pick<CampaignTally, 'sent' | 'failed' | 'unknown'>,
  complained: number,
): string | null {
  const handedOver = sent + failed + unknown;
  if (handedOver < after) return null;
  const percent = (n: number, of: number) => (of === 0 ? 0 : (n / of) * 100);
  const failing = percent(failed + unknown, handedOver);
  if (failing >= failedPercent)
    return `It paused itself: of ${handedOver} handed over ${failed + unknown} failed or are unknown (${failing.toFixed(1)} %; the limit is ${failedPercent} %).`;
  const complaining = percent(complained, sent);
  if (complaining >= complainedPercent)
    return `It paused itself: of ${sent} sent ${complained} were reported as spam (${complaining.toFixed(2)} %; the limit is ${complainedPercent} %).`;
  return null;
}
