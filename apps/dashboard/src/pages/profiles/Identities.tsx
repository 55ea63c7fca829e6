/** Other names of a person, and making one profile of two. */
import { ActionIcon, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import type { Identity, Profile } from '@carillon/contracts';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Confirm } from '../../parts/Confirm.js';
import { DialogForm, faultAt } from '../../parts/DialogForm.js';
import { Copyable } from '../../parts/Facts.js';
import { Section } from '../../parts/PageHeader.js';
import { useCan } from '../../session.js';
import classes from './Identities.module.css';

/** Names that a merge left behind. */
const MERGED = 'external_id';

export const Identities = ({ profile }: { profile: Profile }) => {
  const mayWrite = useCan('profiles:write');
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Identity>();
  const queryClient = useQueryClient();
  return (
    <Section
      title="Other names"
      actions={
        mayWrite && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlus size={14} />}
            onClick={() => setAdding(true)}
          >
            Add a name
          </Button>
        )
      }
    >
      {profile.identities.length === 0 ? (
        <Text size="sm" c="dimmed">
          None. Events may name a person by an id of another system once it stands here.
        </Text>
      ) : (
        <ul className={classes.names}>
          {profile.identities.map((identity) => (
            <li key={`${identity.namespace} ${identity.value}`}>
              <Text span size="sm" c="dimmed">
                {identity.namespace === MERGED ? 'earlier profile' : identity.namespace}
              </Text>
              <Copyable value={identity.value} label="Copy this name" />
              {mayWrite && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  ml="auto"
                  aria-label={`Take back ${identity.namespace} ${identity.value}`}
                  onClick={() => setRemoving(identity)}
                >
                  <IconTrash size={15} />
                </ActionIcon>
              )}
            </li>
          ))}
        </ul>
      )}
      {adding && <AddName profile={profile} onClose={() => setAdding(false)} />}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title="Take this name back?"
        action="Take it back"
        onConfirm={async () => {
          if (removing) await api.profiles.removeIdentity(profile.externalId, removing);
          await queryClient.invalidateQueries({ queryKey: ['profiles'] });
        }}
      >
        Events and messages that name {removing?.value} will not find this profile any more.
      </Confirm>
    </Section>
  );
};

const AddName = ({ profile, onClose }: { profile: Profile; onClose: () => void }) => {
  const [namespace, setNamespace] = useState('');
  const [value, setValue] = useState('');
  const queryClient = useQueryClient();
  const add = useMutation({
    mutationFn: () => api.profiles.addIdentity(profile.externalId, { namespace, value }),
    onSuccess: async () => {
      await queryClient.invalidateQueries({ queryKey: ['profiles'] });
      onClose();
    },
  });
  const faults = [faultAt(add.error, ':namespace'), faultAt(add.error, ':value')];
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Another name for {profile.externalId}</Text>}>
      <DialogForm
        action="Add the name"
        busy={add.isPending}
        error={add.error}
        shown={faults.some(Boolean)}
        onSubmit={() => add.mutate()}
        onClose={onClose}
      >
        <TextInput
          label="System"
          description="Small letters, such as crm or shop."
          required
          value={namespace}
          onChange={(event) => setNamespace(event.currentTarget.value)}
          error={faults[0]}
          data-autofocus
        />
        <TextInput
          label="Their id there"
          required
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          error={faults[1]}
        />
      </DialogForm>
    </Modal>
  );
};

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`;

export const MergeDialog = ({ profile, onClose }: { profile: Profile; onClose: () => void }) => {
  const [from, setFrom] = useState('');
  const queryClient = useQueryClient();
  const merge = useMutation({
    mutationFn: () => api.profiles.merge(profile.externalId, from.trim()),
    onSuccess: async ({ outcome, moved }) => {
      await queryClient.invalidateQueries({ queryKey: ['profiles'] });
      await queryClient.invalidateQueries({ queryKey: ['timeline', profile.externalId] });
      notifications.show({
        message:
          outcome === 'already'
            ? 'They were one profile already.'
            : `Merged: ${plural(moved.events, 'event')}, ${plural(moved.devices, 'device')} and ${plural(moved.identities, 'name')} came along.`,
      });
      onClose();
    },
  });
  const fault = faultAt(merge.error, '/from');
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Merge a profile into {profile.externalId}</Text>}>
      <DialogForm
        action="Merge for good"
        busy={merge.isPending}
        error={merge.error}
        shown={fault !== undefined}
        onSubmit={() => merge.mutate()}
        onClose={onClose}
      >
        <TextInput
          label="External id of the profile that becomes part of this one"
          required
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
          error={fault}
          data-autofocus
        />
        <Stack gap={4}>
          <Text size="sm" c="dimmed">
            What {profile.externalId} says wins; what it says nothing of comes from the other one. Events,
            devices, other names, the inbox and places in lists come along, and an opt-out of either holds.
          </Text>
          <Group gap={0}>
            <Text size="sm" fw={550}>
              This cannot be undone.
            </Text>
          </Group>
        </Stack>
      </DialogForm>
    </Modal>
  );
};
