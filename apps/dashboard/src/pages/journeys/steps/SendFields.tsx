/** A step that sends: channels in order, what it says, and how it counts. */
import { Group, MultiSelect, Select, Stack, Text, Textarea, TextInput } from '@mantine/core';
import type { Channel, JourneyStep, StepOf } from '@carillon/contracts';
import { channelLooks } from '../../../words.js';
import { useEditing } from '../editing.js';
import { channelData, DurationField, withOwn } from '../fields.js';
import classes from '../Journeys.module.css';
import { useField, type FormProps } from './field.js';

export const SendFields = (props: FormProps<StepOf<'send'>>) => {
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
