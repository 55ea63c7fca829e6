/** Steps that part ways: by conditions, by shares, by what happens first, by how many may pass. */
import { Group, NumberInput, Text, TextInput } from '@mantine/core';
import type { StepOf } from '@carillon/contracts';
import { ConditionFields, DurationField, pathFrom, pathText, TriggerFields } from '../fields.js';
import { Fault, useField, type FormProps } from './field.js';
import { Rows } from './Rows.js';

export const ConditionBranches = (props: FormProps<StepOf<'condition'>>) => {
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
export const SplitFields = (props: FormProps<StepOf<'split'>>) => {
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

export const ListenFields = (props: FormProps<StepOf<'listen'>>) => {
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

export const ThrottleFields = (props: FormProps<StepOf<'throttle'>>) => {
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
