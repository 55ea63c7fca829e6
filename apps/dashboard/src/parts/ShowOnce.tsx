/** A secret, once. Closing asks for a deliberate click: there is no second look. */
import { Button, CopyButton, Group, Modal, Stack, Text } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Notice } from './Notice.js';
import classes from './ShowOnce.module.css';

interface ShowOnceProps {
  title: string;
  /** Its word in "Copy the …". */
  what: 'key' | 'secret';
  /** Nothing: nothing is shown. */
  value: string | undefined;
  /** Why it must be copied now. */
  children: ReactNode;
  onClose: () => void;
}
export const ShowOnce = ({ title, what, value, children, onClose }: ShowOnceProps) => (
  <Modal
    opened={value !== undefined}
    onClose={onClose}
    closeOnClickOutside={false}
    closeOnEscape={false}
    withCloseButton={false}
    title={<Text fw={600}>{title}</Text>}
  >
    <Stack>
      <Notice tone="warning">{children}</Notice>
      <code className={classes.value}>{value}</code>
      <Group justify="flex-end">
        <CopyButton value={value ?? ''}>
          {({ copied, copy }) => (
            <Button
              leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
              onClick={copy}
              data-autofocus
            >
              {copied ? 'Copied' : `Copy the ${what}`}
            </Button>
          )}
        </CopyButton>
        <Button variant="default" onClick={onClose}>
          I have kept it
        </Button>
      </Group>
    </Stack>
  </Modal>
);
