/** Campaigns in words, and a campaign as the form holds it. */
import type { Campaign, CampaignDefinition, CampaignMetric, CampaignStart } from '@carillon/contracts';

export const audienceWords = ({ audience, exclude }: CampaignDefinition): string =>
  `${typeof audience === 'string' ? `Audience ${audience}` : `${audience.profiles.length} profiles by name`}${
    exclude.length > 0 ? `, without ${exclude.join(', ')}` : ''
  }`;

export function startWords(start: CampaignStart): string {
  switch (start.kind) {
    case 'now':
      return 'when it is started';
    case 'at':
      return `at ${start.at.replace('T', ' ').slice(0, 16)}`;
    case 'local':
      return `on ${start.date} at ${start.time}, each person’s own time`;
    case 'recurring':
      return `${start.rule} from ${start.from.replace('T', ' ')}, ${start.zone}`;
  }
}

export const metricKinds: Record<CampaignMetric['kind'], string> = {
  opened: 'Opened',
  clicked: 'Clicked',
  converted: 'Followed by an event',
  delivered: 'Delivered',
};
/** “Of them …” */
export const metricWords = (metric: CampaignMetric): string =>
  metric.kind === 'converted' ? `did ${metric.event}` : metric.kind;

/** Whom it goes, or went, to. */
export const peopleOf = ({ runs, report }: Campaign): number | null =>
  runs[0]?.targeted ?? report?.audience ?? null;

export const emptyDefinition: CampaignDefinition = {
  audience: '',
  exclude: [],
  channels: ['email'],
  template: '',
  data: {},
  variants: [],
  class: 'marketing',
  start: { kind: 'now' },
  stopWhen: { failedPercent: 50, complainedPercent: 1, after: 100 },
  priority: 50,
};

/** `10, 20, 70` as numbers; null when it is something else. */
export function sizesOf(text: string): number[] | null {
  const sizes = text
    .split(/[,\s]+/)
    .filter(Boolean)
    .map(Number);
  return sizes.length >= 2 && sizes.every((n) => n > 0) ? sizes : null;
}
