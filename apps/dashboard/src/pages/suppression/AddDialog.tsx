/** Adds addresses or domains to the suppression list, one a line. */
import { Modal, SegmentedControl, Select, Text, Textarea } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { SuppressionReason } from '@carillon/contracts';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm } from '../../parts/DialogForm.js';
import { reasonChoices } from './reasons.js';

const MOST = 1000;

export const AddDialog = ({ onClose, onDone }: { onClose: () => void; onDone: () => Promise<void> }) => {
  const [channel, setChannel] = useState<'email' | 'sms'>('email');
  const [reason, setReason] = useState<SuppressionReason>('suppressed_manually');
  const [text, setText] = useState('');
  const [tried, setTried] = useState(false);
  const addresses = text.split(/[\n,;]/).flatMap((line) => line.trim() || []);
  const add = useMutation({
    mutationFn: () => api.suppressions.add(addresses.map((address) => ({ channel, address, reason }))),
    onSuccess: async (added) => {
      await onDone();
      notifications.show({
        message: added === addresses.length ? `${added} added.` : `${added} added; the others were there.`,
      });
      onClose();
    },
  });
  const fault =
    addresses.length === 0
      ? 'Write at least one address.'
      : addresses.length > MOST
        ? `At most ${MOST} at once: import a file instead.`
        : undefined;
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Add to the suppression list</Text>}>
      <DialogForm
        action={addresses.length > 1 ? `Add ${addresses.length}` : 'Add'}
        busy={add.isPending}
        error={add.error}
        onClose={onClose}
        onSubmit={() => {
          setTried(true);
          if (!fault) add.mutate();
        }}
      >
        <SegmentedControl
          aria-label="Channel"
          value={channel}
          onChange={(value) => setChannel(value as typeof channel)}
          data={[
            { value: 'email', label: 'Email' },
            { value: 'sms', label: 'SMS' },
          ]}
        />
        <Textarea
          label="Addresses"
          description={
            channel === 'email'
              ? 'One a line; @example.com for a whole domain.'
              : 'One a line, with + and country code.'
          }
          autosize
          minRows={4}
          maxRows={12}
          value={text}
          error={tried && fault}
          onChange={(event) => setText(event.currentTarget.value)}
          data-autofocus
        />
        <Select
          label="Reason"
          data={reasonChoices}
          value={reason}
          allowDeselect={false}
          onChange={(value) => setReason(value as SuppressionReason)}
        />
      </DialogForm>
    </Modal>
  );
};
