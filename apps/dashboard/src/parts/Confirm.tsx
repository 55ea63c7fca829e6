/** One question before something that cannot be taken back. */
import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { ApiProblem, ConnectionError } from '../api.js';

interface ConfirmProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  action: string;
  harmless?: boolean;
  onConfirm: () => Promise<unknown>;
}
export const Confirm = ({ opened, onClose, title, children, action, harmless, onConfirm }: ConfirmProps) => {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string>();
  const close = () => {
    setFailed(undefined);
    onClose();
  };
  const confirm = async () => {
    setBusy(true);
    setFailed(undefined);
    try {
      await onConfirm();
      close();
    } catch (error) {
      setFailed(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={close} title={<Text fw={600}>{title}</Text>}>
      <Stack>
        <Text component="div" c="dimmed">
          {children}
        </Text>
        {failed && (
          <Text role="alert" c="var(--status-failed)" size="sm">
            {failed}
          </Text>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Keep as it is
          </Button>
          <Button color={harmless ? undefined : 'red.8'} loading={busy} onClick={() => void confirm()}>
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
};
/** The sentence of a failed request, for places too small for a whole `Failure`. */
export const messageOf = (error: unknown): string =>
  error instanceof ConnectionError
    ? 'The server cannot be reached. Check your connection and try again.'
    : error instanceof ApiProblem
      ? error.detail
      : error instanceof Error
        ? error.message
        : String(error);
