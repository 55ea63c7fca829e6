/** Campaigns in words, and a campaign as the form holds it. */
import type {
  ApprovalBy,
  Campaign,
  CampaignDefinition,
  CampaignMetric,
  CampaignOccurrence,
  CampaignStart,
} from '@carillon/contracts';

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
    case 'best':
      return `on ${start.date}, at the hour that suits each person`;
    case 'recurring':
      return `${start.rule} from ${start.from.replace('T', ' ')}${start.until ? ` to ${start.until.replace('T', ' ')}` : ''}, ${start.zone}`;
  }
}

/** `an owner or ada@example.com`. */
export const approverWords = ({ roles = [], people = [] }: ApprovalBy): string =>
  [...roles.map((role) => (role === 'viewer' ? 'a viewer' : `an ${role}`)), ...people].join(' or ') ||
  'somebody who did not write it';

export const metricKinds: Record<CampaignMetric['kind'], string> = {
  opened: 'Opened',
  clicked: 'Clicked',
  converted: 'Followed by an event',
  delivered: 'Delivered',
};
/** “Of them …” */
export const metricWords = (metric: CampaignMetric): string =>
  metric.kind === 'converted' ? `did ${metric.event}` : metric.kind;

/** Whom it goes, or went, to; of old ones as many as messages. */
export const peopleOf = ({ runs, report }: Campaign): number | null =>
  report?.audience ?? runs[0]?.targeted ?? null;

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

export const thisMonth = (): string => monthOf(new Date());
export const monthOf = (day: Date): string =>
  `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, '0')}`;

/** Six weeks from a Monday, in which a month stands. */
export function daysOf(month: string): Date[] {
  const [year = 1970, number = 1] = month.split('-').map(Number);
  const monday = 1 - ((new Date(year, number - 1, 1).getDay() + 6) % 7);
  return Array.from({ length: 42 }, (_, n) => new Date(year, number - 1, monday + n));
}
/** When it stands in the calendar: what goes by people's own clocks, as those show it. */
export const timeOf = ({ at, local }: CampaignOccurrence): Date => new Date(at ?? local ?? 0);
