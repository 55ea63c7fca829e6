/** Home: what was sent in a period, how it went, per channel and over time; or how to send the first message. */
import { Group, SegmentedControl, Skeleton, Stack, Tooltip } from '@mantine/core';
import { channels, type Channel } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { api } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure } from '../../parts/PageStates.js';
import { statusLooks } from '../../words.js';
import type { Range } from '../deliveries/filters.js';
import { FirstMessage } from './FirstMessage.js';
import classes from './Home.module.css';
import { periods, type Period } from './period.js';
import {
  brief,
  groupNames,
  groups,
  percent,
  points,
  tally,
  whole,
  type Group as StatusGroup,
} from './tally.js';

const CountsChart = lazy(() => import('./CountsChart.js'));
const route = getRouteApi('/app/');

/** The period as the deliveries page words it; it has no 90 days. */
const rangeFor = (period: Period): Range | undefined => (period === '90d' ? undefined : period);

export const Home = () => {
  const { period = '24h', by = 'status' } = route.useSearch();
  const navigate = route.useNavigate();
  const { hours, interval, label } = periods[period];
  const counts = useQuery({
    queryKey: ['counts', period],
    queryFn: () =>
      api.deliveries.counts({
        from: new Date(Date.now() - hours * 3_600_000).toISOString(),
        to: new Date().toISOString(),
        interval,
      }),
    placeholderData: keepPreviousData,
    refetchInterval: 10_000,
  });
  const anything = useQuery({
    queryKey: ['deliveries', 'any'],
    queryFn: () => api.deliveries.list({ limit: 1 }).page(),
    enabled: counts.data?.totals.length === 0,
    refetchInterval: 5_000,
  });
  const sum = tally(counts.data?.totals ?? []);
  const neverSent = counts.data && sum.total === 0 && anything.data?.items.length === 0;

  return (
    <>
      <PageHeader
        title="Home"
        lead={neverSent ? undefined : `Deliveries accepted in the last ${label}.`}
        actions={
          !neverSent && (
            <SegmentedControl
              aria-label="Period"
              size="sm"
              value={period}
              onChange={(value) =>
                void navigate({ search: (search) => ({ ...search, period: value as Period }), replace: true })
              }
              data={Object.entries(periods).map(([value, item]) => ({ value, label: item.label }))}
            />
          )
        }
      />
      {counts.isError ? (
        <div className="card">
          <Failure error={counts.error} retry={() => void counts.refetch()} />
        </div>
      ) : neverSent ? (
        <FirstMessage />
      ) : (
        <Stack gap="lg">
          <Tiles sum={counts.data && sum} range={rangeFor(period)} />
          <Section
            title={interval === 'day' ? 'Over time, per day (UTC)' : 'Over time, per hour'}
            actions={
              <SegmentedControl
                aria-label="Colour by"
                size="xs"
                value={by}
                onChange={(value) =>
                  void navigate({
                    search: (search) => ({ ...search, by: value === 'channel' ? 'channel' : undefined }),
                    replace: true,
                  })
                }
                data={[
                  { value: 'status', label: 'By status' },
                  { value: 'channel', label: 'By channel' },
                ]}
              />
            }
          >
            {counts.data ? (
              <Suspense fallback={<Skeleton h={280} />}>
                <CountsChart points={points(counts.data, interval, by)} interval={interval} by={by} />
              </Suspense>
            ) : (
              <Skeleton h={280} />
            )}
          </Section>
          <Section title="By channel" pad={false}>
            <div className="rows">
              {channels.map((channel) => (
                <ChannelRow
                  key={channel}
                  channel={channel}
                  sum={counts.data && sum.byChannel[channel]}
                  range={rangeFor(period)}
                />
              ))}
            </div>
          </Section>
        </Stack>
      )}
    </>
  );
};

const tileGroups: { group: StatusGroup; statuses: string; help: string }[] = [
  { group: 'delivered', statuses: 'delivered', help: 'A receipt confirms that it arrived.' },
  { group: 'sent', statuses: 'sent', help: 'The provider took it; no receipt has come, or none ever comes.' },
  {
    group: 'pending',
    statuses: 'scheduled,queued,sending',
    help: 'Waiting for its time, due, or being sent now.',
  },
  {
    group: 'suppressed',
    statuses: 'suppressed',
    help: 'We decided not to send: consent, suppression, caps, no address.',
  },
  { group: 'failed', statuses: 'failed', help: 'It could not be sent, or it came back.' },
];
const Tiles = ({ sum, range }: { sum?: ReturnType<typeof tally>; range?: Range }) => (
  <div className={classes.tiles}>
    <Tile
      label="All deliveries"
      value={sum && sum.total}
      color="var(--mantine-color-text)"
      search={{ range }}
      note={sum && rest(sum)}
    />
    {tileGroups.map(({ group, statuses, help }) => {
      const Icon = statusLooks[group === 'pending' ? 'queued' : group === 'ended' ? 'cancelled' : group].icon;
      return (
        <Tile
          key={group}
          label={groups[group].label}
          icon={<Icon size={15} stroke={2} color={groups[group].color} aria-hidden />}
          value={sum?.byGroup[group]}
          note={sum && percent(sum.byGroup[group], sum.total)}
          help={help}
          search={{ status: statuses, range }}
          color={groups[group].color}
        />
      );
    })}
  </div>
);
const rest = (sum: ReturnType<typeof tally>): string => {
  const { unknown, ended } = sum.byGroup;
  const parts = [
    unknown && `${whole(unknown)} unknown`,
    ended && `${whole(ended)} cancelled or expired`,
  ].filter(Boolean);
  return parts.length ? `of these ${parts.join(', ')}` : 'on all channels';
};
interface TileProps {
  label: string;
  icon?: React.ReactNode;
  value?: number;
  note?: string;
  help?: string;
  color: string;
  search: { status?: string; range?: Range };
}
const Tile = ({ label, icon, value, note, help, search }: TileProps) => (
  <Tooltip label={help} disabled={!help} multiline maw={240}>
    <Link to="/deliveries" search={search} className={classes.tile}>
      <span className={classes.tileLabel}>
        {icon}
        {label}
      </span>
      {value === undefined ? (
        <Skeleton h={26} w={70} my={5} />
      ) : (
        <span className={`${classes.tileValue} numbers`} title={whole(value)}>
          {brief(value)}
        </span>
      )}
      <span className={classes.tileNote}>{note ?? ' '}</span>
    </Link>
  </Tooltip>
);

const ChannelRow = ({
  channel,
  sum,
  range,
}: {
  channel: Channel;
  sum?: ReturnType<typeof tally>['byChannel'][Channel];
  range?: Range;
}) => {
  const shown = groupNames.filter((name) => sum && sum.byGroup[name] > 0);
  const told = shown.map((name) => `${groups[name].label} ${whole(sum?.byGroup[name] ?? 0)}`).join(', ');
  return (
    <Link to="/deliveries" search={{ channel, range }} className={`row-link ${classes.channelRow}`}>
      <ChannelMark channel={channel} />
      {sum ? (
        <>
          <span className={`${classes.channelTotal} numbers`}>{whole(sum.total)}</span>
          <span className={classes.bar} role="img" aria-label={told || 'nothing sent'}>
            {shown.map((name) => (
              <Tooltip
                key={name}
                label={`${groups[name].label}: ${whole(sum.byGroup[name])} (${percent(sum.byGroup[name], sum.total)})`}
              >
                <span style={{ flexGrow: sum.byGroup[name], background: groups[name].color }} />
              </Tooltip>
            ))}
          </span>
          <Group gap={14} className={`${classes.channelNote} numbers`} wrap="nowrap">
            {sum.total === 0 ? (
              'nothing sent'
            ) : (
              <>
                <span>{percent(sum.byGroup.delivered + sum.byGroup.sent, sum.total)} sent</span>
                <span>{percent(sum.byGroup.failed, sum.total)} failed</span>
              </>
            )}
          </Group>
        </>
      ) : (
        <Skeleton h={10} style={{ gridColumn: '2 / -1' }} />
      )}
    </Link>
  );
};
