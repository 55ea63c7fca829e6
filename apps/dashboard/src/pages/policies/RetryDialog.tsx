/** Changing how a channel tries again: what it would do is told while it is typed. */
import { Button, Group, Input, Modal, NumberInput, Select, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { ChannelRetry } from '@carillon/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useState } from 'react';
import { api } from '../../api.js';
import { DialogForm, faultAt } from '../../parts/DialogForm.js';
import { channelLooks } from '../../words.js';
import {
  scheduleWords,
  secondsOf,
  spanWords,
  typedSpan,
  units,
  type Policy,
  type TypedSpan,
  type Unit,
} from './waits.js';

type Changes = { [Name in keyof Policy]: number | null };

export const RetryDialog = ({ retry, onClose }: { retry: ChannelRetry; onClose: () => void }) => {
  const { label } = channelLooks[retry.channel];
  const [attempts, setAttempts] = useState<number | string>(retry.attempts);
  const [spans, setSpans] = useState({
    windowSeconds: typedSpan(retry.windowSeconds),
    backoffSeconds: typedSpan(retry.backoffSeconds),
    maxBackoffSeconds: typedSpan(retry.maxBackoffSeconds),
  });
  const queryClient = useQueryClient();
  // An empty field, and one that holds the default, follow the default: also when a later version changes it.
  const own = (name: keyof Policy, value: number | null) => (value === retry.defaults[name] ? null : value);
  const changes: Changes = {
    attempts: own('attempts', attempts === '' ? null : Number(attempts)),
    windowSeconds: own('windowSeconds', secondsOf(spans.windowSeconds)),
    backoffSeconds: own('backoffSeconds', secondsOf(spans.backoffSeconds)),
    maxBackoffSeconds: own('maxBackoffSeconds', secondsOf(spans.maxBackoffSeconds)),
  };
  const given = Object.entries(changes).filter(([, value]) => value !== null);
  const typed: Policy = { ...retry.defaults, ...Object.fromEntries(given) };
  const save = useMutation({
    mutationFn: (changed: Changes) => api.accounts.updateRetryPolicy(retry.channel, changed),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: ['policies', 'retry'] });
      notifications.show({ message: `${label}: saved. It holds from the next attempt.` });
      onClose();
    },
  });
  const errorAt = (name: keyof Policy) => faultAt(save.error, `/${name}`);
  const span = (name: keyof typeof spans, title: string, description: string) => (
    <Span
      label={title}
      description={`${description} By default ${spanWords(retry.defaults[name])}.`}
      value={spans[name]}
      error={errorAt(name)}
      onChange={(value) => setSpans({ ...spans, [name]: value })}
    />
  );
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>{label}: trying again</Text>}>
      <DialogForm
        action="Save"
        busy={save.isPending}
        error={save.error}
        shown={(Object.keys(changes) as (keyof Policy)[]).some(errorAt)}
        onClose={onClose}
        onSubmit={() => save.mutate(changes)}
        aside={
          <Button
            variant="subtle"
            color="gray"
            disabled={retry.changed.length === 0}
            onClick={() =>
              save.mutate({
                attempts: null,
                windowSeconds: null,
                backoffSeconds: null,
                maxBackoffSeconds: null,
              })
            }
          >
            Back to the default
          </Button>
        }
      >
        <NumberInput
          label="Attempts"
          description={`In all, the first included. By default ${retry.defaults.attempts}.`}
          min={1}
          max={50}
          allowDecimal={false}
          value={attempts}
          error={errorAt('attempts')}
          onChange={setAttempts}
          data-autofocus
        />
        {span('windowSeconds', 'Within', 'Nothing is tried later than this after acceptance.')}
        {span('backoffSeconds', 'First wait', 'Doubled with each attempt.')}
        {span('maxBackoffSeconds', 'Longest wait', 'Unless the provider asks for a longer one.')}
        <Text size="sm" c="dimmed" aria-live="polite">
          {scheduleWords(typed)}
        </Text>
      </DialogForm>
    </Modal>
  );
};

const Span = ({
  label,
  description,
  value,
  error,
  onChange,
}: {
  label: string;
  description: string;
  value: TypedSpan;
  error: string | undefined;
  onChange: (value: TypedSpan) => void;
}) => {
  const id = useId();
  return (
    <Input.Wrapper id={id} label={label} description={description} error={error}>
      <Group gap="xs" wrap="nowrap" mt={5} mb={error ? 5 : 0}>
        <NumberInput
          id={id}
          flex={1}
          min={0}
          value={value.count}
          error={Boolean(error)}
          onChange={(count) => onChange({ ...value, count })}
        />
        <Select
          aria-label={`${label}: unit`}
          w={120}
          data={[...units]}
          value={value.unit}
          onChange={(unit) => onChange({ ...value, unit: unit as Unit })}
        />
      </Group>
    </Input.Wrapper>
  );
};
