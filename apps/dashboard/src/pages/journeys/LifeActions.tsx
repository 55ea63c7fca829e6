/** What a person may ask of a journey, each with a question that says what happens. */
import { Button, Group, Menu, Modal, Radio, Stack, Text, Textarea } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type { Journey, JourneyVersion } from '@carillon/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { IconChevronDown } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Confirm } from '../../parts/Confirm.js';
import { DialogForm } from '../../parts/DialogForm.js';
import { MoveInsiders } from './MoveInsiders.js';

const people = (n: number) =>
  n === 1 ? '1 person is inside' : `${n.toLocaleString('en')} people are inside`;
type Asked = 'live' | 'pause' | 'close' | 'stop' | 'delete' | 'move';

interface LifeProps {
  journey: Journey;
  /** The version that is looked at, when it is not the draft. */
  looking: JourneyVersion | undefined;
  /** What newcomers take. */
  current: JourneyVersion | undefined;
  /** Why the draft cannot go live just now. */
  hindrance: string | undefined;
  onDone: (journey: Journey) => void;
}
export const LifeActions = ({ journey, looking, current, hindrance, onDone }: LifeProps) => {
  const { key, state, inside, version } = journey;
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const [opened, dialog] = useDisclosure(false);
  const [asked, setAsked] = useState<Asked>('live');
  const ask = (what: Asked) => () => {
    setAsked(what);
    dialog.open();
  };
  const resume = useMutation({ mutationFn: () => api.journeys.resume(key), onSuccess: onDone });
  const again = looking && looking.version !== version ? looking : undefined;
  const isOpen = (what: Asked) => opened && asked === what;
  const mayLive = state !== 'paused' && (again !== undefined || state !== 'live' || journey.changed);
  return (
    <>
      <Group gap="sm">
        {state !== 'stopped' && state !== 'draft' && (
          <Menu position="bottom-end" shadow="md">
            <Menu.Target>
              <Button variant="default" rightSection={<IconChevronDown size={14} />}>
                More
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {(state === 'live' || state === 'paused') && (
                <Menu.Item onClick={ask('close')}>Close: nobody enters any more …</Menu.Item>
              )}
              <Menu.Item color="var(--status-failed)" onClick={ask('stop')}>
                Stop: everybody leaves …
              </Menu.Item>
              {state === 'closed' && inside === 0 && <Menu.Item onClick={ask('delete')}>Delete …</Menu.Item>}
            </Menu.Dropdown>
          </Menu>
        )}
        {(state === 'draft' || state === 'stopped') && (
          <Button variant="default" onClick={ask('delete')}>
            Delete
          </Button>
        )}
        {state === 'live' && (
          <Button variant="default" onClick={ask('pause')}>
            Pause
          </Button>
        )}
        {state === 'paused' && (
          <Button loading={resume.isPending} onClick={() => resume.mutate()}>
            Resume
          </Button>
        )}
        {again && current && again.inside > 0 && state !== 'stopped' && (
          <Button variant="default" onClick={ask('move')}>
            Move {again.inside === 1 ? 'its person' : 'its people'} …
          </Button>
        )}
        {mayLive && (
          <Button
            onClick={ask('live')}
            disabled={!again && hindrance !== undefined}
            title={again ? undefined : hindrance}
          >
            {again ? `Let version ${again.version} go live again` : 'Go live'}
          </Button>
        )}
      </Group>
      <Modal
        opened={isOpen('live')}
        onClose={dialog.close}
        title={
          <Text fw={600}>
            {again ? `Let version ${again.version} go live again?` : `Let ${journey.name} go live?`}
          </Text>
        }
      >
        <GoLive journey={journey} again={again} onClose={dialog.close} onDone={onDone} />
      </Modal>
      <Modal
        opened={isOpen('move')}
        onClose={dialog.close}
        size="lg"
        title={
          <Text fw={600}>
            From version {again?.version} to {current?.version}
          </Text>
        }
      >
        {again && current && (
          <MoveInsiders journey={journey} from={again} to={current} onClose={dialog.close} onDone={onDone} />
        )}
      </Modal>
      <Modal
        opened={isOpen('pause')}
        onClose={dialog.close}
        title={<Text fw={600}>Pause {journey.name}?</Text>}
      >
        <Pause journey={journey} onClose={dialog.close} onDone={onDone} />
      </Modal>
      <Confirm
        opened={isOpen('close')}
        onClose={dialog.close}
        title={`Close ${journey.name}?`}
        action="Close it"
        harmless
        onConfirm={async () => onDone(await api.journeys.close(key))}
      >
        Nobody enters any more. {people(inside)} and {inside === 1 ? 'finishes' : 'finish'} it, message by
        message. It can go live again.
      </Confirm>
      <Confirm
        opened={isOpen('stop')}
        onClose={dialog.close}
        title={`Stop ${journey.name}?`}
        action="Stop it"
        onConfirm={async () => onDone(await api.journeys.stop(key))}
      >
        {inside === 0
          ? 'Nobody is inside; nobody enters any more.'
          : `${people(inside)} and ${inside === 1 ? 'leaves' : 'leave'} at once, with the outcome “stopped”. They do not come back when it goes live again.`}{' '}
        What was handed over to a channel already is sent.
      </Confirm>
      <Confirm
        opened={isOpen('delete')}
        onClose={dialog.close}
        title={`Delete ${journey.name}?`}
        action="Delete it"
        onConfirm={async () => {
          await api.journeys.delete(key);
          queryClient.removeQueries({ queryKey: ['journeys', 'one', key] });
          await queryClient.invalidateQueries({ queryKey: ['journeys', 'list'] });
          await navigate({ to: '/journeys' });
        }}
      >
        Its draft, its versions and the record of who went through it are gone. What it sent stays in the
        delivery log.
      </Confirm>
    </>
  );
};

const GoLive = ({
  journey,
  again,
  onClose,
  onDone,
}: {
  journey: Journey;
  again: JourneyVersion | undefined;
  onClose: () => void;
  onDone: (journey: Journey) => void;
}) => {
  const [note, setNote] = useState('');
  const go = useMutation({
    mutationFn: () =>
      api.journeys.goLive(journey.key, {
        note,
        ...(again ? { version: again.version } : { ifRevision: journey.revision }),
      }),
    onSuccess: (changed) => {
      notifications.show({ message: `Version ${changed.version} is live.` });
      onDone(changed);
      onClose();
    },
  });
  return (
    <DialogForm
      action={again ? `Let version ${again.version} go live` : 'Go live'}
      busy={go.isPending}
      error={go.error}
      onClose={onClose}
      onSubmit={() => go.mutate()}
    >
      <Text c="dimmed" component="div">
        {first(journey)}
        {journey.inside > 0 && (
          <>
            {' '}
            {people(journey.inside)} and {journey.inside === 1 ? 'finishes' : 'finish'} the version they
            entered with.
          </>
        )}
      </Text>
      <Textarea
        label="What has changed"
        placeholder="For those who read the versions later"
        autosize
        minRows={2}
        maxLength={500}
        value={note}
        onChange={(event) => setNote(event.currentTarget.value)}
      />
    </DialogForm>
  );
};
const first = ({ version, nextAt }: Journey): string =>
  version === null
    ? `From now on people enter by its rules, and messages are sent.${nextAt ? '' : ' Who did it before is not let in afterwards.'}`
    : 'Newcomers take this version from now on.';

const Pause = ({
  journey,
  onClose,
  onDone,
}: {
  journey: Journey;
  onClose: () => void;
  onDone: (journey: Journey) => void;
}) => {
  const [insiders, setInsiders] = useState<'hold' | 'discard'>('hold');
  const [reason, setReason] = useState('');
  const pause = useMutation({
    mutationFn: () => api.journeys.pause(journey.key, { insiders, ...(reason && { reason }) }),
    onSuccess: (changed) => {
      onDone(changed);
      onClose();
    },
  });
  return (
    <DialogForm
      action="Pause it"
      busy={pause.isPending}
      error={pause.error}
      onClose={onClose}
      onSubmit={() => pause.mutate()}
    >
      <Text c="dimmed">Nobody enters and nobody moves. {people(journey.inside)}.</Text>
      <Radio.Group
        label="What happens to them"
        value={insiders}
        onChange={(value) => setInsiders(value as 'hold' | 'discard')}
      >
        <Stack gap="xs" mt={6}>
          <Radio
            value="hold"
            label="Held"
            description="They stay where they are. What happens meanwhile is kept, and counts when it is resumed: a flood of late messages is possible."
          />
          <Radio
            value="discard"
            label="Discarded"
            description="Who comes to a step meanwhile leaves, and what happens meanwhile is forgotten."
          />
        </Stack>
      </Radio.Group>
      <Textarea
        label="Why"
        autosize
        minRows={1}
        maxLength={500}
        value={reason}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
    </DialogForm>
  );
};
