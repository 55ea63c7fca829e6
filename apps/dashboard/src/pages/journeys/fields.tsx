/** Fields that several kinds of steps have: paths, values, triggers, conditions. */
import { ActionIcon, Autocomplete, Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import type { Clause, JourneyClause, JourneyTrigger } from '@carillon/contracts';
import { channels, journeyOutcomes, weekdays } from '@carillon/contracts';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { channelLooks, sentenceCase } from '../../words.js';
import { asGroup, scalarFrom, typedFrom, type Group as Clauses } from '../audiences/rule.js';
import { GroupRows, Properties, TestFields, type MoreClauses } from '../audiences/RuleBuilder.js';
import { useEditing } from './editing.js';
import classes from './Journeys.module.css';

/** `event.total` for people, `["event", "total"]` in the document. */
export const pathText = (path: string | readonly string[] | undefined): string =>
  path === undefined ? '' : typeof path === 'string' ? path : path.join('.');
export const pathFrom = (text: string): string | string[] => (text.includes('.') ? text.split('.') : text);

export const weekdayData = weekdays.map((value) => ({ value, label: sentenceCase(value) }));
const outcomeData = journeyOutcomes.map((value) => ({ value, label: sentenceCase(value) }));
export const channelData = channels.map((value) => ({ value, label: channelLooks[value].label }));

/** A length of time as it is written: 30m, 12h, 7d. */
export const DurationField = ({
  label,
  value,
  onChange,
  description,
  placeholder,
  error,
}: {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
  description?: string;
  placeholder?: string;
  error?: string | undefined;
}) => (
  <Autocomplete
    label={label}
    description={description}
    placeholder={placeholder ?? '1d'}
    data={['5m', '1h', '4h', '1d', '2d', '7d', '30d']}
    value={value ?? ''}
    disabled={useEditing().readOnly}
    error={error}
    onChange={(text) => onChange(text.trim() || undefined)}
  />
);

/** The steps there are, to lead to or to name. */
export const useSteps = (kind?: 'send') =>
  Object.entries(useEditing().document.steps)
    .filter(([, step]) => !kind || step.kind === kind)
    .map(([key, step]) => ({ value: key, label: step.name ? `${step.name} (${key})` : key }));

/** Something that happens to the person. */
export const TriggerFields = ({
  on,
  onChange,
  label,
}: {
  on: JourneyTrigger;
  onChange: (on: JourneyTrigger) => void;
  label: string;
}) => {
  const { words, audiences, readOnly } = useEditing();
  const senders = useSteps('send');
  const kind = 'event' in on ? 'event' : 'audience' in on ? 'audience' : 'message';
  return (
    <>
      <Select
        label={label}
        disabled={readOnly}
        value={kind}
        data={[
          { value: 'event', label: 'An event' },
          { value: 'audience', label: 'Entering or leaving an audience' },
          { value: 'message', label: 'What became of a message' },
        ]}
        onChange={(next) =>
          onChange(
            next === 'event'
              ? { event: '' }
              : next === 'audience'
                ? { audience: '', change: 'enter' }
                : { message: 'clicked' },
          )
        }
      />
      {'event' in on && (
        <>
          <Autocomplete
            label="Event"
            placeholder="order.placed"
            disabled={readOnly}
            data={words.events.map(({ name }) => name)}
            value={on.event}
            onChange={(event) => onChange({ ...on, event })}
          />
          <div className={classes.tests}>
            <Properties
              tests={on.where ?? []}
              known={words.events.find(({ name }) => name === on.event)?.properties ?? []}
              readOnly={readOnly}
              onChange={(where) => onChange(where ? { event: on.event, where } : { event: on.event })}
            />
          </div>
        </>
      )}
      {'audience' in on && (
        <Group grow align="flex-start">
          <Select
            label="Change"
            disabled={readOnly}
            value={on.change}
            data={changeData}
            onChange={(change) => onChange({ ...on, change: (change ?? 'enter') as 'enter' })}
          />
          <Select
            label="Audience"
            searchable
            disabled={readOnly}
            data={withOwn(
              audiences.filter((one) => one.live || one.list),
              on.audience,
            )}
            value={on.audience || null}
            onChange={(audience) => onChange({ ...on, audience: audience ?? '' })}
          />
        </Group>
      )}
      {'message' in on && (
        <Group grow align="flex-start">
          <Select
            label="Was"
            disabled={readOnly}
            data={outcomeData}
            value={on.message}
            onChange={(message) => onChange({ ...on, message: (message ?? 'clicked') as typeof on.message })}
          />
          <Select
            label="Message of"
            clearable
            disabled={readOnly}
            placeholder="any step"
            data={senders}
            value={on.step ?? null}
            onChange={(step) => {
              const { step: _, ...rest } = on;
              onChange(step ? { ...rest, step } : rest);
            }}
          />
          <Select
            label="On"
            clearable
            disabled={readOnly}
            placeholder="any channel"
            data={channelData}
            value={on.channel ?? null}
            onChange={(channel) => {
              const { channel: _, ...rest } = on;
              onChange(channel ? { ...rest, channel } : rest);
            }}
          />
        </Group>
      )}
    </>
  );
};
export const changeData = [
  { value: 'enter', label: 'enters' },
  { value: 'leave', label: 'leaves' },
  { value: 'both', label: 'either' },
];
/** What is named stays in the list, though there is no such thing (any more). */
export const withOwn = <T extends { value: string; label: string }>(
  data: readonly T[],
  own: string | undefined,
): { value: string; label: string }[] => [
  ...(own && !data.some(({ value }) => value === own) ? [{ value: own, label: own }] : []),
  ...data.map(({ value, label }) => ({ value, label })),
];

/** A condition: the clauses of audiences, and those about the journey itself. */
export const ConditionFields = ({
  clause,
  onChange,
}: {
  clause: JourneyClause;
  onChange: (clause: JourneyClause) => void;
}) => {
  const { words, readOnly } = useEditing();
  const senders = useSteps('send');
  const more: MoreClauses = {
    kinds: [
      { kind: 'data', label: 'Journey’s data' },
      { kind: 'clock', label: 'Clock' },
      { kind: 'step', label: 'Message sent' },
    ],
    make: (kind) =>
      ({
        data: { data: ['event', ''], is: '' },
        clock: { clock: { from: '09:00', until: '18:00' } },
        step: { step: senders[0]?.value ?? '', message: 'opened' },
      })[kind] as unknown as Clause,
    kindOf: (one) => ['data', 'clock', 'step'].find((key) => key in one),
    row: (one, change, disabled) => (
      <JourneyClauseRow
        clause={one as unknown as JourneyClause}
        readOnly={disabled}
        senders={senders}
        onChange={(next) => change(next as unknown as Clause)}
      />
    ),
  };
  return (
    <GroupRows
      group={asGroup(clause as Clause) as Clauses}
      words={words}
      readOnly={readOnly}
      more={more}
      onChange={(next) => onChange(next as JourneyClause)}
    />
  );
};
const JourneyClauseRow = ({
  clause,
  onChange,
  readOnly,
  senders,
}: {
  clause: JourneyClause;
  onChange: (clause: JourneyClause) => void;
  readOnly: boolean;
  senders: { value: string; label: string }[];
}): ReactNode => {
  const common = { size: 'xs' as const, disabled: readOnly };
  if ('data' in clause)
    return (
      <>
        <TextInput
          {...common}
          aria-label="Path into its data"
          placeholder="event.total"
          value={pathText(clause.data)}
          onChange={(event) => onChange({ ...clause, data: pathFrom(event.currentTarget.value) })}
        />
        <TestFields
          of="property"
          name=""
          test={clause}
          values={[]}
          readOnly={readOnly}
          onChange={(next) => onChange(next as JourneyClause)}
        />
      </>
    );
  if ('clock' in clause)
    return (
      <>
        <TextInput
          {...common}
          type="time"
          aria-label="From"
          value={clause.clock.from ?? ''}
          onChange={(event) =>
            onChange({ clock: without({ ...clause.clock, from: event.currentTarget.value }) })
          }
        />
        <TextInput
          {...common}
          type="time"
          aria-label="Until"
          value={clause.clock.until ?? ''}
          onChange={(event) =>
            onChange({ clock: without({ ...clause.clock, until: event.currentTarget.value }) })
          }
        />
        <Days
          days={clause.clock.days}
          readOnly={readOnly}
          onChange={(days) => {
            const { days: _, ...rest } = clause.clock;
            onChange({ clock: days ? { ...rest, days } : rest });
          }}
        />
      </>
    );
  if ('step' in clause)
    return (
      <>
        <Select
          {...common}
          aria-label="Step that sends"
          placeholder="Which step"
          data={withOwn(senders, clause.step)}
          value={clause.step || null}
          onChange={(step) => onChange({ ...clause, step: step ?? '' })}
        />
        <Select
          {...common}
          aria-label="Was"
          data={outcomeData}
          value={clause.message}
          onChange={(message) =>
            onChange({ ...clause, message: (message ?? 'opened') as typeof clause.message })
          }
        />
        <Select
          {...common}
          aria-label="On"
          clearable
          placeholder="any channel"
          data={channelData}
          value={clause.channel ?? null}
          onChange={(channel) => {
            const { channel: _, ...rest } = clause;
            onChange(channel ? { ...rest, channel: channel as NonNullable<typeof clause.channel> } : rest);
          }}
        />
      </>
    );
  return null;
};
/** Fields that were emptied are none. */
export const without = <T extends object>(thing: T): T =>
  Object.fromEntries(Object.entries(thing).filter(([, value]) => value !== '' && value !== undefined)) as T;

/** Weekdays as buttons that stay pressed. None pressed: every day. */
export const Days = ({
  days,
  onChange,
  readOnly,
}: {
  days: readonly (typeof weekdays)[number][] | undefined;
  onChange: (days: (typeof weekdays)[number][] | undefined) => void;
  readOnly: boolean;
}) => (
  <Group gap={4} role="group" aria-label="Days">
    {weekdayData.map(({ value, label }) => {
      const on = days?.includes(value) ?? false;
      return (
        <Button
          key={value}
          size="compact-xs"
          variant={on ? 'filled' : 'default'}
          aria-pressed={on}
          disabled={readOnly}
          onClick={() => {
            const next = weekdays.filter((day) => (day === value ? !on : days?.includes(day)));
            onChange(next.length > 0 ? next : undefined);
          }}
        >
          {label}
        </Button>
      );
    })}
  </Group>
);

type Values = Record<string, unknown>;
const isFrom = (value: unknown): value is { from: string | string[] } =>
  value !== null && typeof value === 'object' && Object.keys(value).join() === 'from';
const valueText = (value: unknown): string =>
  value !== null && typeof value === 'object' ? JSON.stringify(value) : typedFrom(value);
const valueFrom = (text: string): unknown => {
  if (/^[[{]/.test(text) || text === 'null')
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  return scalarFrom(text);
};
/** Names and values, each written or taken from the journey's data. */
export const ValueRows = ({
  label,
  values,
  onChange,
  names = [],
  error,
}: {
  label: string;
  values: Values;
  onChange: (values: Values) => void;
  names?: string[];
  error?: string | undefined;
}) => {
  const { readOnly } = useEditing();
  const rows = Object.entries(values);
  const set = (next: [string, unknown][]): void => onChange(Object.fromEntries(next));
  const replace = (at: number, row: [string, unknown]): void =>
    set(rows.map((one, n) => (n === at ? row : one)));
  return (
    <Stack gap={6} role="group" aria-label={label}>
      <Text size="sm" fw={500}>
        {label}
      </Text>
      {rows.map(([name, value], at) => (
        <div key={at} className={classes.value}>
          <Autocomplete
            size="xs"
            aria-label="Name"
            placeholder="name"
            disabled={readOnly}
            data={names}
            value={name}
            onChange={(next) => replace(at, [next, value])}
          />
          <Select
            size="xs"
            aria-label="Where the value comes from"
            disabled={readOnly}
            data={[
              { value: 'is', label: 'is' },
              { value: 'from', label: 'from' },
            ]}
            value={isFrom(value) ? 'from' : 'is'}
            onChange={(next) => replace(at, [name, next === 'from' ? { from: ['event', ''] } : ''])}
          />
          <TextInput
            size="xs"
            aria-label={isFrom(value) ? 'Path into its data' : 'Value'}
            placeholder={isFrom(value) ? 'event.total' : 'value'}
            disabled={readOnly}
            value={isFrom(value) ? pathText(value.from) : valueText(value)}
            onChange={(event) =>
              replace(at, [
                name,
                isFrom(value)
                  ? { from: pathFrom(event.currentTarget.value) }
                  : valueFrom(event.currentTarget.value),
              ])
            }
          />
          {!readOnly && (
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`Remove ${name || 'this'}`}
              onClick={() => set(rows.filter((_, n) => n !== at))}
            >
              <IconTrash size={14} />
            </ActionIcon>
          )}
        </div>
      ))}
      {error && (
        <Text size="xs" c="var(--status-failed)">
          {error}
        </Text>
      )}
      {!readOnly && !('' in values) && (
        <div>
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconPlus size={12} />}
            onClick={() => set([...rows, ['', '']])}
          >
            Value
          </Button>
        </div>
      )}
    </Stack>
  );
};
