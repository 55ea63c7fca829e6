/** How many a rule holds for, how they can be reached, and some of them: counted again a moment after the last change. */
import { Loader, Stack, Text } from '@mantine/core';
import type { AudienceDefinition } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, ApiProblem } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { messageOf } from '../../parts/Confirm.js';
import { TextLink } from '../../parts/links.js';
import { Section } from '../../parts/PageHeader.js';
import classes from './Audiences.module.css';

const parts = [
  { key: 'reachable', label: 'can get it', color: 'var(--status-delivered)' },
  { key: 'optedOut', label: 'opted out', color: 'var(--status-suppressed)' },
  { key: 'suppressed', label: 'suppressed', color: 'var(--status-failed)' },
  { key: 'noAddress', label: 'no address', color: 'var(--status-ended)' },
] as const;
const n = (value: number): string => value.toLocaleString('en');

export const PreviewPanel = ({ definition }: { definition: AudienceDefinition | undefined }) => {
  const preview = useQuery({
    queryKey: ['audiences', 'preview', definition],
    queryFn: () => api.audiences.preview(definition as never),
    enabled: definition !== undefined,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const faults = preview.error instanceof ApiProblem ? preview.error.errors : [];
  return (
    <Section
      title="Preview"
      actions={preview.isFetching ? <Loader size="xs" aria-label="Counting" /> : undefined}
    >
      {definition === undefined ? (
        <Text c="dimmed" size="sm">
          Finish the conditions to see how many people they hold for.
        </Text>
      ) : preview.isError ? (
        <Stack gap={4} role="alert">
          <Text size="sm" c="var(--status-failed)">
            {messageOf(preview.error)}
          </Text>
          {faults.slice(1).map((fault) => (
            <Text key={fault.pointer} size="xs" c="dimmed">
              {fault.message}
            </Text>
          ))}
        </Stack>
      ) : !preview.data ? (
        <Text c="dimmed" size="sm">
          Counting …
        </Text>
      ) : (
        <Stack gap="md" style={{ opacity: preview.isPlaceholderData ? 0.5 : 1 }}>
          <div>
            <div className={classes.number}>{n(preview.data.total)}</div>
            <Text size="xs" c="dimmed">
              {preview.data.total === 1 ? 'person' : 'people'}, counted in {preview.data.ms} ms
            </Text>
          </div>
          <div className={classes.reach}>
            {preview.data.reach.map((reach) => (
              <Reach key={reach.channel} reach={reach} total={preview.data.total} />
            ))}
          </div>
          {preview.data.sample.length > 0 && (
            <div>
              <Text size="xs" c="dimmed" mb={4}>
                Among them
              </Text>
              {preview.data.sample.map((one) => (
                <Text key={one.id} size="sm" className="clip">
                  <TextLink to="/profiles/$externalId" params={{ externalId: one.externalId }} size="sm">
                    {one.externalId}
                  </TextLink>{' '}
                  <Text span size="xs" c="dimmed">
                    {one.email ?? one.phone ?? ''}
                  </Text>
                </Text>
              ))}
            </div>
          )}
        </Stack>
      )}
    </Section>
  );
};

const Reach = ({
  reach,
  total,
}: {
  reach: { channel: 'email' | 'sms' | 'push' | 'in-app' } & Record<(typeof parts)[number]['key'], number>;
  total: number;
}) => {
  const told = parts.filter(({ key }) => reach[key] > 0).map(({ key, label }) => `${n(reach[key])} ${label}`);
  return (
    <>
      <ChannelMark channel={reach.channel} />
      <span className={classes.bar} role="img" aria-label={told.join(', ')} title={told.join(', ')}>
        {parts.map(({ key, color }) => (
          <span
            key={key}
            style={{ width: `${total ? (reach[key] / total) * 100 : 0}%`, background: color }}
          />
        ))}
      </span>
      <Text span size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {n(reach.reachable)}
      </Text>
      <Text size="xs" c="dimmed" style={{ gridColumn: '2 / -1' }} mb={4}>
        {told.slice(reach.reachable > 0 ? 1 : 0).join(' · ') || 'all can get it'}
      </Text>
    </>
  );
};
