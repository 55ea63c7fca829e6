/** A new key, once. Closing asks for a deliberate click: there is no second look. */
import { Button, CopyButton, Group, Modal, Stack, Text } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { Notice } from '../../parts/Notice.js';
import classes from './Keys.module.css';

export const ShowKeyOnce = ({
  made,
  onClose,
}: {
  made: { name: string; key: string } | undefined;
  onClose: () => void;
}) => (
  <Modal
    opened={made !== undefined}
    onClose={onClose}
    closeOnClickOutside={false}
    closeOnEscape={false}
    withCloseButton={false}
    title={<Text fw={600}>Your new key: {made?.name}</Text>}
  >
    <Stack>
      <Notice tone="warning">Copy it now. Only a fingerprint is stored: nobody can show it again.</Notice>
      <code className={classes.key}>{made?.key}</code>
      <Group justify="flex-end">
        <CopyButton value={made?.key ?? ''}>
          {({ copied, copy }) => (
            <Button
              leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
              onClick={copy}
              data-autofocus
            >
              {copied ? 'Copied' : 'Copy the key'}
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
