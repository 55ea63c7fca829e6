/** The fields of one channel's content, each with its own errors. */
import { Input, Skeleton, Stack, Text, Textarea, TextInput } from '@mantine/core';
import type { Channel } from '@carillon/contracts';
import { lazy, Suspense } from 'react';
import { fieldSpecs, type ChannelDraft, type FieldError } from './draft.js';

const CodeEditor = lazy(() => import('../../parts/CodeEditor.js'));

interface ChannelFieldsProps {
  channel: Channel;
  /** Tells the editors apart when another locale or version is shown. */
  scope: string;
  draft: ChannelDraft;
  faults: Record<string, string>;
  errors: Record<string, FieldError[]>;
  readOnly: boolean;
  onChange: (name: string, value: string) => void;
}
const heights: Record<string, number> = { html: 300, text: 110, body: 110, data: 70 };

export const ChannelFields = ({
  channel,
  scope,
  draft,
  faults,
  errors,
  readOnly,
  onChange,
}: ChannelFieldsProps) => (
  <Stack gap="md">
    {fieldSpecs[channel].map(({ name, label, kind, required, description }) => {
      const value = draft[name] ?? '';
      const told = [faults[name], ...(errors[name] ?? []).map((error) => error.message)].filter(
        (sentence): sentence is string => Boolean(sentence),
      );
      const error = told.length ? told.join(' ') : undefined;
      const id = `${channel}-${name}`;
      if (kind === 'line' || kind === 'area') {
        const shared = {
          id,
          label,
          description,
          error,
          value,
          withAsterisk: required,
          disabled: readOnly,
          onChange: (event: { currentTarget: { value: string } }) =>
            onChange(name, event.currentTarget.value),
        };
        return kind === 'line' ? (
          <TextInput key={name} {...shared} />
        ) : (
          <Textarea key={name} {...shared} autosize minRows={2} maxRows={10} />
        );
      }
      return (
        <div key={name}>
          <Input.Label required={required} labelElement="div">
            {label}
          </Input.Label>
          {description && (
            <Input.Description id={`${id}-about`} mb={6}>
              {description}
            </Input.Description>
          )}
          <Suspense fallback={<Skeleton h={heights[name] ?? 90} />}>
            <CodeEditor
              key={`${scope} ${id}`}
              value={value}
              onChange={(text) => onChange(name, text)}
              language={kind === 'json' ? 'json' : 'liquid'}
              label={label}
              minHeight={heights[name] ?? 90}
              errors={errors[name]}
              readOnly={readOnly}
              describedBy={description ? `${id}-about` : undefined}
            />
          </Suspense>
          {error && (
            <Text role="alert" size="xs" c="var(--mantine-color-error)" mt={5}>
              {error}
            </Text>
          )}
        </div>
      );
    })}
  </Stack>
);
