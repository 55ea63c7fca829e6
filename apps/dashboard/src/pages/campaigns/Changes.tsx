/** What is not as it was the last time it went out, or the campaign that it began as a copy of. */
import { Anchor, Text } from '@mantine/core';
import type { Campaign, CampaignChanges } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { api } from '../../api.js';
import { Section } from '../../parts/PageHeader.js';
import { When } from '../../parts/Times.js';
import classes from './Campaigns.module.css';

export const Changes = ({ campaign }: { campaign: Campaign }) => {
  const { id, version, report } = campaign;
  const told = useQuery({
    queryKey: ['campaigns', 'changes', id, version, report?.at],
    queryFn: () => api.campaigns.changes(id),
    retry: false,
  });
  const against = told.data?.against;
  if (!told.data || !against) return null;
  const { changes } = told.data;
  return (
    <Section title="What is not as it was" pad={false}>
      <div className={classes.progress}>
        <Text size="sm" c="dimmed">
          {changes.length === 0 ? 'Nothing has changed since' : 'Beside'}{' '}
          <Anchor component={Link} to="/campaigns/$id" params={{ id: against.campaignId } as never}>
            {against.name}
          </Anchor>
          {against.no > 1 ? `, run ${against.no}` : ''}, which began <When at={against.at} show="both" />.
        </Text>
      </div>
      {changes.length > 0 && <ChangeTable changes={changes} />}
    </Section>
  );
};

/** What was, and what is. */
export const ChangeTable = ({ changes }: { changes: CampaignChanges['changes'] }) => (
  <div className={classes.scroll}>
    <table className={`${classes.table} ${classes.changes}`} aria-label="Changes">
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Before</th>
          <th scope="col">Now</th>
        </tr>
      </thead>
      <tbody>
        {changes.map((change) => (
          <tr key={change.at}>
            <th scope="row">{placeWords(change.at)}</th>
            <td>{valueWords(change.before)}</td>
            <td>{valueWords(change.after)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

/** `/people/reach/email` as people read it. */
const placeWords = (at: string): string =>
  at
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join(' › ');

/** `count 600, per hour`; null where there is more inside. */
function flatWords(value: Value): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const parts = Object.entries(value);
  if (parts.some(([, part]) => typeof part === 'object')) return null;
  return parts.map(([name, part]) => `${name} ${String(part)}`).join(', ');
}

type Value = CampaignChanges['changes'][number]['before'];
function valueWords(value: Value): string {
  if (value === null) return '—';
  if (typeof value === 'number') return value.toLocaleString('en');
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object')) return value.join(', ');
  const text = typeof value === 'string' ? value : (flatWords(value) ?? JSON.stringify(value));
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}
