/** Cancel and reschedule, while nothing has left. Both act on the message, so they say how many deliveries that is. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type { Delivery } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { IconCalendarEvent, IconHandStop } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { useCan } from '../../session.js';
import { absoluteWithZone, fromLocalInput, toLocalInput, zoneName } from '../../time.js';

const several = (count: number) => (count === 1 ? '1 delivery' : `${count} deliveries`);

export const StopActions = ({ delivery }: { delivery: Delivery }) => {
  const may = useCan('messages:write');
  const waiting = delivery.status === 'scheduled' || delivery.status === 'queued';
  const [cancelOpened, cancel] = useDisclosure(false);
  const [timeOpened, time] = useDisclosure(false);
  const [at, setAt] = useState('');
  const queryClient = useQueryClient();
  const message = useQuery({
    queryKey: ['messages', delivery.messageId],
    queryFn: () => api.messages.get(delivery.messageId),
    enabled: may && waiting,
  });
  const count = message.data?.deliveries.length ?? 1;
  const refresh = () => queryClient.invalidateQueries({ queryKey: ['deliveries'] });
  const reschedule = useMutation({
    mutationFn: (sendAt: string) => api.messages.reschedule(delivery.messageId, sendAt),
    onSuccess: async (result) => {
      await refresh();
      time.close();
      notifications.show({
        message: result.rescheduled
          ? `${several(result.rescheduled)} will be sent at ${absoluteWithZone(result.sendAt)}.`
          : 'Too late: it has already left.',
      });
    },
  });
  if (!may || !waiting) return null;
  const others =
    count > 1 ? ` Its message has ${several(count)}; all that have not left are changed together.` : '';
  const sendAt = fromLocalInput(at);
  return (
    <>
      <Button
        variant="default"
        leftSection={<IconCalendarEvent size={15} />}
        onClick={() => {
          setAt(toLocalInput(new Date(Date.now() + 3_600_000)));
          time.open();
        }}
      >
        Reschedule
      </Button>
      <Button variant="default" leftSection={<IconHandStop size={15} />} onClick={cancel.open}>
        Cancel it
      </Button>
      <Confirm
        opened={cancelOpened}
        onClose={cancel.close}
        title="Cancel this message?"
        action="Cancel the message"
        onConfirm={async () => {
          const result = await api.messages.cancel(delivery.messageId);
          await refresh();
          notifications.show({
            message: result.cancelled
              ? `${several(result.cancelled)} cancelled${result.alreadyLeft ? `, ${result.alreadyLeft} had already left` : ''}.`
              : 'Too late: it has already left.',
          });
        }}
      >
        It will not be sent, and this cannot be taken back.{others}
      </Confirm>
      <Modal opened={timeOpened} onClose={time.close} title={<Text fw={600}>Reschedule</Text>}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (sendAt) reschedule.mutate(sendAt);
          }}
        >
          <Stack>
            <TextInput
              type="datetime-local"
              label="Send at"
              description={`In ${zoneName()}. A time in the past means now.`}
              value={at}
              onChange={(event) => setAt(event.currentTarget.value)}
              error={reschedule.error ? messageOf(reschedule.error) : undefined}
              data-autofocus
            />
            {others && (
              <Text size="sm" c="dimmed">
                {others}
              </Text>
            )}
            <Group justify="flex-end">
              <Button variant="default" onClick={time.close}>
                Keep as it is
              </Button>
              <Button type="submit" disabled={!sendAt} loading={reschedule.isPending}>
                Reschedule
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
};
