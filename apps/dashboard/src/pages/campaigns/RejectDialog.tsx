/** Asks for changes of a campaign that was prepared: it is a draft again, with what is to be changed. */
import { Modal, Text, Textarea } from '@mantine/core';
import type { Campaign } from '@carillon/contracts';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm } from '../../parts/DialogForm.js';

interface Props {
  campaign: Campaign;
  onClose: () => void;
  onDone: (changed: Campaign) => void;
}

export const RejectDialog = ({ campaign, onClose, onDone }: Props) => {
  const [comment, setComment] = useState('');
  const reject = useMutation({
    mutationFn: () => api.campaigns.reject(campaign.id, { comment, ifVersion: campaign.version }),
    onSuccess: (changed) => {
      onDone(changed);
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Ask for changes</Text>}>
      <DialogForm
        action="Send back"
        busy={reject.isPending}
        error={reject.error}
        onClose={onClose}
        onSubmit={() => reject.mutate()}
      >
        <Textarea
          label="What is to be changed"
          description="It is a draft again, and whoever wrote it reads this."
          required
          autosize
          minRows={3}
          maxLength={500}
          data-autofocus
          value={comment}
          onChange={(event) => setComment(event.currentTarget.value)}
        />
      </DialogForm>
    </Modal>
  );
};
