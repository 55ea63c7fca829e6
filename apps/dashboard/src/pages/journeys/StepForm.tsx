/** The settings of one step, by its kind; and where its ways lead. */
import { Group, Select, Stack, Switch, Textarea, TextInput } from '@mantine/core';
import type { JourneyStepKind, StepOf } from '@carillon/contracts';
import { useState, type ReactNode } from 'react';
import { extraWays, waysOf, withAt, type Place } from './document.js';
import { faultAt, useEditing } from './editing.js';
import { useSteps, withOwn } from './fields.js';
import classes from './Journeys.module.css';
import { kindLooks, wayLabel } from './looks.js';
import {
  CallFields,
  EmitFields,
  EndFields,
  ListFields,
  StartFields,
  UpdateFields,
} from './steps/DeedFields.js';
import type { FormProps } from './steps/field.js';
import { ConditionBranches, ListenFields, SplitFields, ThrottleFields } from './steps/ForkFields.js';
import { SendFields } from './steps/SendFields.js';
import { DigestFields, WaitFields } from './steps/WaitFields.js';

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
      {dated &&
        (extraWays[step.kind] ?? []).map(({ at, label }) => (
          <Switch
            key={at}
            size="xs"
            label={`${label}: another way`}
            disabled={readOnly}
            checked={(step as unknown as Record<string, unknown>)[at] !== undefined}
            onChange={(event) => onChange(withAt(step, [at], event.currentTarget.checked ? null : undefined))}
          />
        ))}
    </fieldset>
  );
};
