/** Releases many addresses at once, by domain, reason and dates: counted first, and only what was counted. */
import { Group, Modal, SegmentedControl, Select, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { SuppressionReason } from '@carillon/contracts';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm } from '../../parts/DialogForm.js';
import { Notice } from '../../parts/Notice.js';
import { whole } from '../home/tally.js';
import { reasonChoices } from './reasons.js';

interface Wish {
  channel: 'email' | 'sms';
  domain: string;
  reason: SuppressionReason | null;
  from: string;
  to: string;
}
/** Midnight of a day, where the reader is. */
const startOf = (day: string, after = 0): string => {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date + after).toISOString();
};

export const ReleaseDialog = ({ onClose, onDone }: { onClose: () => void; onDone: () => Promise<void> }) => {
  const [wish, setWish] = useState<Wish>({ channel: 'email', domain: '', reason: null, from: '', to: '' });
  const [counted, setCounted] = useState<number>();
  const change = (part: Partial<Wish>) => {
    setWish((before) => ({ ...before, ...part }));
    setCounted(undefined);
  };
  const release = useMutation({
    mutationFn: (dryRun: boolean) =>
      api.suppressions.release({
        dryRun,
        channel: wish.channel,
        ...(wish.domain.trim() && { domain: wish.domain.trim().replace(/^@/, '') }),
        ...(wish.reason && { reason: wish.reason }),
        ...(wish.from && { from: startOf(wish.from) }),
        ...(wish.to && { to: startOf(wish.to, 1) }),
      }),
    onSuccess: async ({ dryRun, matching, released }) => {
      setCounted(matching);
      if (dryRun) return;
      await onDone();
      notifications.show({ message: `${whole(released)} released.` });
      onClose();
    },
  });
  const ready = counted !== undefined && counted > 0;
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Release many</Text>}>
      <DialogForm
        action={ready ? `Release ${whole(counted)}` : 'Count'}
        busy={release.isPending}
        error={release.error}
        onClose={onClose}
        onSubmit={() => release.mutate(!ready)}
      >
        <Text size="sm" c="dimmed">
          For example after a provider blocked a domain by mistake. It is counted first.
        </Text>
        <SegmentedControl
          aria-label="Channel"
          value={wish.channel}
          onChange={(value) => change({ channel: value as Wish['channel'] })}
          data={[
            { value: 'email', label: 'Email' },
            { value: 'sms', label: 'SMS' },
          ]}
        />
        {wish.channel === 'email' && (
          <TextInput
            label="Domain"
            placeholder="example.com"
            value={wish.domain}
            onChange={(event) => change({ domain: event.currentTarget.value })}
            data-autofocus
          />
        )}
        <Select
          label="Reason"
          placeholder="Every reason"
          data={reasonChoices}
          value={wish.reason}
          clearable
          onChange={(value) => change({ reason: value as SuppressionReason | null })}
        />
        <Group grow>
          <TextInput
            label="Added from"
            type="date"
            value={wish.from}
            onChange={(event) => change({ from: event.currentTarget.value })}
          />
          <TextInput
            label="Added until"
            type="date"
            value={wish.to}
            onChange={(event) => change({ to: event.currentTarget.value })}
          />
        </Group>
        {counted !== undefined && (
          <Notice tone={counted > 0 ? 'warning' : 'good'} alert>
            {counted > 0
              ? `${whole(counted)} match and may be written to again. Blocks that came from people themselves should stay.`
              : 'Nothing matches.'}
          </Notice>
        )}
      </DialogForm>
    </Modal>
  );
};
