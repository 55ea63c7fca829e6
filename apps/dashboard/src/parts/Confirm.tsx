/** One question before something that cannot be taken back. */
import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import { ApiProblem, ConnectionError } from '../api.js';

interface ConfirmProps {
  opened: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  action: string;
  harmless?: boolean;
  /** To be written out first, where there is no way back at all. */
  typed?: string;
  onConfirm: () => Promise<unknown>;
}
export const Confirm = ({
  opened,
  onClose,
  title,
  children,
  action,
  harmless,
  typed,
  onConfirm,
}: ConfirmProps) => {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<string>();
  const [written, setWritten] = useState('');
  const close = () => {
    setFailed(undefined);
    setWritten('');
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
        {typed !== undefined && (
          <TextInput
            label={`Write ${typed} to go on`}
            value={written}
            onChange={(event) => setWritten(event.currentTarget.value)}
            autoComplete="off"
          />
        )}
        {failed && (
          <Text role="alert" c="var(--status-failed)" size="sm">
            {failed}
          </Text>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            Keep as it is
          </Button>
          <Button
            color={harmless ? undefined : 'red.8'}
            loading={busy}
            disabled={typed !== undefined && written.trim() !== typed}
            onClick={() => void confirm()}
          >
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
