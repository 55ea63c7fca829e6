/**
 * The simulator on the canvas: who, from when, and what becomes of messages; then the counts at the steps, the people, and one
 * of them with times and messages. Nothing is sent.
 */
import {
  Button,
  Collapse,
  Group,
  NumberInput,
  Select,
  Skeleton,
  Stack,
  Text,
  Textarea,
  TextInput,
  UnstyledButton,
} from '@mantine/core';
import type {
  Journey,
  JourneyDefinition,
  JourneyNumbers,
  JourneySimulation,
  SimulatedMessage,
} from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { IconArrowLeft, IconPlayerPlay } from '@tabler/icons-react';
import { lazy, Suspense, useId, useMemo, useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Content } from '../../parts/Content.js';
import { JsonFacts } from '../../parts/Facts.js';
import { TextLink } from '../../parts/links.js';
import { Notice } from '../../parts/Notice.js';
import { Failure } from '../../parts/PageStates.js';
import { channelLooks, sentenceCase } from '../../words.js';
import { More } from '../../parts/More.js';
import { whole } from '../home/tally.js';
import { ENTRY } from './layout-names.js';
import classes from './Journeys.module.css';
import { peopleWords, wayLabel } from './looks.js';

const Canvas = lazy(() => import('./Canvas.js'));

const chances = ['delivered', 'opened', 'clicked', 'failed', 'bounced', 'unsubscribed'] as const;
type Chances = Record<(typeof chances)[number], number>;
const usual: Chances = { delivered: 98, opened: 40, clicked: 10, failed: 1, bounced: 1, unsubscribed: 0 };

/** On a clock of its own, so its times are told whole and in the reader's zone. */
const at = (time: string): string =>
  new Date(time).toLocaleString('en', {
    weekday: 'short',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  });

export const Simulate = ({
  journey,
  document,
  version,
  mayRun,
}: {
  journey: Journey;
  /** What is played, also where it is not saved. */
  document: JourneyDefinition;
  version: number | undefined;
  mayRun: boolean;
}) => {
  const { key } = journey;
  const queryClient = useQueryClient();
  const [chosen, setChosen] = useState<string | null>(null);
  const [step, setStep] = useState<string | null>(null);
  const [person, setPerson] = useState<number | null>(null);
  const runs = useQuery({
    queryKey: ['journeys', 'simulations', key],
    queryFn: () => api.journeys.simulations(key),
  });
  const run = useMutation({
    mutationFn: (asked: Parameters<typeof api.journeys.simulate>[1]) => api.journeys.simulate(key, asked),
    onSuccess: async (made) => {
      setChosen(made.id);
      setPerson(null);
      setStep(null);
      await queryClient.invalidateQueries({ queryKey: ['journeys', 'simulations', key] });
    },
  });
  const shown = runs.data?.find(({ id }) => id === chosen);
  const way = useQuery({
    queryKey: ['journeys', 'simulated', key, chosen, person],
    queryFn: () => api.journeys.simulatedWay(key, chosen ?? '', person ?? 0),
    enabled: shown !== undefined && person !== null,
    staleTime: Infinity,
  });
  const path = useMemo(() => {
    if (person === null || !way.data) return undefined;
    return new Set([
      ENTRY,
      ...way.data.visits.flatMap(({ lines, step: here }) => [
        ...lines.map((line) => line.step),
        ...(here === null ? [] : [here]),
      ]),
    ]);
  }, [person, way.data]);
  const numbers: JourneyNumbers | undefined = shown;
  return (
    <div className={classes.work}>
      <div className={classes.canvas}>
        <Suspense fallback={<Skeleton h="100%" radius={0} />}>
          <Canvas
            key={chosen ?? 'none'}
            document={shown?.definition ?? document}
            findings={[]}
            numbers={numbers}
            path={path}
            readOnly
            opened={step}
            onOpen={(to) => {
              setPerson(null);
              setStep(to === ENTRY || to === step ? null : to);
            }}
            focus={null}
            onInsert={() => undefined}
            onReplace={() => undefined}
            onRemove={() => undefined}
          />
        </Suspense>
      </div>
      <div className={classes.side} role="region" aria-label="Simulation" tabIndex={-1}>
        {shown && person !== null ? (
          <>
            <Back onClick={() => setPerson(null)}>All people</Back>
            {way.isError ? (
              <Failure small error={way.error} retry={() => void way.refetch()} />
            ) : way.data ? (
              <Way way={way.data} />
            ) : (
              <Skeleton h={160} />
            )}
          </>
        ) : shown ? (
          <>
            <Back onClick={() => setChosen(null)}>Another run</Back>
            <Outcome
              journey={journey}
              run={shown}
              step={step}
              onEverybody={() => setStep(null)}
              onPerson={setPerson}
            />
          </>
        ) : (
          <>
            <Text fw={600} component="h2" mb={4}>
              Play it
            </Text>
            <Text size="sm" c="dimmed" mb="sm">
              For people of yours, on a clock of its own, with every rule of the gate. Nothing is sent.
            </Text>
            {mayRun && (
              <Ask
                entry={document.entry}
                pending={run.isPending}
                error={run.error}
                onRun={(asked) =>
                  run.mutate({
                    ...asked,
                    ...(version === undefined ? { definition: document } : { version }),
                  })
                }
              />
            )}
            {runs.isError ? (
              <Failure small error={runs.error} retry={() => void runs.refetch()} />
            ) : (
              <Runs runs={runs.data} onChoose={setChosen} />
            )}
          </>
        )}
      </div>
    </div>
  );
};

const Back = ({ onClick, children }: { onClick: () => void; children: string }) => (
  <Button
    size="compact-sm"
    variant="subtle"
    color="gray"
    mb="xs"
    leftSection={<IconArrowLeft size={14} />}
    onClick={onClick}
  >
    {children}
  </Button>
);

type Asked = Omit<Parameters<typeof api.journeys.simulate>[1], 'definition' | 'version'>;
const Ask = ({
  entry,
  pending,
  error,
  onRun,
}: {
  entry: JourneyDefinition['entry'];
  pending: boolean;
  error: unknown;
  onRun: (asked: Asked) => void;
}) => {
  const [who, setWho] = useState<'random' | 'audience' | 'profiles'>('random');
  const [many, setMany] = useState<number | string>(1000);
  const [audience, setAudience] = useState<string | null>(null);
  const [names, setNames] = useState('');
  const [startAt, setStartAt] = useState('');
  const [within, setWithin] = useState<string | null>('30d');
  const [more, setMore] = useState(false);
  const [odds, setOdds] = useState<Chances>(usual);
  const [data, setData] = useState('{}');
  const [seed, setSeed] = useState('1');
  const moreId = useId();
  const audiences = useQuery({
    queryKey: ['audiences', 'list', {}],
    queryFn: () => api.audiences.list({ limit: 200 }).page(),
  });
  const properties = read(data);
  const people = names.split(/[\s,]+/).filter(Boolean);
  const hindered =
    properties === null || (who === 'profiles' && people.length === 0) || (who === 'audience' && !audience);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (hindered) return;
        onRun({
          ...(who === 'profiles' ? { profiles: people } : { random: Number(many) || 100 }),
          ...(who === 'audience' && audience ? { audience } : {}),
          ...(startAt === '' ? {} : { startAt: new Date(startAt).toISOString() }),
          within: within ?? '30d',
          outcomes: Object.fromEntries(chances.map((what) => [what, odds[what] / 100])),
          data: properties ?? {},
          seed: seed.trim() || '1',
        });
      }}
    >
      <Stack gap="sm" mb="md">
        <Select
          label="Who"
          allowDeselect={false}
          data={[
            { value: 'random', label: 'People drawn at random' },
            { value: 'audience', label: 'People of an audience' },
            { value: 'profiles', label: 'These people' },
          ]}
          value={who}
          onChange={(value) => setWho(value as typeof who)}
        />
        {who === 'audience' && (
          <Select
            label="Audience"
            searchable
            placeholder="Choose one"
            data={(audiences.data?.items ?? []).map((one) => ({ value: one.key, label: one.name }))}
            value={audience}
            onChange={setAudience}
          />
        )}
        {who === 'profiles' ? (
          <TextInput
            label="External ids"
            description="With spaces or commas between them."
            value={names}
            onChange={(event) => setNames(event.currentTarget.value)}
          />
        ) : (
          <NumberInput
            label="How many"
            min={1}
            max={20_000}
            step={100}
            thousandSeparator=","
            value={many}
            onChange={setMany}
          />
        )}
        <Group grow gap="sm" align="flex-start">
          <TextInput
            type="datetime-local"
            label="From"
            description="Now, unless said."
            value={startAt}
            onChange={(event) => setStartAt(event.currentTarget.value)}
          />
          <Select
            label="For"
            description="On its own clock."
            allowDeselect={false}
            data={['1h', '1d', '7d', '14d', '30d', '90d', '365d']}
            value={within}
            onChange={setWithin}
          />
        </Group>
        <UnstyledButton
          type="button"
          className={classes.summary}
          aria-expanded={more}
          aria-controls={moreId}
          onClick={() => setMore(!more)}
        >
          {more ? 'Less' : 'What becomes of messages, and data'}
        </UnstyledButton>
        <Collapse expanded={more} id={moreId}>
          <Stack gap="sm">
            <div className={classes.odds}>
              {chances.map((what) => (
                <NumberInput
                  key={what}
                  size="xs"
                  label={sentenceCase(what)}
                  suffix=" %"
                  min={0}
                  max={100}
                  value={odds[what]}
                  onChange={(value) => setOdds({ ...odds, [what]: Number(value) || 0 })}
                />
              ))}
            </div>
            <Textarea
              label={entry.kind === 'event' ? `Properties of ${entry.event}` : 'Data they come in with'}
              autosize
              minRows={2}
              classNames={{ input: 'mono' }}
              error={properties === null ? 'Write JSON: { "total": 120 }' : null}
              value={data}
              onChange={(event) => setData(event.currentTarget.value)}
            />
            <TextInput
              label="Seed"
              description="Another one draws other people and chances."
              value={seed}
              onChange={(event) => setSeed(event.currentTarget.value)}
            />
          </Stack>
        </Collapse>
        {error ? (
          <Notice tone="bad" alert title="It was not played">
            {messageOf(error)}
          </Notice>
        ) : null}
        <Button
          type="submit"
          loading={pending}
          disabled={hindered}
          leftSection={<IconPlayerPlay size={16} />}
        >
          Play
        </Button>
      </Stack>
    </form>
  );
};
function read(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text.trim() || '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

const Runs = ({
  runs,
  onChoose,
}: {
  runs: readonly JourneySimulation[] | undefined;
  onChoose: (id: string) => void;
}) =>
  runs === undefined ? (
    <Skeleton h={60} />
  ) : runs.length === 0 ? (
    <Text size="sm" c="dimmed">
      It has not been played yet.
    </Text>
  ) : (
    <div>
      <Text size="xs" c="dimmed" mb={4}>
        Played before
      </Text>
      <div className="rows" role="list" aria-label="Runs">
        {runs.map((one) => (
          <div key={one.id} role="listitem">
            <UnstyledButton className={classes.run} onClick={() => onChoose(one.id)}>
              <Text size="sm" fw={500}>
                {peopleWords(one.people)}, {one.version === null ? 'draft' : `version ${one.version}`}
              </Text>
              <Text size="xs" c="dimmed">
                {at(one.createdAt)} by {one.createdBy}: {whole(one.entered)} entered, {whole(one.inside)}{' '}
                inside at the end
              </Text>
            </UnstyledButton>
          </div>
        ))}
      </div>
    </div>
  );

const Outcome = ({
  journey,
  run,
  step,
  onEverybody,
  onPerson,
}: {
  journey: Journey;
  run: JourneySimulation;
  step: string | null;
  onEverybody: () => void;
  onPerson: (no: number) => void;
}) => {
  const messages = run.messages.filter((one) => step === null || one.step === step);
  return (
    <Stack gap="md">
      <div>
        <Text fw={600} component="h2">
          {peopleWords(run.people)}, {at(run.startAt)} to {at(run.until)}
        </Text>
        <Text size="xs" c="dimmed">
          {run.version === null ? 'The draft as it was' : `Version ${run.version}`}, seed {run.seed}, played
          in {whole(run.ms)} ms.
        </Text>
      </div>
      <dl className={classes.tallies}>
        <Tally label="Entered" count={run.entered} />
        <Tally label="Inside" count={run.inside} />
        {run.outcomes.map(({ outcome, count }) => (
          <Tally key={outcome} label={`Left: ${outcome}`} count={count} />
        ))}
        {run.refused.map(({ reason, count }) => (
          <Tally key={reason} label={`Not in: ${reason.replaceAll('_', ' ')}`} count={count} />
        ))}
      </dl>
      <div>
        <Text fw={550} size="sm" component="h3" mb={4}>
          {step === null ? 'Messages' : `Messages of ${step}`}
        </Text>
        {messages.length === 0 ? (
          <Text size="sm" c="dimmed">
            None.
          </Text>
        ) : (
          <ul className={classes.changes}>
            {messages.map((one) => (
              <li key={JSON.stringify([one.step, one.channel, one.status, one.reason])}>
                <span className="numbers">{whole(one.count)}</span> {channelLooks[one.channel].label}{' '}
                {step === null && <span className="mono">{one.step}</span>} {one.status}
                {one.reason ? `: ${one.reason.replaceAll('_', ' ')}` : ''}
              </li>
            ))}
          </ul>
        )}
      </div>
      <div>
        <Group justify="space-between" mb={4}>
          <Text fw={550} size="sm" component="h3">
            {step === null ? 'People' : `Who came to ${step}`}
          </Text>
          {step !== null && (
            <Button size="compact-xs" variant="subtle" color="gray" onClick={onEverybody}>
              Everybody
            </Button>
          )}
        </Group>
        <People journey={journey} run={run} step={step} onPerson={onPerson} />
      </div>
    </Stack>
  );
};
const Tally = ({ label, count }: { label: string; count: number }) => (
  <div>
    <dt>{label}</dt>
    <dd className="numbers">{whole(count)}</dd>
  </div>
);

const People = ({
  journey,
  run,
  step,
  onPerson,
}: {
  journey: Journey;
  run: JourneySimulation;
  step: string | null;
  onPerson: (no: number) => void;
}) => {
  const [outcome, setOutcome] = useState<string | null>(null);
  const [limit, setLimit] = useState(20);
  const query = { ...(step === null ? {} : { step }), ...(outcome === null ? {} : { outcome }) };
  const people = useQuery({
    queryKey: ['journeys', 'simulated-people', journey.key, run.id, query, limit],
    queryFn: () => api.journeys.simulatedPeople(journey.key, run.id, { ...query, limit }).page(),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
  if (people.isError && !people.data)
    return <Failure small error={people.error} retry={() => void people.refetch()} />;
  return (
    <Stack gap={6}>
      <Select
        size="xs"
        aria-label="How they left"
        placeholder="However they left"
        clearable
        data={run.outcomes.map((one) => one.outcome)}
        value={outcome}
        onChange={setOutcome}
      />
      {!people.data ? (
        <Skeleton h={90} />
      ) : people.data.items.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nobody.
        </Text>
      ) : (
        <div className="rows" role="list" aria-label="Simulated people">
          {people.data.items.map((one) => (
            <div key={one.no} role="listitem">
              <UnstyledButton className={classes.run} onClick={() => onPerson(one.no)}>
                <Text size="sm" fw={500} className="clip">
                  {one.profile}
                </Text>
                <Text size="xs" c="dimmed">
                  {one.step === null
                    ? (one.outcome ?? `not let in${one.reason ? `: ${one.reason.replaceAll('_', ' ')}` : ''}`)
                    : `at ${one.step}`}
                  , {one.messages === 1 ? '1 message' : `${one.messages} messages`}
                </Text>
              </UnstyledButton>
            </div>
          ))}
        </div>
      )}
      {people.data?.nextCursor && limit < 200 && (
        <More loading={people.isFetching} onClick={() => setLimit(limit * 2)} />
      )}
      {run.kept < run.people && (
        <Text size="xs" c="dimmed">
          The ways of the first {whole(run.kept)} are kept; the counts are of everybody.
        </Text>
      )}
    </Stack>
  );
};

type WayData = Awaited<ReturnType<typeof api.journeys.simulatedWay>>;
const Way = ({ way: { person, visits, refused } }: { way: WayData }) => (
  <Stack gap="md">
    <Text fw={600} component="h2" className="clip">
      <TextLink to="/profiles/$externalId" params={{ externalId: person.profile }}>
        {person.profile}
      </TextLink>
    </Text>
    {visits.map((visit) => (
      <Stack key={visit.enteredAt + visit.key} gap="sm">
        <Text size="sm" c="dimmed">
          Entered {at(visit.enteredAt)}
          {visit.key && ` for ${visit.key}`}.{' '}
          {visit.endedAt
            ? `Left ${at(visit.endedAt)}: ${visit.outcome}.`
            : `At ${visit.step}${visit.dueAt ? `, next ${at(visit.dueAt)}` : ''}.`}{' '}
          {visit.reason}
        </Text>
        <ol className={classes.way} aria-label="Step by step">
          {visit.lines.map((line, n) => (
            <li key={n}>
              <Group justify="space-between" wrap="nowrap" gap="xs">
                <Text size="sm" fw={500} className="clip">
                  {line.step}
                </Text>
                <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
                  {at(line.at)}
                </Text>
              </Group>
              <Text size="xs" c="dimmed">
                {wayLabel(line.way) ? `${sentenceCase(line.way)} → ` : '→ '}
                {line.next ?? 'the end'}
              </Text>
              {line.kind === 'send'
                ? visit.messages
                    .filter((one) => one.step === line.step && one.acceptedAt === line.at)
                    .map((one) => <OneMessage key={one.channel} message={one} />)
                : Object.keys(line.detail).length > 0 && <JsonFacts value={line.detail} />}
            </li>
          ))}
        </ol>
      </Stack>
    ))}
    {refused.map((one) => (
      <Text key={one.at} size="sm" c="dimmed">
        {at(one.at)} not let in: {one.reason.replaceAll('_', ' ')}.
      </Text>
    ))}
    {visits.length === 0 && refused.length === 0 && (
      <Text size="sm" c="dimmed">
        Nothing let them in.
      </Text>
    )}
  </Stack>
);

const OneMessage = ({ message }: { message: SimulatedMessage }) => {
  const { channel, status, reason, said, sentAt, dueAt, content, problem, timeline } = message;
  const later = timeline.filter(({ type }) => type !== 'accepted' && type !== status);
  return (
    <div className={classes.said}>
      <Text size="xs">
        <b>{channelLooks[channel].label}</b> {status}
        {reason ? `: ${reason.replaceAll('_', ' ')}` : ''}
        {sentAt ? `, sent ${at(sentAt)}` : dueAt ? `, looked at ${at(dueAt)}` : ''}
      </Text>
      {said && (
        <Text size="xs" c="dimmed" className="break">
          {said}
        </Text>
      )}
      {later.length > 0 && (
        <Text size="xs" c="dimmed">
          {later.map(({ type, at: when }) => `${type} ${at(when)}`).join(' · ')}
        </Text>
      )}
      {content && (
        <details>
          <summary className={classes.summary}>
            {content.email?.subject ??
              content.push?.title ??
              content['in-app']?.title ??
              content.sms?.body.slice(0, 60)}
          </summary>
          <Content content={content} />
        </details>
      )}
      {problem && (
        <Text size="xs" c="var(--status-failed)">
          {problem}
        </Text>
      )}
    </div>
  );
};
