/** Steps that do something beside sending: to the person, to lists and journeys, to servers; and the end. */
import { Group, NumberInput, SegmentedControl, Select, Text, TextInput } from '@mantine/core';
import type { JourneyStep, StepOf } from '@carillon/contracts';
import { useEditing } from '../editing.js';
import { DurationField, ValueRows, withOwn } from '../fields.js';
import { useField, type FormProps } from './field.js';

export const UpdateFields = (props: FormProps<StepOf<'update'>>) => {
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
export const EmitFields = (props: FormProps<StepOf<'emit'>>) => {
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
export const CallFields = (props: FormProps<StepOf<'call'>>) => {
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
export const ListFields = (props: FormProps<StepOf<'list'>>) => {
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
export const StartFields = (props: FormProps<StepOf<'start'>>) => {
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
export const EndFields = (props: FormProps<StepOf<'end'>>) => {
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
