/** Lanes: what waits where, since when, how fast it goes, and the runs that share the bulk lane. */
import { Button, Stack, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { lanes as laneNames, type Lane, type LaneState } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { IconRefreshDot, IconRoad } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { ChannelMark, Pill } from '../../parts/Badges.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { TextLink } from '../../parts/links.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { useNow } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { relative, span } from '../../time.js';
import { channelLooks } from '../../words.js';
import { brief, whole } from '../home/tally.js';
import classes from './Lanes.module.css';
import { laneLooks, paceLooks } from './looks.js';
import { paceOf, sumOf, type LaneSum } from './pace.js';
import { Runs } from './Runs.js';

const REFRESH_MS = 3_000;

export const Lanes = () => {
  const mayWrite = useCan('messages:write');
  const [asked, setAsked] = useState(false);
  const now = useNow();
  const lanes = useQuery({
    queryKey: ['lanes'],
    queryFn: () => api.lanes.list(),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const found = lanes.data;
  const rows = laneNames.flatMap((lane) => found?.filter((one) => one.lane === lane) ?? []);
  return (
    <>
      <PageHeader
        title="Lanes"
        lead="What waits to be sent, since when, and how fast it goes. Lanes never wait for each other."
        actions={
          mayWrite && (
            <Button
              variant="default"
              leftSection={<IconRefreshDot size={15} />}
              disabled={!found}
              onClick={() => setAsked(true)}
            >
              Rebuild queues
            </Button>
          )
        }
      />
      {!found ? (
        <div className="card">
          {lanes.isError ? (
            <Failure error={lanes.error} retry={() => void lanes.refetch()} />
          ) : (
            <RowsPending rows={6} />
          )}
        </div>
      ) : (
        <Stack gap="lg">
          {lanes.isError && (
            <Notice tone="warning" title="These figures are not up to date" alert>
              {messageOf(lanes.error)}
            </Notice>
          )}
          {rows
            .filter((row) => paceOf(row, now) === 'stalled')
            .map((row) => (
              <Stalled key={`${row.channel} ${row.lane}`} lane={row} />
            ))}
          <div className={classes.tiles}>
            {laneNames.map((lane) => (
              <LaneTile
                key={lane}
                lane={lane}
                now={now}
                sum={sumOf(
                  rows.filter((row) => row.lane === lane),
                  now,
                )}
              />
            ))}
          </div>
          {rows.length === 0 ? (
            <div className="card">
              <Empty icon={IconRoad} title="Nothing waits">
                Every message has left, and none is planned for later. What you send next shows here until its
                provider has it.
              </Empty>
            </div>
          ) : (
            <Section title="By channel" pad={false}>
              <Channels rows={rows} now={now} />
            </Section>
          )}
          <Runs lanes={rows.filter((row) => row.runs.length > 0)} />
        </Stack>
      )}
      {found && <Rebuild opened={asked} onClose={() => setAsked(false)} lanes={found} />}
    </>
  );
};

const Stalled = ({ lane }: { lane: LaneState }) => (
  <Notice
    tone="bad"
    title={`${channelLooks[lane.channel].label}, ${laneLooks[lane.lane].label.toLowerCase()}: nothing has left for a minute`}
  >
    {whole(lane.queued)} {lane.queued === 1 ? 'waits' : 'wait'}. Look at{' '}
    <TextLink to="/channels" inherit>
      channel health
    </TextLink>{' '}
    first: an account may be paused or held. With all accounts well, no dispatcher for this channel is
    running.
  </Notice>
);

const LaneTile = ({ lane, sum, now }: { lane: Lane; sum: LaneSum; now: Date }) => {
  const { label, icon: LaneIcon, means } = laneLooks[lane];
  return (
    <section className={`card ${classes.tile}`} aria-label={label}>
      <div className={classes.tileHead}>
        <LaneIcon size={16} stroke={1.7} aria-hidden color="var(--ink-soft)" />
        <Title order={2} size="h3">
          {label}
        </Title>
        <span className={classes.push}>
          <Pill {...paceLooks[sum.pace]} />
        </span>
      </div>
      <div className={classes.figure}>
        <span className={`${classes.big} numbers`} title={whole(sum.queued)}>
          {brief(sum.queued)}
        </span>
        <span className={classes.soft}>waiting</span>
      </div>
      <div className={`${classes.facts} numbers`}>
        {sum.queued + sum.sending + sum.perMinute === 0 ? (
          <span>{means}</span>
        ) : (
          <>
            {sum.oldestWaitSeconds !== null && <span>oldest {waited(sum.oldestWaitSeconds)}</span>}
            <span>{whole(sum.sending)} in flight</span>
            <span>{whole(sum.perMinute)} a minute</span>
            {sum.emptyAt && <span>empty {until(sum.emptyAt, now)}</span>}
          </>
        )}
      </div>
    </section>
  );
};

/** Under a second a wait is the way things go. */
const waited = (seconds: number): string => (seconds < 1 ? 'now' : span(seconds * 1000));

/** An estimate: seconds would tell more than is known. */
const until = (at: string, now: Date): string =>
  Date.parse(at) - now.getTime() < 60_000 ? 'within a minute' : relative(at, now);

const columns = ['Waiting', 'Oldest', 'In flight', 'Per minute', 'Empty', 'Later'] as const;
const Channels = ({ rows, now }: { rows: readonly LaneState[]; now: Date }) => (
  <div className={classes.table} role="table" aria-label="Lanes by channel">
    <div role="row" className={classes.headRow}>
      {['Lane', 'Channel', ...columns].map((name) => (
        <span key={name} role="columnheader">
          {name}
        </span>
      ))}
    </div>
    {rows.map((row, index) => {
      const pace = paceOf(row, now);
      const cells = {
        Waiting: whole(row.queued),
        Oldest: row.oldestWaitSeconds === null ? '—' : waited(row.oldestWaitSeconds),
        'In flight': whole(row.sending),
        'Per minute': whole(row.perMinute),
        Empty: row.emptyAt ? until(row.emptyAt, now) : '—',
        Later: whole(row.scheduled),
      };
      return (
        <div role="row" key={`${row.channel} ${row.lane}`} className={classes.row}>
          <span
            role="cell"
            className={classes.laneCell}
            data-again={rows[index - 1]?.lane === row.lane || undefined}
          >
            {laneLooks[row.lane].label}
          </span>
          <span role="cell" className={classes.channelCell}>
            <ChannelMark channel={row.channel} />
            {(pace === 'behind' || pace === 'stalled') && <Pill {...paceLooks[pace]} />}
          </span>
          {columns.map((name) => (
            <span
              key={name}
              role="cell"
              className={`${classes.number} numbers`}
              data-label={name}
              data-quiet={cells[name] === '0' || cells[name] === '—' || undefined}
            >
              {cells[name]}
            </span>
          ))}
        </div>
      );
    })}
  </div>
);

const Rebuild = ({
  opened,
  onClose,
  lanes,
}: {
  opened: boolean;
  onClose: () => void;
  lanes: readonly LaneState[];
}) => {
  const queryClient = useQueryClient();
  const rebuild = useMutation({
    mutationFn: () => api.lanes.rebuild(),
    onSuccess: ({ deliveries, pages }) => {
      notifications.show({
        message:
          deliveries + pages === 0
            ? 'Nothing was waiting to be offered: the queues hold all there is.'
            : `Offered again: ${count(deliveries, 'delivery', 'deliveries')}${pages ? ` and ${count(pages, 'page', 'pages')} of runs` : ''}.`,
      });
      return queryClient.invalidateQueries({ queryKey: ['lanes'] });
    },
  });
  const runs = lanes.flatMap((lane) => lane.runs).filter((run) => run.state === 'running');
  const queued = lanes.reduce((sum, lane) => sum + lane.queued, 0);
  const deliveries = queued - runs.reduce((sum, run) => sum + run.pending, 0);
  return (
    <Confirm
      opened={opened}
      onClose={onClose}
      title="Rebuild the queues?"
      action="Rebuild queues"
      harmless
      onConfirm={() => rebuild.mutateAsync()}
    >
      <Stack gap="sm">
        <span>
          Everything of this workspace that waits for a worker is offered to the dispatchers again, at once:
          now{' '}
          <Text span inherit c="var(--mantine-color-text)" fw={550}>
            {count(deliveries, 'delivery', 'deliveries')}
          </Text>{' '}
          and the pages of{' '}
          <Text span inherit c="var(--mantine-color-text)" fw={550}>
            {count(runs.length, 'run', 'runs')}
          </Text>
          .
        </span>
        <span>
          It is meant for queues that were lost, such as a Redis that was emptied. Without it the clock does
          the same within half a minute. Nothing is sent twice: what a dispatcher holds is left to it.
        </span>
      </Stack>
    </Confirm>
  );
};
const count = (n: number, one: string, many: string): string => `${whole(n)} ${n === 1 ? one : many}`;
