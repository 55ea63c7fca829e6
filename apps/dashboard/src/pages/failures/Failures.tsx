/** What failed, by cause: how often, since when, what the provider said, what to do; and sending it again. */
import { Button, Progress, SegmentedControl, Stack, Text } from '@mantine/core';
import type { FailureGroup, Redrive, RedriveFilter } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { IconMoodSmile, IconRepeat } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { ChannelMark, StatusBadge } from '../../parts/Badges.js';
import { ButtonLink } from '../../parts/links.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { reasonLabel, reasonSentence } from '../../words.js';
import { whole } from '../home/tally.js';
import classes from './Failures.module.css';
import { periods, type Period } from './period.js';
import { RedriveDialog } from './RedriveDialog.js';

const route = getRouteApi('/app/failures');
const REFRESH_MS = 10_000;

export const Failures = () => {
  const { period = '24h' } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useCan('messages:write');
  const [asked, setAsked] = useState<{ filter: RedriveFilter; title: string }>();
  const failures = useQuery({
    queryKey: ['failures', period],
    queryFn: () => api.failures.list({ from: new Date(Date.now() - periods[period].hours * 3_600_000) }),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
  const found = failures.data;
  return (
    <>
      <PageHeader
        title="Failures"
        lead="What failed, expired or is unknown, grouped by what the providers said."
        actions={
          <SegmentedControl
            aria-label="Period"
            size="sm"
            value={period}
            onChange={(value) => void navigate({ search: { period: value as Period }, replace: true })}
            data={Object.entries(periods).map(([value, { label }]) => ({ value, label }))}
          />
        }
      />
      <Stack gap="lg">
        {found?.truncated && (
          <Notice tone="warning" title={`More than ${whole(found.total)} failures`}>
            Only the newest are counted here. Choose a shorter period to see all of it.
          </Notice>
        )}
        <div className="card" style={{ overflow: 'hidden' }}>
          {failures.isError && !found ? (
            <Failure error={failures.error} retry={() => void failures.refetch()} />
          ) : !found ? (
            <RowsPending rows={5} />
          ) : found.groups.length === 0 ? (
            <Empty icon={IconMoodSmile} title="Nothing failed">
              No delivery of the last {periods[period].label} failed, expired or is unknown.
            </Empty>
          ) : (
            <div className="rows" role="list" aria-label="Causes">
              {found.groups.map((group) => (
                <Cause
                  key={group.cause}
                  group={group}
                  from={found.from}
                  again={
                    mayWrite && group.status !== 'expired'
                      ? () =>
                          setAsked({
                            filter: {
                              cause: group.cause,
                              status: [group.status === 'unknown' ? 'unknown' : 'failed'],
                              from: found.from,
                            },
                            title: reasonLabel(group.reason),
                          })
                      : undefined
                  }
                />
              ))}
            </div>
          )}
        </div>
        <Redrives />
      </Stack>
      {asked && (
        <RedriveDialog filter={asked.filter} title={asked.title} onClose={() => setAsked(undefined)} />
      )}
    </>
  );
};

const Cause = ({
  group,
  from,
  again,
}: {
  group: FailureGroup;
  from: string;
  again: (() => void) | undefined;
}) => {
  const said = [group.code, group.words].filter(Boolean).join(' ');
  return (
    <div role="listitem" className={classes.group}>
      <div>
        <div className={classes.count}>{whole(group.count)}</div>
        <StatusBadge status={group.status} />
      </div>
      <Stack gap={4} style={{ minWidth: 0 }}>
        <Text fw={550}>{reasonSentence(group.reason)}</Text>
        {said && <div className={classes.words}>{said}</div>}
        <Text size="sm">{group.advice}</Text>
        <div className={classes.facts}>
          {group.channels.map((channel) => (
            <ChannelMark key={channel} channel={channel} />
          ))}
          {group.provider && <span>{group.provider}</span>}
          <span>
            last <When at={group.lastAt} />
          </span>
          <span>
            first <When at={group.firstAt} />
          </span>
        </div>
      </Stack>
      <div className={classes.actions}>
        <ButtonLink
          to="/deliveries"
          search={{ status: group.status, reason: group.reason, channel: group.channels.join(','), from }}
          variant="default"
          size="xs"
        >
          Show them
        </ButtonLink>
        {again && (
          <Button size="xs" leftSection={<IconRepeat size={14} />} onClick={again}>
            Send again
          </Button>
        )}
      </div>
    </div>
  );
};

const stateWords: Record<Redrive['state'], string> = {
  preview: 'Preview',
  running: 'Running',
  done: 'Done',
  cancelled: 'Cancelled',
};
/** What was asked to be sent again, and how far it is. */
const Redrives = () => {
  const mayWrite = useCan('messages:write');
  const queryClient = useQueryClient();
  const redrives = useQuery({
    queryKey: ['redrives'],
    queryFn: () => api.redrives.list(),
    refetchInterval: ({ state }) => (state.data?.some((r) => r.state === 'running') ? 1_000 : REFRESH_MS),
  });
  const cancel = useMutation({
    mutationFn: (id: string) => api.redrives.cancel(id),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: ['redrives'] }),
  });
  if (redrives.isError && !redrives.data)
    return (
      <Section title="Sent again">
        <Failure small error={redrives.error} retry={() => void redrives.refetch()} />
      </Section>
    );
  if (!redrives.data?.length) return null;
  return (
    <Section title="Sent again" pad={false}>
      <div className="rows">
        {redrives.data.map((it) => (
          <div key={it.id} className={classes.group}>
            <div>
              <div className={classes.count}>{whole(it.redriven)}</div>
              <Text size="xs" c="dimmed">
                of {whole(it.preview.total)}
              </Text>
            </div>
            <Stack gap={6} style={{ minWidth: 0 }}>
              <Text fw={550}>
                {stateWords[it.state]}
                {it.preview.byCause[0] &&
                  `: ${it.preview.byCause
                    .slice(0, 3)
                    .map(({ reason }) => reasonLabel(reason).toLowerCase())
                    .join(', ')}`}
              </Text>
              {it.state === 'running' && (
                <Progress value={(it.done / Math.max(1, it.preview.total)) * 100} aria-label="Progress" />
              )}
              <div className={classes.facts}>
                <span>{it.requestedBy}</span>
                <When at={it.startedAt} />
                {it.skipped > 0 && <span>{whole(it.skipped)} had changed and were left alone</span>}
                {it.includeUnknown && <span>with possible duplicates</span>}
              </div>
            </Stack>
            <div className={classes.actions}>
              {it.state === 'running' && mayWrite && (
                <Button
                  variant="default"
                  size="xs"
                  loading={cancel.isPending}
                  onClick={() => cancel.mutate(it.id)}
                >
                  Stop
                </Button>
              )}
            </div>
          </div>
        ))}
      </div>
    </Section>
  );
};
