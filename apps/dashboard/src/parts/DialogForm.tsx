/** The frame of a form in a dialog: its fields, what went wrong, and the buttons that end it. */
import { Button, Group, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { ApiProblem } from '../api.js';
import { messageOf } from './Confirm.js';

interface DialogFormProps {
  children: ReactNode;
  /** What the button says that submits. */
  action: string;
  busy: boolean;
  error: unknown;
  /** The error is shown at a field already. */
  shown?: boolean;
  /** A button apart, at the left. */
  aside?: ReactNode;
  onSubmit: () => void;
  onClose: () => void;
}
export const DialogForm = ({
  children,
  action,
  busy,
  error,
  shown,
  aside,
  onSubmit,
  onClose,
}: DialogFormProps) => (
  <form
    onSubmit={(event) => {
      event.preventDefault();
      onSubmit();
    }}
  >
    <Stack>
      {children}
      {error != null && !shown && (
        <Text role="alert" size="sm" c="var(--status-failed)">
          {messageOf(error)}
        </Text>
      )}
      <Group justify={aside ? 'space-between' : 'flex-end'}>
        {aside}
        <Group gap="sm">
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          <Button type="submit" loading={busy}>
            {action}
          </Button>
        </Group>
      </Group>
    </Stack>
  </form>
);

/** What the API said about a field of the body: `/url`. */
export const faultAt = (error: unknown, pointer: string): string | undefined =>
  error instanceof ApiProblem ? error.errors.find((one) => one.pointer === pointer)?.message : undefined;
