/** Who is inside a journey or was: at one step, or all of them; and how one of them went. */
import { ActionIcon, Button, Group, Menu, Select, Skeleton, Stack, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { Enrollment, EnrollmentState, Journey } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { IconAlertTriangle, IconCheck, IconDots, IconRoute, IconX } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { JsonFacts } from '../../parts/Facts.js';
import { TextLink } from '../../parts/links.js';
import { Failure } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { sentenceCase } from '../../words.js';
import { More } from '../../parts/More.js';
import classes from './Journeys.module.css';
import { wayLabel } from './looks.js';

const stateWords: Record<EnrollmentState, string> = {
  inside: 'Inside',
  held: 'Held',
  parked: 'Parked',
  ended: 'Left',
};

/** Where somebody is, or how they left. */
const Whereabouts = ({ one }: { one: Enrollment }) =>
  one.state === 'ended' ? (
    <>
      left <When at={one.endedAt} />: {one.outcome}
    </>
  ) : (
    <>
      {one.step ?? 'before the first step'}, since <When at={one.since} />
      {one.dueAt && (
        <>
          , next <When at={one.dueAt} />
        </>
      )}
    </>
  );

const done = {
  end: 'They have left.',
  retry: 'The step is tried again.',
  skip: 'They go on after the step.',
} as const;

interface RowsProps {
  journey: Journey;
  query: { step?: string; state?: EnrollmentState; version?: number; profile?: string };
  /** Shows the way of one of them. */
  onFollow: (id: string) => void;
  followed: string | null;
  nobody: string;
}
export const PeopleRows = ({ journey, query, onFollow, followed, nobody }: RowsProps) => {
  const mayWrite = useCan('journeys:write');
  const queryClient = useQueryClient();
  const [limit, setLimit] = useState(20);
  const people = useQuery({
    queryKey: ['journeys', 'people', journey.key, query, limit],
    queryFn: () => api.journeys.enrollments(journey.key, { ...query, limit }).page(),
    placeholderData: keepPreviousData,
    refetchInterval: journey.state === 'live' ? 5000 : false,
  });
  const act = useMutation({
    mutationFn: ({ id, what }: { id: string; what: keyof typeof done }) =>
      api.journeys[what](journey.key, id),
    onSuccess: async (_, { what }) => {
      notifications.show({ message: done[what] });
      await queryClient.invalidateQueries({ queryKey: ['journeys', 'people', journey.key] });
      await queryClient.invalidateQueries({ queryKey: ['journeys', 'numbers', journey.key] });
    },
  });
  if (people.isError && !people.data)
    return <Failure small error={people.error} retry={() => void people.refetch()} />;
  if (!people.data) return <Skeleton h={90} />;
  if (people.data.items.length === 0)
    return (
      <Text size="sm" c="dimmed">
        {nobody}
      </Text>
    );
  return (
    <div>
      {act.error && (
        <Text role="alert" size="sm" c="var(--status-failed)">
          {messageOf(act.error)}
        </Text>
      )}
      <div className="rows" role="list" aria-label="People">
        {people.data.items.map((one) => (
          <div
            key={one.id}
            role="listitem"
            className={classes.person}
            data-followed={followed === one.id || undefined}
          >
            <div style={{ minWidth: 0, flex: 1 }}>
              <Group gap={6} wrap="nowrap">
                <TextLink
                  to="/profiles/$externalId"
                  params={{ externalId: one.profile.externalId }}
                  size="sm"
                  fw={500}
                  className="clip"
                >
                  {one.profile.externalId}
                </TextLink>
                {one.key && (
                  <Text size="xs" c="dimmed" className="mono clip">
                    {one.key}
                  </Text>
                )}
                {one.state === 'parked' && (
                  <Text size="xs" c="var(--status-failed)" fw={500}>
                    <IconAlertTriangle size={12} aria-hidden style={{ verticalAlign: -1 }} /> Parked
                  </Text>
                )}
                {one.state === 'held' && (
                  <Text size="xs" c="dimmed" fw={500}>
                    Held
                  </Text>
                )}
              </Group>
              <Text size="xs" c="dimmed">
                <Whereabouts one={one} />
              </Text>
              {one.reason && (
                <Text
                  size="xs"
                  c={one.state === 'parked' ? 'var(--status-failed)' : 'dimmed'}
                  className="break"
                >
                  {one.reason}
                </Text>
              )}
            </div>
            <ActionIcon
              variant={followed === one.id ? 'filled' : 'subtle'}
              color={followed === one.id ? undefined : 'gray'}
              aria-label={`Show the way of ${one.profile.externalId}`}
              aria-pressed={followed === one.id}
              title="Show their way"
              onClick={() => onFollow(one.id)}
            >
              <IconRoute size={16} />
            </ActionIcon>
            {mayWrite && one.state !== 'ended' && (
              <Menu position="bottom-end" shadow="md">
                <Menu.Target>
                  <ActionIcon variant="subtle" color="gray" aria-label={`More for ${one.profile.externalId}`}>
                    <IconDots size={16} />
                  </ActionIcon>
                </Menu.Target>
                <Menu.Dropdown>
                  {one.state === 'parked' && (
                    <>
                      <Menu.Item onClick={() => act.mutate({ id: one.id, what: 'retry' })}>
                        Try the step again
                      </Menu.Item>
                      <Menu.Item onClick={() => act.mutate({ id: one.id, what: 'skip' })}>
                        Leave the step out
                      </Menu.Item>
                    </>
                  )}
                  <Menu.Item
                    color="var(--status-failed)"
                    onClick={() => act.mutate({ id: one.id, what: 'end' })}
                  >
                    Have them leave
                  </Menu.Item>
                </Menu.Dropdown>
              </Menu>
            )}
          </div>
        ))}
      </div>
      {people.data.nextCursor && limit < 200 && (
        <More loading={people.isFetching} onClick={() => setLimit(limit * 2)} />
      )}
    </div>
  );
};

/** One of them, step by step. */
export const useWay = (journey: Journey, id: string | null) =>
  useQuery({
    queryKey: ['journeys', 'way', journey.key, id],
    queryFn: () => api.journeys.enrollment(journey.key, id ?? ''),
    enabled: id !== null,
    refetchInterval: journey.state === 'live' ? 3000 : false,
  });
export const WayOfOne = ({ journey, id }: { journey: Journey; id: string }) => {
  const way = useWay(journey, id);
  if (way.isError && !way.data) return <Failure small error={way.error} retry={() => void way.refetch()} />;
  if (!way.data) return <Skeleton h={120} />;
  const { enrollment: one, lines } = way.data;
  return (
    <Stack gap="sm">
      <Text size="sm">
        <TextLink to="/profiles/$externalId" params={{ externalId: one.profile.externalId }} fw={500}>
          {one.profile.externalId}
        </TextLink>{' '}
        entered <When at={one.enteredAt} show="both" />, version {one.version}. {stateWords[one.state]}:{' '}
        <Whereabouts one={one} />.
      </Text>
      {one.reason && (
        <Text size="sm" c={one.state === 'parked' ? 'var(--status-failed)' : 'dimmed'}>
          {one.reason}
        </Text>
      )}
      <ol className={classes.way} aria-label="Step by step">
        {lines.map((line) => (
          <li key={line.no}>
            <Group justify="space-between" wrap="nowrap" gap="xs">
              <Text size="sm" fw={500} className="clip">
                {line.step}
              </Text>
              <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
                <When at={line.at} />
              </Text>
            </Group>
            <Text size="xs" c="dimmed">
              {wayLabel(line.way) ? `${sentenceCase(line.way)} → ` : '→ '}
              {line.next ?? 'the end'}
            </Text>
            {Object.keys(line.detail).length > 0 && <JsonFacts value={line.detail} />}
          </li>
        ))}
        {lines.length === 0 && (
          <Text size="sm" c="dimmed">
            No step has been left yet.
          </Text>
        )}
      </ol>
      {Object.keys(one.data).length > 0 && (
        <details>
          <summary className={classes.summary}>Data</summary>
          <JsonFacts value={one.data} />
        </details>
      )}
    </Stack>
  );
};

/** What hinders somebody from entering, as far as it is on record. */
const Why = ({ journey, profile }: { journey: Journey; profile: string }) => {
  const told = useQuery({
    queryKey: ['journeys', 'why', journey.key, journey.state, journey.version, profile],
    queryFn: () => api.journeys.explain(journey.key, { profile }),
  });
  if (told.isError) return <Failure small error={told.error} retry={() => void told.refetch()} />;
  if (!told.data) return <Skeleton h={120} />;
  return (
    <Stack gap="sm">
      <Text fw={600} component="h2">
        Why did nothing happen to {profile}?
      </Text>
      <Text size="sm" className="break">
        {told.data.verdict} {told.data.next} {told.data.nextAt && <When at={told.data.nextAt} show="both" />}
      </Text>
      <ul className={classes.changes} aria-label="What is so">
        {told.data.because.map(({ good, sentence, at }, n) => (
          <li key={n} className={classes.finding}>
            {good ? (
              <IconCheck size={15} color="var(--status-delivered)" aria-label="No hindrance" />
            ) : (
              <IconX size={15} color="var(--status-failed)" aria-label="Hinders" />
            )}
            <Text size="sm" className="break">
              {sentence} {at && <When at={at} show="both" />}
            </Text>
          </li>
        ))}
      </ul>
    </Stack>
  );
};

/** What happened to people of the workspace and could not be taken; nothing where there is nothing. */
const SetAside = () => {
  const mayWrite = useCan('journeys:write');
  const queryClient = useQueryClient();
  const queryKey = ['journeys', 'parked'];
  const parked = useQuery({ queryKey, queryFn: () => api.journeys.parked({ limit: 20 }).page() });
  const act = useMutation({
    mutationFn: ({ id, what }: { id: string; what: 'retrySignal' | 'skipSignal' }) => api.journeys[what](id),
    onSuccess: () => queryClient.invalidateQueries({ queryKey }),
  });
  if (!parked.data || parked.data.items.length === 0) return null;
  return (
    <Stack gap={6}>
      <Text size="sm" fw={600} component="h2">
        Could not be taken
      </Text>
      <Text size="xs" c="dimmed">
        It happened to people, and failed again and again when journeys were told. It is kept until you
        decide.
      </Text>
      {act.error && (
        <Text role="alert" size="sm" c="var(--status-failed)">
          {messageOf(act.error)}
        </Text>
      )}
      <div className="rows" role="list" aria-label="Could not be taken">
        {parked.data.items.map(({ id, profile, kind, name, reason, at }) => (
          <div key={id} role="listitem" className={classes.person}>
            <div style={{ minWidth: 0, flex: 1 }}>
              <Text size="sm" className="break">
                {profile.externalId}: {name || kind} <When at={at} />
              </Text>
              <Text size="xs" c="var(--status-failed)" className="break">
                {reason}
              </Text>
            </div>
            {mayWrite && (
              <Group gap={4} wrap="nowrap">
                <Button
                  size="compact-xs"
                  variant="default"
                  onClick={() => act.mutate({ id, what: 'retrySignal' })}
                >
                  Try again
                </Button>
                <Button
                  size="compact-xs"
                  variant="subtle"
                  color="gray"
                  onClick={() => act.mutate({ id, what: 'skipSignal' })}
                >
                  Leave out
                </Button>
              </Group>
            )}
          </div>
        ))}
      </div>
    </Stack>
  );
};

/** All of them, found by state and person. */
export const PeoplePage = ({
  journey,
  onFollow,
  followed,
}: {
  journey: Journey;
  onFollow: (id: string | null) => void;
  followed: string | null;
}) => {
  const [state, setState] = useState<EnrollmentState | ''>('');
  const [typed, setTyped] = useState('');
  const [profile, setProfile] = useState('');
  return (
    <div className={classes.columns}>
      <Stack gap="sm" p="md">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setProfile(typed.trim());
          }}
        >
          <Group gap="sm" align="flex-end">
            <TextInput
              label="External id"
              placeholder="Everybody"
              value={typed}
              onChange={(event) => {
                setTyped(event.currentTarget.value);
                if (event.currentTarget.value === '') setProfile('');
              }}
            />
            <Select
              label="State"
              w={140}
              data={[
                { value: '', label: 'Any' },
                ...(Object.keys(stateWords) as EnrollmentState[]).map((value) => ({
                  value,
                  label: stateWords[value],
                })),
              ]}
              value={state}
              onChange={(value) => setState((value ?? '') as EnrollmentState)}
            />
            <Button type="submit" variant="default">
              Find
            </Button>
          </Group>
        </form>
        <PeopleRows
          journey={journey}
          query={{ ...(state && { state }), ...(profile && { profile }) }}
          followed={followed}
          onFollow={(id) => onFollow(followed === id ? null : id)}
          nobody={
            profile
              ? `${profile} has never been inside${state ? ' in this state' : ''}.`
              : 'Nobody has entered yet.'
          }
        />
        <SetAside />
      </Stack>
      <div className={classes.side}>
        {followed ? (
          <WayOfOne journey={journey} id={followed} />
        ) : profile ? (
          <Why journey={journey} profile={profile} />
        ) : (
          <Text size="sm" c="dimmed">
            Choose somebody to see how they went, step by step. Or find an external id to see why nothing
            happened to them.
          </Text>
        )}
      </div>
    </div>
  );
};
