/** Asks before what was typed is lost: on a way to another page by a question of ours, on closing by the browser's. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';

interface GuardProps {
  dirty: () => boolean;
  what?: string;
  /** Another view of the same page loses nothing. */
  within?: boolean;
}
export const LeaveGuard = ({ dirty, what = 'template', within = false }: GuardProps) => {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => dirty() && !(within && current.pathname === next.pathname),
    enableBeforeUnload: dirty,
    withResolver: true,
  });
  return (
    <Modal
      opened={blocker.status === 'blocked'}
      onClose={() => blocker.reset?.()}
      title={<Text fw={600}>Leave without saving?</Text>}
    >
      <Stack>
        <Text c="dimmed">What you changed in this {what} is lost.</Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={() => blocker.reset?.()} data-autofocus>
            Stay here
          </Button>
          <Button color="red.8" onClick={() => blocker.proceed?.()}>
            Leave
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
};
