/** What a person did, what they were sent and what became of it, and what changed about them: one stream, newest first. */
import { Button, Chip, Group, Text } from '@mantine/core';
import type { TimelineEntry, TimelineKind } from '@carillon/contracts';
import { useInfiniteQuery } from '@tanstack/react-query';
import {
  IconActivity,
  IconBellCheck,
  IconBellOff,
  IconHistory,
  IconHourglass,
  IconUserPlus,
  IconUsersMinus,
  IconUsersPlus,
  IconArrowMerge,
} from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { api } from '../../api.js';
import { Pill, StatusBadge } from '../../parts/Badges.js';
import { JsonFacts } from '../../parts/Facts.js';
import { Line, LineBox, Lines } from '../../parts/Lines.js';
import { TextLink } from '../../parts/links.js';
import { Section } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useLive } from '../../parts/useLive.js';
import { useCan } from '../../session.js';
import { channelLooks, eventLooks, sentenceCase } from '../../words.js';
import classes from './History.module.css';

const filters: [label: string, kinds: TimelineKind[] | undefined][] = [
  ['Everything', undefined],
  ['Messages', ['message']],
  ['Events', ['event']],
  ['Changes', ['membership', 'consent', 'profile']],
];

export const History = ({ externalId }: { externalId: string }) => {
  const allowed = useCan('events:read');
  const live = useCan('deliveries:read');
  const [shown, setShown] = useState('Everything');
  const kind = filters.find(([label]) => label === shown)?.[1];
  const key = ['timeline', externalId];
  const pages = useInfiniteQuery({
    queryKey: [...key, shown],
    queryFn: ({ pageParam }) =>
      api.profiles
        .timeline(externalId, {
          limit: 20,
          ...(kind ? { kind } : {}),
          ...(pageParam ? { cursor: pageParam } : {}),
        })
        .page(),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextCursor,
    enabled: allowed,
  });
  useLive(
    useMemo(() => ({ profile: externalId }), [externalId]),
    key,
    allowed && live,
  );
  if (!allowed) return null;
  const entries = pages.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <Section
      title="History"
      actions={
        live && (
          <TextLink to="/deliveries" search={{ profile: externalId }} size="sm">
            In the delivery log
          </TextLink>
        )
      }
    >
      <Chip.Group value={shown} onChange={(value) => setShown(String(value))}>
        <Group gap={6} mb="md" role="group" aria-label="What is shown">
          {filters.map(([label]) => (
            <Chip key={label} value={label} size="xs">
              {label}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
      {pages.data ? (
        entries.length ? (
          <Lines label="History">
            {entries.map((entry) => (
              <Entry key={`${entry.kind} ${entry.id}`} entry={entry} />
            ))}
          </Lines>
        ) : (
          <Empty
            icon={IconHistory}
            title={shown === 'Everything' ? 'Nothing has happened yet' : 'Nothing of this kind'}
          >
            {shown === 'Events' &&
              'Events come from your systems: POST /v1/events, or events.track in the SDK.'}
          </Empty>
        )
      ) : pages.isError ? (
        <Failure small error={pages.error} retry={() => void pages.refetch()} />
      ) : (
        <RowsPending rows={4} />
      )}
      {pages.hasNextPage && (
        <Group justify="center" mt="md">
          <Button
            variant="default"
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            Show older
          </Button>
        </Group>
      )}
    </Section>
  );
};

const soft = 'var(--ink-soft)';
const Entry = ({ entry }: { entry: TimelineEntry }) => {
  switch (entry.kind) {
    case 'event':
      return (
        <Line
          icon={IconActivity}
          color="var(--mantine-primary-color-filled)"
          title={<b>{entry.name}</b>}
          aside={<When at={entry.at} />}
        >
          {Object.keys(entry.properties).length > 0 && (
            <LineBox>
              <JsonFacts value={entry.properties} />
            </LineBox>
          )}
        </Line>
      );
    case 'message': {
      const { label, icon, color } = channelLooks[entry.channel];
      return (
        <Line
          icon={icon}
          color={color}
          aside={<When at={entry.at} />}
          title={
            <TextLink to="/deliveries/$id" params={{ id: entry.id }} c="inherit">
              <b>{label}</b> {entry.template ?? sentenceCase(entry.class)}
            </TextLink>
          }
        >
          <div className={classes.outcomes}>
            <StatusBadge status={entry.status} />
            {entry.outcomes
              .filter(({ type }) => type !== entry.status && type !== 'sent')
              .map(({ type, at }, i) => (
                <Pill
                  key={`${at} ${i}`}
                  icon={eventLooks[type].icon}
                  label={eventLooks[type].label}
                  color={eventLooks[type].color}
                />
              ))}
          </div>
        </Line>
      );
    }
    case 'membership':
      return (
        <Line
          icon={entry.change === 'enter' ? IconUsersPlus : IconUsersMinus}
          color={soft}
          aside={<When at={entry.at} />}
          title={
            <>
              {entry.change === 'enter' ? 'Entered' : 'Left'} <b>{entry.audience.name}</b>
            </>
          }
        />
      );
    case 'consent': {
      const looks = {
        in: ['Agreed to', IconBellCheck, 'var(--status-delivered)'],
        out: ['Opted out of', IconBellOff, 'var(--status-suppressed)'],
        pending: ['Is asked to confirm', IconHourglass, 'var(--status-pending)'],
      } as const;
      const [verb, icon, color] = looks[entry.word];
      return (
        <Line
          icon={icon}
          color={color}
          aside={<When at={entry.at} />}
          title={
            <>
              {verb} <b>{entry.topic || 'everything'}</b> by {entry.channel === 'sms' ? 'SMS' : entry.channel}
            </>
          }
        >
          <Text size="xs" c="dimmed">
            {entry.about === 'address' ? 'About the address' : 'About the person'}, from {entry.source}
          </Text>
        </Line>
      );
    }
    case 'profile':
      return (
        <Line
          icon={entry.change === 'created' ? IconUserPlus : IconArrowMerge}
          color={soft}
          aside={<When at={entry.at} />}
          title={
            entry.change === 'created' ? (
              'The profile was created'
            ) : (
              <>
                <b>{entry.mergedExternalId}</b> became part of this profile
              </>
            )
          }
        />
      );
  }
};
