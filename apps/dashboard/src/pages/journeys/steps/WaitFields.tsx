/** Steps that take time: a wait, and a digest that gathers meanwhile. */
import { Group, NumberInput, Select, TagsInput, Text, TextInput } from '@mantine/core';
import type { JourneyStep, StepOf } from '@carillon/contracts';
import { useEditing } from '../editing.js';
import { channelData, Days, DurationField, pathFrom, pathText } from '../fields.js';
import { useField, type FormProps } from './field.js';

export const WaitFields = (props: FormProps<StepOf<'wait'>>) => {
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
          : until?.quietHours !== undefined
            ? 'quiet'
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
            : next === 'quiet'
              ? { ...rest, until: { quietHours: 'any' } }
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
          { value: 'quiet', label: 'Until quiet hours are over' },
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
      ) : how === 'quiet' ? (
        <Select
          label="Those for"
          description="The quiet hours of the workspace, where the person is"
          {...common}
          data={[{ value: 'any', label: 'Any channel' }, ...channelData]}
          value={until?.quietHours ?? 'any'}
          error={fault('until', 'quietHours')}
          onChange={(channel) => set(['until', 'quietHours'], channel ?? 'any')}
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

export const DigestFields = (props: FormProps<StepOf<'digest'>>) => {
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
