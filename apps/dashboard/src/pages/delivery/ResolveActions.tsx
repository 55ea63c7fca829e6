/** What a person can decide about a delivery whose outcome is unknown. Who decided stands in its timeline. */
import { Button, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { Delivery, Resolve } from '@carillon/contracts';
import { useQueryClient } from '@tanstack/react-query';
import { IconCheck, IconRepeat, IconX, type Icon } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Confirm } from '../../parts/Confirm.js';
import { Notice } from '../../parts/Notice.js';
import { useCan } from '../../session.js';
import classes from './DeliveryPage.module.css';

const decisions: Record<Resolve['as'], { label: string; icon: Icon; means: string; done: string }> = {
  sent: {
    label: 'It arrived',
    icon: IconCheck,
    means: 'It counts as sent, and is not sent again.',
    done: 'Recorded as sent.',
  },
  failed: {
    label: 'It did not arrive',
    icon: IconX,
    means: 'It counts as failed. A later step of its route goes out now.',
    done: 'Recorded as failed.',
  },
  resend: {
    label: 'Send it again',
    icon: IconRepeat,
    means: 'It is sent once more and marked as a possible duplicate: the person may get it twice.',
    done: 'It is on its way again.',
  },
};

export const ResolveActions = ({ delivery }: { delivery: Delivery }) => {
  const may = useCan('messages:write');
  const [chosen, setChosen] = useState<Resolve['as']>();
  const [note, setNote] = useState('');
  const queryClient = useQueryClient();
  if (delivery.status !== 'unknown') return null;
  const close = () => {
    setChosen(undefined);
    setNote('');
  };
  return (
    <Notice
      between
      tone="warning"
      title={
        delivery.dueAt ? 'Nobody knows yet whether it arrived' : 'A person has to decide whether it arrived'
      }
    >
      {delivery.dueAt
        ? 'A receipt or the provider may still tell. You can decide now if you know.'
        : 'Neither a receipt nor the provider could tell. Ask the recipient or look at the provider, then decide.'}
      {may && (
        <div className={classes.decide}>
          {(Object.keys(decisions) as Resolve['as'][]).map((as) => {
            const { label, icon: DecisionIcon } = decisions[as];
            return (
              <Button
                key={as}
                size="xs"
                variant="default"
                leftSection={<DecisionIcon size={14} />}
                onClick={() => setChosen(as)}
              >
                {label}
              </Button>
            );
          })}
        </div>
      )}
      <Confirm
        opened={chosen !== undefined}
        onClose={close}
        title={chosen ? `${decisions[chosen].label}?` : ''}
        action={chosen ? decisions[chosen].label : ''}
        harmless={chosen !== 'resend'}
        onConfirm={async () => {
          if (!chosen) return;
          await api.deliveries.resolve(delivery.id, {
            as: chosen,
            ...(note.trim() && { note: note.trim() }),
          });
          notifications.show({ message: decisions[chosen].done });
          await queryClient.invalidateQueries({ queryKey: ['deliveries'] });
        }}
      >
        <Text mb="sm">{chosen && decisions[chosen].means}</Text>
        <TextInput
          label="How do you know?"
          description="Kept in the timeline beside your name."
          value={note}
          maxLength={500}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
      </Confirm>
    </Notice>
  );
};
