/** A new secret, once. Closing asks for a deliberate click: there is no second look. */
import { Button, CopyButton, Group, Modal, Stack, Text } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { Notice } from '../../parts/Notice.js';
import classes from '../keys/Keys.module.css';

export const ShowSecretOnce = ({ secret, onClose }: { secret: string | undefined; onClose: () => void }) => (
  <Modal
    opened={secret !== undefined}
    onClose={onClose}
    closeOnClickOutside={false}
    closeOnEscape={false}
    withCloseButton={false}
    title={<Text fw={600}>The secret of this endpoint</Text>}
  >
    <Stack>
      <Notice tone="warning">
        Copy it now: it is not shown again. Your endpoint needs it to verify that events come from here.
      </Notice>
      <code className={classes.key}>{secret}</code>
      <Group justify="flex-end">
        <CopyButton value={secret ?? ''}>
          {({ copied, copy }) => (
            <Button
              leftSection={copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
              onClick={copy}
              data-autofocus
            >
              {copied ? 'Copied' : 'Copy the secret'}
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
