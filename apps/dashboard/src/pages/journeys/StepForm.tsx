/** The settings of one step, by its kind; and where its ways lead. */
import {
  ActionIcon,
  Button,
  Group,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import type { Channel, JourneyStep, JourneyStepKind, StepOf } from '@carillon/contracts';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { channelLooks } from '../../words.js';
import { extraWay, waysOf, withAt, type Place } from './document.js';
import { faultAt, useEditing } from './editing.js';
import {
  channelData,
  ConditionFields,
  Days,
  DurationField,
  pathFrom,
  pathText,
  TriggerFields,
  useSteps,
  ValueRows,
  withOwn,
} from './fields.js';
import classes from './Journeys.module.css';
import { kindLooks, wayLabel } from './looks.js';

interface FormProps<S extends JourneyStep = JourneyStep> {
  name: string;
  step: S;
  /** `tag`: what is being typed, so that one undo takes it all back. */
  onChange: (step: JourneyStep, tag?: string) => void;
}

export const StepForm = ({
  name,
  step,
  onChange,
  onRename,
}: FormProps & { onRename: (to: string) => void }) => {
  const { readOnly, findings, document } = useEditing();
  const [key, setKey] = useState(name);
  const set = (place: Place, value: unknown) =>
    onChange(withAt(step, place, value === '' ? undefined : value), `${name} ${place.join('.')}`);
  const taken = key !== name && document.steps[key] !== undefined;
  const valid = /^[a-z0-9][a-z0-9_-]{0,49}$/.test(key);
  return (
    <Stack gap="sm">
      <Group grow align="flex-start">
        <TextInput
          label="Name"
          placeholder={kindLooks[step.kind].label}
          disabled={readOnly}
          value={step.name ?? ''}
          onChange={(event) => set(['name'], event.currentTarget.value)}
        />
        <TextInput
          label="Key"
          classNames={{ input: 'mono' }}
          disabled={readOnly}
          value={key}
          error={
            taken
              ? 'Another step is called so'
              : valid
                ? undefined
                : 'Lower-case letters, digits, dashes and underscores'
          }
          onChange={(event) => setKey(event.currentTarget.value)}
          onBlur={() => (valid && !taken ? onRename(key) : setKey(name))}
        />
      </Group>
      <Fields name={name} step={step} onChange={onChange} />
      <Ways name={name} step={step} onChange={onChange} />
      <Textarea
        label="Note"
        placeholder="For those who read it"
        autosize
        minRows={1}
        disabled={readOnly}
        value={step.note ?? ''}
        error={faultAt(findings, 'steps', name, 'note')}
        onChange={(event) => set(['note'], event.currentTarget.value)}
      />
    </Stack>
  );
};

const Fields = (props: FormProps): ReactNode => {
  const kinds: { [K in JourneyStepKind]: (props: FormProps<StepOf<K>>) => ReactNode } = {
    send: SendFields,
    wait: WaitFields,
    condition: ConditionBranches,
    split: SplitFields,
    listen: ListenFields,
    update: UpdateFields,
    emit: EmitFields,
    call: CallFields,
    list: ListFields,
    start: StartFields,
    throttle: ThrottleFields,
    digest: DigestFields,
    end: EndFields,
  };
  const Of = kinds[props.step.kind] as (props: FormProps) => ReactNode;
  return <Of {...props} />;
};

/** Where each way leads. */
const Ways = ({ name, step, onChange }: FormProps) => {
  const { readOnly } = useEditing();
  const steps = useSteps().filter(({ value }) => value !== name || step.kind === 'listen');
  const ways = waysOf(step);
  const extra = extraWay[step.kind];
  const dated = step.kind !== 'wait' || step.until?.date !== undefined || step.until?.data !== undefined;
  if (ways.length === 0) return null;
  return (
    <fieldset className={classes.ways}>
      <legend>Leads to</legend>
      {ways.map(({ way, next, at }) => (
        <Select
          key={at.join()}
          size="xs"
          label={wayLabel(way) || 'Next'}
          disabled={readOnly}
          searchable
          data={[{ value: '', label: 'It ends here' }, ...withOwn(steps, next ?? undefined)]}
          value={next ?? ''}
          onChange={(to) => onChange(withAt(step, at, to || null))}
        />
      ))}
      {extra && dated && (
        <Switch
          size="xs"
          label={`${extra.label}: another way`}
          disabled={readOnly}
          checked={(step as unknown as Record<string, unknown>)[extra.at] !== undefined}
          onChange={(event) =>
            onChange(withAt(step, [extra.at], event.currentTarget.checked ? null : undefined))
          }
        />
      )}
    </fieldset>
  );
};

const useField = ({ name, step, onChange }: FormProps) => {
  const { readOnly, findings } = useEditing();
  const set = (place: Place, value: unknown) =>
    onChange(withAt(step, place, value === '' ? undefined : value), `${name} ${place.join('.')}`);
  const fault = (...place: Place) => faultAt(findings, 'steps', name, ...place);
  return { set, fault, common: { disabled: readOnly }, readOnly };
};

const SendFields = (props: FormProps<StepOf<'send'>>) => {
  const { step, onChange } = props;
  const { templates, words } = useEditing();
  const { set, fault, common } = useField(props);
  const own = step.content !== undefined;
  const template = typeof step.template === 'string' ? step.template : step.template?.key;
  return (
    <>
      <MultiSelect
        label="Channels"
        description={
          step.channels.length > 1
            ? 'In this order: the next when the one before did not get there'
            : undefined
        }
        {...common}
        data={channelData}
        value={step.channels}
        error={fault('channels')}
        onChange={(channels) => set(['channels'], channels)}
      />
      {step.channels.length > 1 && (
        <Group grow align="flex-start">
          <Select
            label="Until it is"
            {...common}
            data={['sent', 'delivered', 'read']}
            value={step.until ?? 'delivered'}
            onChange={(until) => set(['until'], until)}
          />
          <DurationField
            label="Each is given"
            placeholder="5m"
            value={step.patience}
            error={fault('patience')}
            onChange={(patience) => set(['patience'], patience)}
          />
        </Group>
      )}
      <Select
        label="What it says"
        {...common}
        searchable
        error={fault('template')}
        placeholder="Choose a template"
        data={[{ value: '', label: 'Content of its own' }, ...withOwn(templates, template)]}
        value={own ? '' : (template ?? null)}
        onChange={(chosen) => {
          const { template: _, content: __, ...rest } = step;
          onChange(
            (chosen
              ? { ...rest, template: chosen }
              : { ...rest, content: step.content ?? {} }) as JourneyStep,
          );
        }}
      />
      {own && <OwnContent {...props} />}
      <Group grow align="flex-start">
        <Select
          label="Class"
          {...common}
          data={[
            { value: 'transactional', label: 'Transactional' },
            { value: 'marketing', label: 'Marketing' },
          ]}
          value={step.class}
          onChange={(value) => set(['class'], value)}
        />
        <Select
          label="Topic"
          clearable
          placeholder="None"
          {...common}
          data={withOwn(
            words.topics.map((value) => ({ value, label: value })),
            step.topic,
          )}
          value={step.topic ?? null}
          error={fault('topic')}
          onChange={(topic) => set(['topic'], topic ?? undefined)}
        />
      </Group>
    </>
  );
};
const contentFields: Record<Channel, { field: string; label: string; long?: boolean }[]> = {
  email: [
    { field: 'subject', label: 'Subject' },
    { field: 'text', label: 'Text', long: true },
    { field: 'html', label: 'HTML', long: true },
  ],
  sms: [{ field: 'body', label: 'Text', long: true }],
  push: [
    { field: 'title', label: 'Title' },
    { field: 'body', label: 'Text', long: true },
  ],
  'in-app': [
    { field: 'title', label: 'Title' },
    { field: 'body', label: 'Text', long: true },
  ],
};
const OwnContent = (props: FormProps<StepOf<'send'>>) => {
  const { step } = props;
  const { set, fault, common } = useField(props);
  return step.channels.map((channel) => (
    <Stack
      key={channel}
      gap={6}
      className={classes.own}
      role="group"
      aria-label={channelLooks[channel].label}
    >
      <Text size="xs" c="dimmed">
        {channelLooks[channel].label}
      </Text>
      {contentFields[channel].map(({ field, label, long }) => {
        const shared = {
          size: 'xs' as const,
          label,
          ...common,
          value: String((step.content?.[channel] as Record<string, unknown> | undefined)?.[field] ?? ''),
          error: fault('content', channel, field),
          onChange: (event: { currentTarget: { value: string } }) =>
            set(['content', channel, field], event.currentTarget.value),
        };
        return long ? (
          <Textarea key={field} autosize minRows={2} maxRows={8} {...shared} />
        ) : (
          <TextInput key={field} {...shared} />
        );
      })}
    </Stack>
  ));
};

const WaitFields = (props: FormProps<StepOf<'wait'>>) => {
  const { step, onChange } = props;
  const { words } = useEditing();
  const { set, fault, common, readOnly } = useField(props);
  const until = step.until;
  const how =
    step.for !== undefined
      ? 'for'
      : until?.date !== undefined
        ? 'date'
        : until?.data !== undefined
          ? 'data'
          : 'time';
  const become = (next: string | null) => {
    const { for: _, until: __, ...rest } = step;
    onChange(
      (next === 'for'
        ? { ...rest, for: '1d' }
        : next === 'date'
          ? { ...rest, until: { date: '' } }
          : next === 'data'
            ? { ...rest, until: { data: ['event', ''] } }
            : { ...rest, until: { time: '09:00' } }) as JourneyStep,
    );
  };
  return (
    <>
      <Select
        label="Waits"
        {...common}
        data={[
          { value: 'for', label: 'For a time' },
          { value: 'time', label: 'Until a time of the day' },
          { value: 'date', label: 'Until a date of the person' },
          { value: 'data', label: 'Until a date in the journey’s data' },
        ]}
        value={how}
        onChange={become}
      />
      {how === 'for' ? (
        <DurationField
          label="How long"
          value={step.for}
          error={fault('for')}
          onChange={(value) => onChange({ ...step, for: value ?? '' }, `${props.name} for`)}
        />
      ) : (
        <>
          {how === 'date' && (
            <AttributeField
              label="Attribute"
              data={words.attributes.map(({ name }) => name)}
              value={pathText(until?.date)}
              error={fault('until', 'date')}
              onChange={(text) => onChange({ ...step, until: { ...until, date: pathFrom(text) } })}
            />
          )}
          {how === 'data' && (
            <TextInput
              label="Path into its data"
              placeholder="event.appointment"
              {...common}
              error={fault('until', 'data')}
              value={pathText(until?.data)}
              onChange={(event) =>
                onChange({ ...step, until: { ...until, data: pathFrom(event.currentTarget.value) } }, 'data')
              }
            />
          )}
          <Group grow align="flex-start">
            {how !== 'time' && (
              <TextInput
                label="Shifted by"
                placeholder="-24h"
                {...common}
                error={fault('until', 'shift')}
                value={until?.shift ?? ''}
                onChange={(event) => set(['until', 'shift'], event.currentTarget.value)}
              />
            )}
            <TextInput
              label="At"
              type="time"
              {...common}
              error={fault('until', 'time')}
              value={until?.time ?? ''}
              onChange={(event) => set(['until', 'time'], event.currentTarget.value)}
            />
          </Group>
          <div>
            <Text size="sm" fw={500} mb={4}>
              On
            </Text>
            <Days days={until?.days} readOnly={readOnly} onChange={(days) => set(['until', 'days'], days)} />
          </div>
        </>
      )}
    </>
  );
};
const AttributeField = ({
  label,
  data,
  value,
  error,
  onChange,
}: {
  label: string;
  data: string[];
  value: string;
  error: string | undefined;
  onChange: (text: string) => void;
}) => (
  <TagsInput
    label={label}
    maxTags={1}
    data={data}
    disabled={useEditing().readOnly}
    value={value ? [value] : []}
    error={error}
    onChange={(all) => onChange(all.at(-1) ?? '')}
  />
);

/** Things in order that may be taken out and added. */
const Rows = <T,>({
  items,
  label,
  add,
  least = 1,
  onChange,
  children,
}: {
  items: readonly T[];
  label: (at: number) => string;
  /** What the button says, and what it adds. */
  add: [string, () => T];
  least?: number;
  onChange: (items: T[]) => void;
  children: (item: T, set: (item: T) => void, at: number) => ReactNode;
}) => {
  const { readOnly } = useEditing();
  return (
    <>
      {items.map((item, at) => (
        <Stack key={at} gap={6} className={classes.own} role="group" aria-label={label(at)}>
          <Group justify="space-between" wrap="nowrap">
            <Text size="xs" c="dimmed">
              {label(at)}
            </Text>
            {!readOnly && items.length > least && (
              <ActionIcon
                variant="subtle"
                color="gray"
                size="sm"
                aria-label={`Remove ${label(at)}`}
                onClick={() => onChange(items.filter((_, n) => n !== at))}
              >
                <IconTrash size={14} />
              </ActionIcon>
            )}
          </Group>
          {children(item, (next) => onChange(items.map((one, n) => (n === at ? next : one))), at)}
        </Stack>
      ))}
      {!readOnly && items.length < 20 && (
        <div>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlus size={14} />}
            onClick={() => onChange([...items, add[1]()])}
          >
            {add[0]}
          </Button>
        </div>
      )}
    </>
  );
};

const ConditionBranches = (props: FormProps<StepOf<'condition'>>) => {
  const { step, onChange } = props;
  const { fault, common } = useField(props);
  return (
    <Rows
      items={step.branches}
      label={(at) => `Branch ${at + 1}`}
      add={['Branch', () => ({ if: { and: [] }, next: null })]}
      onChange={(branches) => onChange({ ...step, branches })}
    >
      {(branch, set, at) => (
        <>
          <TextInput
            size="xs"
            aria-label={`Name of branch ${at + 1}`}
            placeholder={`branch ${at + 1}`}
            {...common}
            value={branch.name ?? ''}
            onChange={(event) => {
              const { name: _, ...rest } = branch;
              const name = event.currentTarget.value;
              set(name ? { ...rest, name } : rest);
            }}
          />
          <ConditionFields clause={branch.if} onChange={(clause) => set({ ...branch, if: clause })} />
          <Fault>{fault('branches', at)}</Fault>
        </>
      )}
    </Rows>
  );
};
const Fault = ({ children }: { children: string | undefined }) =>
  children ? (
    <Text size="xs" c="var(--status-failed)">
      {children}
    </Text>
  ) : null;

const SplitFields = (props: FormProps<StepOf<'split'>>) => {
  const { step, onChange } = props;
  const { fault, common } = useField(props);
  const sum = step.shares.reduce((all, { percent }) => all + percent, 0);
  return (
    <>
      <Rows
        items={step.shares}
        label={(at) => `Share ${at + 1}`}
        least={2}
        add={[
          'Share',
          () => ({
            name: String.fromCharCode(65 + step.shares.length),
            percent: Math.max(0, 100 - sum),
            next: null,
          }),
        ]}
        onChange={(shares) => onChange({ ...step, shares })}
      >
        {(share, set, at) => (
          <Group grow align="flex-start">
            <TextInput
              size="xs"
              aria-label={`Name of share ${at + 1}`}
              {...common}
              value={share.name}
              onChange={(event) => set({ ...share, name: event.currentTarget.value })}
            />
            <NumberInput
              size="xs"
              aria-label={`Per cent of share ${at + 1}`}
              suffix=" %"
              min={0}
              max={100}
              {...common}
              value={share.percent}
              onChange={(value) => set({ ...share, percent: Number(value) })}
            />
          </Group>
        )}
      </Rows>
      <Text size="xs" c={Math.abs(sum - 100) < 0.001 ? 'dimmed' : 'var(--status-failed)'}>
        {fault('shares') ?? `${sum} per cent in all`}
      </Text>
    </>
  );
};

const ListenFields = (props: FormProps<StepOf<'listen'>>) => {
  const { step, onChange } = props;
  const { fault } = useField(props);
  return (
    <>
      <Rows
        items={step.for}
        label={(at) => `Or this (${at + 1})`}
        add={['Something else', () => ({ on: { event: '' }, next: null })]}
        onChange={(all) => onChange({ ...step, for: all })}
      >
        {(one, set, at) => (
          <>
            <TriggerFields label="Waits for" on={one.on} onChange={(on) => set({ ...one, on })} />
            <Fault>{fault('for', at)}</Fault>
          </>
        )}
      </Rows>
      <DurationField
        label="At most for"
        value={step.within}
        error={fault('within')}
        onChange={(within) => onChange({ ...step, within: within ?? '' }, `${props.name} within`)}
      />
    </>
  );
};

const UpdateFields = (props: FormProps<StepOf<'update'>>) => {
  const { words } = useEditing();
  const { fault } = useField(props);
  return (
    <ValueRows
      label="Attributes"
      values={props.step.attributes}
      names={words.attributes.map(({ name }) => name)}
      error={fault('attributes')}
      onChange={(attributes) =>
        props.onChange({ ...props.step, attributes } as JourneyStep, `${props.name} attributes`)
      }
    />
  );
};
const EmitFields = (props: FormProps<StepOf<'emit'>>) => {
  const { step, onChange } = props;
  const { set, fault, common } = useField(props);
  return (
    <>
      <TextInput
        label="Event"
        placeholder="order.late"
        {...common}
        value={step.event}
        error={fault('event')}
        onChange={(event) => onChange({ ...step, event: event.currentTarget.value }, `${props.name} event`)}
      />
      <ValueRows
        label="Properties"
        values={step.properties}
        error={fault('properties')}
        onChange={(properties) => set(['properties'], properties)}
      />
    </>
  );
};
const CallFields = (props: FormProps<StepOf<'call'>>) => {
  const { step, onChange } = props;
  const { set, fault, common } = useField(props);
  return (
    <>
      <TextInput
        label="Address"
        {...common}
        value={step.url}
        error={fault('url')}
        onChange={(event) => onChange({ ...step, url: event.currentTarget.value }, `${props.name} url`)}
      />
      <Group grow align="flex-start">
        <Select
          label="Method"
          {...common}
          data={['POST', 'PUT', 'GET']}
          value={step.method}
          onChange={(method) => set(['method'], method)}
        />
        <DurationField
          label="Answers within"
          value={step.timeout}
          error={fault('timeout')}
          onChange={(timeout) => onChange({ ...step, timeout: timeout ?? '' }, `${props.name} timeout`)}
        />
        <NumberInput
          label="Tries"
          min={1}
          max={10}
          {...common}
          value={step.tries}
          error={fault('tries')}
          onChange={(tries) => set(['tries'], Number(tries))}
        />
      </Group>
      <TextInput
        label="Keep the answer as"
        placeholder="Not kept"
        leftSection={<Text size="xs">vars.</Text>}
        leftSectionWidth={44}
        {...common}
        value={step.saveAs ?? ''}
        error={fault('saveAs')}
        onChange={(event) => set(['saveAs'], event.currentTarget.value)}
      />
      <SegmentedControl
        size="xs"
        aria-label="Body"
        {...common}
        value={step.body === undefined ? 'all' : 'own'}
        data={[
          { value: 'all', label: 'Sends person and data' },
          { value: 'own', label: 'Its own body' },
        ]}
        onChange={(value) => set(['body'], value === 'own' ? {} : undefined)}
      />
      {step.body !== undefined && (
        <ValueRows
          label="Body"
          values={step.body}
          error={fault('body')}
          onChange={(body) => set(['body'], body)}
        />
      )}
      <ValueRows
        label="Headers"
        values={step.headers}
        error={fault('headers')}
        onChange={(headers) =>
          set(
            ['headers'],
            Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
          )
        }
      />
    </>
  );
};
const ListFields = (props: FormProps<StepOf<'list'>>) => {
  const { step, onChange } = props;
  const { audiences } = useEditing();
  const { fault, common } = useField(props);
  return (
    <Group grow align="flex-start">
      <Select
        label="The person"
        {...common}
        data={[
          { value: 'join', label: 'joins' },
          { value: 'leave', label: 'leaves' },
        ]}
        value={step.change}
        onChange={(change) => onChange({ ...step, change: change as 'join' })}
      />
      <Select
        label="List"
        searchable
        placeholder="Choose"
        {...common}
        data={withOwn(
          audiences.filter(({ list }) => list),
          step.audience,
        )}
        value={step.audience || null}
        error={fault('audience')}
        onChange={(audience) => onChange({ ...step, audience: audience ?? '' })}
      />
    </Group>
  );
};
const StartFields = (props: FormProps<StepOf<'start'>>) => {
  const { step, onChange } = props;
  const { journeys } = useEditing();
  const { set, fault, common } = useField(props);
  return (
    <>
      <Select
        label="Journey"
        searchable
        placeholder="Choose"
        {...common}
        data={withOwn(journeys, step.journey)}
        value={step.journey || null}
        error={fault('journey')}
        onChange={(journey) => onChange({ ...step, journey: journey ?? '' })}
      />
      <ValueRows
        label="Data it begins with"
        values={step.data}
        error={fault('data')}
        onChange={(data) => set(['data'], data)}
      />
    </>
  );
};
const ThrottleFields = (props: FormProps<StepOf<'throttle'>>) => {
  const { step, onChange } = props;
  const { set, fault, common } = useField(props);
  return (
    <>
      <Group grow align="flex-start">
        <NumberInput
          label="At most"
          min={1}
          {...common}
          value={step.most}
          error={fault('most')}
          onChange={(most) => set(['most'], Number(most))}
        />
        <DurationField
          label="Within"
          value={step.per}
          error={fault('per')}
          onChange={(per) => onChange({ ...step, per: per ?? '' }, `${props.name} per`)}
        />
      </Group>
      <TextInput
        label="Counted by"
        placeholder="The person"
        description="A path into its data: each value is counted apart"
        {...common}
        value={pathText(step.key)}
        error={fault('key')}
        onChange={(event) =>
          set(['key'], event.currentTarget.value === '' ? undefined : pathFrom(event.currentTarget.value))
        }
      />
    </>
  );
};
const DigestFields = (props: FormProps<StepOf<'digest'>>) => {
  const { step, onChange } = props;
  const { set, fault, common } = useField(props);
  return (
    <Group grow align="flex-start">
      <DurationField
        label="Gathers for"
        value={step.within}
        error={fault('within')}
        onChange={(within) => onChange({ ...step, within: within ?? '' }, `${props.name} within`)}
      />
      <NumberInput
        label="At once with"
        min={1}
        max={1000}
        {...common}
        value={step.most}
        error={fault('most')}
        onChange={(most) => set(['most'], Number(most))}
      />
    </Group>
  );
};
const EndFields = (props: FormProps<StepOf<'end'>>) => {
  const { step, onChange } = props;
  const { fault, common } = useField(props);
  return (
    <TextInput
      label="Outcome"
      description="What is counted: done, bought …"
      {...common}
      value={step.outcome}
      error={fault('outcome')}
      onChange={(event) => onChange({ ...step, outcome: event.currentTarget.value }, `${props.name} outcome`)}
    />
  );
};
