/** One webhook endpoint: what it was told and answered, a test, its secrets, replay, and the end of it. */
import { Button, Group, Menu, Modal, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type { WebhookEndpoint, WebhookMessage } from '@carillon/contracts';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import {
  IconBan,
  IconDots,
  IconEdit,
  IconFlask,
  IconHistory,
  IconMailbox,
  IconPlayerPlay,
  IconRefresh,
  IconTrash,
} from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Pill } from '../../parts/Badges.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { Copyable, Facts } from '../../parts/Facts.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Empty, Failure, PagePending, RowsPending } from '../../parts/PageStates.js';
import { ShowOnce } from '../../parts/ShowOnce.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { EndpointForm } from './EndpointForm.js';
import { endpointState, messageLooks } from './looks.js';
import classes from './Webhooks.module.css';

const route = getRouteApi('/app/webhooks/$id');
const parent = { label: 'Webhooks', to: '/webhooks' } as const;

export const WebhookPage = () => {
  const { id } = route.useParams();
  const endpoint = useQuery({ queryKey: ['webhooks', id], queryFn: () => api.webhooks.get(id) });
  const mayWrite = useCan('webhooks:write');
  if (endpoint.isError && !endpoint.data)
    return (
      <>
        <PageHeader title="Webhook endpoint" parent={parent} />
        <div className="card">
          <Failure error={endpoint.error} retry={() => void endpoint.refetch()} />
        </div>
      </>
    );
  if (!endpoint.data) return <PagePending />;
  const it = endpoint.data;
  return (
    <>
      <PageHeader
        title={it.url}
        parent={parent}
        beside={<Pill {...endpointState(it)} large />}
        lead={it.description}
        actions={mayWrite && <Actions endpoint={it} />}
      />
      {!it.enabled && (
        <Notice between tone="warning" title="It is told nothing">
          {it.disabledReason} What happens meanwhile is not kept for it: enable it, then replay the gap.
        </Notice>
      )}
      {it.enabled && it.failingSince && (
        <Notice between tone="bad" title="It takes nothing">
          Every attempt has failed since <When at={it.failingSince} />. After five days it is disabled.
        </Notice>
      )}
      <div className={classes.columns}>
        <Messages endpoint={it} mayWrite={mayWrite} />
        <Section title="Settings">
          <Facts
            items={[
              ['Told of', it.types.length === 0 ? 'All events' : it.types.join(', ')],
              ['Waiting', String(it.pending)],
              [
                'Secrets',
                it.secrets.length > 1 ? (
                  <>
                    two; the older one signs until <When at={it.secrets[1]?.endsAt ?? null} />
                  </>
                ) : (
                  'one'
                ),
              ],
              ['Created', <When key="c" at={it.createdAt} />],
              ['Id', <Copyable key="i" value={it.id} label="Copy the id" />],
            ]}
          />
        </Section>
      </div>
    </>
  );
};

const Actions = ({ endpoint }: { endpoint: WebhookEndpoint }) => {
  const { id } = endpoint;
  const [asked, setAsked] = useState<'edit' | 'rotate' | 'replay' | 'disable' | 'delete'>();
  const [secret, setSecret] = useState<string>();
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const reload = () => queryClient.invalidateQueries({ queryKey: ['webhooks'] });
  const close = () => setAsked(undefined);
  const test = useMutation({
    mutationFn: () => api.webhooks.test(id),
    onSuccess: ({ status, attempts: [attempt] }) =>
      notifications.show({
        color: status === 'sent' ? 'green' : 'red',
        title: status === 'sent' ? 'It took the test event' : 'It did not take the test event',
        message: attempt?.error ?? `It answered ${attempt?.status} in ${attempt?.ms} ms.`,
      }),
    onError: (error) => notifications.show({ color: 'red', message: messageOf(error) }),
    onSettled: reload,
  });
  const enable = useMutation({
    mutationFn: () => api.webhooks.update(id, { enabled: true }),
    onError: (error) => notifications.show({ color: 'red', message: messageOf(error) }),
    onSettled: reload,
  });
  return (
    <>
      <Group gap="xs">
        {!endpoint.enabled && (
          <Button
            leftSection={<IconPlayerPlay size={15} />}
            loading={enable.isPending}
            onClick={() => enable.mutate()}
          >
            Enable
          </Button>
        )}
        <Button
          variant="default"
          leftSection={<IconFlask size={15} />}
          loading={test.isPending}
          onClick={() => test.mutate()}
        >
          Send a test
        </Button>
        <Menu position="bottom-end" shadow="md">
          <Menu.Target>
            <Button variant="default" px={10} aria-label="More actions">
              <IconDots size={16} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconEdit size={15} />} onClick={() => setAsked('edit')}>
              Change
            </Menu.Item>
            <Menu.Item
              leftSection={<IconHistory size={15} />}
              disabled={!endpoint.enabled}
              onClick={() => setAsked('replay')}
            >
              Replay
            </Menu.Item>
            <Menu.Item leftSection={<IconRefresh size={15} />} onClick={() => setAsked('rotate')}>
              Rotate the secret
            </Menu.Item>
            {endpoint.enabled && (
              <Menu.Item leftSection={<IconBan size={15} />} onClick={() => setAsked('disable')}>
                Disable
              </Menu.Item>
            )}
            <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => setAsked('delete')}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      <Modal
        opened={asked === 'edit'}
        onClose={close}
        size="lg"
        title={<Text fw={600}>Change this endpoint</Text>}
      >
        <EndpointForm
          initial={endpoint}
          action="Save"
          onClose={close}
          save={async ({ url, description, types }) => {
            await api.webhooks.update(id, { url, description, types });
            close();
            await reload();
          }}
        />
      </Modal>
      <Modal opened={asked === 'replay'} onClose={close} title={<Text fw={600}>Tell events again</Text>}>
        <Replay id={id} onDone={() => (close(), void reload())} onClose={close} />
      </Modal>
      <Confirm
        opened={asked === 'rotate'}
        onClose={close}
        title="Make a second secret?"
        action="Make a second secret"
        harmless
        onConfirm={async () => {
          setSecret((await api.webhooks.rotate(id)).secret);
          await reload();
        }}
      >
        For a day both secrets sign every event; then only the new one does. Give it to your endpoint in
        between.
      </Confirm>
      <Confirm
        opened={asked === 'disable'}
        onClose={close}
        title="Disable this endpoint?"
        action="Disable"
        onConfirm={async () => {
          await api.webhooks.update(id, { enabled: false });
          await reload();
        }}
      >
        It is told nothing until you enable it. What happens meanwhile is not kept for it, but can be
        replayed.
      </Confirm>
      <Confirm
        opened={asked === 'delete'}
        onClose={close}
        title="Delete this endpoint?"
        action="Delete the endpoint"
        onConfirm={async () => {
          await api.webhooks.delete(id);
          await navigate({ to: '/webhooks' });
          await reload();
        }}
      >
        With it goes what it has still to be told, its secret, and the record of its attempts.
      </Confirm>
      <ShowOnce
        title="The secret of this endpoint"
        what="secret"
        value={secret}
        onClose={() => setSecret(undefined)}
      >
        Copy it now: it is not shown again. Your endpoint needs it to verify that events come from here.
      </ShowOnce>
    </>
  );
};

const spans = [
  { value: '1', label: 'The last hour' },
  { value: '6', label: 'The last 6 hours' },
  { value: '24', label: 'The last day' },
  { value: '168', label: 'The last 7 days' },
  { value: '720', label: 'The last 30 days' },
];
const Replay = ({ id, onDone, onClose }: { id: string; onDone: () => void; onClose: () => void }) => {
  const [hours, setHours] = useState('24');
  const [which, setWhich] = useState('failed');
  const replay = useMutation({
    mutationFn: () =>
      api.webhooks.replay(id, {
        from: new Date(Date.now() - Number(hours) * 3_600_000),
        onlyFailed: which === 'failed',
      }),
    onSuccess: (count) => {
      notifications.show({ message: `${count} ${count === 1 ? 'event' : 'events'} will be told again.` });
      onDone();
    },
  });
  return (
    <Stack>
      <Select
        label="Events of"
        data={spans}
        value={hours}
        onChange={(value) => setHours(value ?? '24')}
        allowDeselect={false}
      />
      <SegmentedControl
        aria-label="Which"
        value={which}
        onChange={setWhich}
        data={[
          { value: 'failed', label: 'What it has not taken' },
          { value: 'all', label: 'All of it' },
        ]}
      />
      <Text size="sm" c="dimmed">
        Events keep their ids, so an endpoint that remembers what it has seen does nothing twice.
      </Text>
      {replay.error && (
        <Text role="alert" size="sm" c="var(--status-failed)">
          {messageOf(replay.error)}
        </Text>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
        <Button loading={replay.isPending} onClick={() => replay.mutate()}>
          Replay
        </Button>
      </Group>
    </Stack>
  );
};

const filters = [
  { value: '', label: 'All' },
  { value: 'failed', label: 'Failed' },
  { value: 'pending', label: 'Waiting' },
];
const Messages = ({ endpoint, mayWrite }: { endpoint: WebhookEndpoint; mayWrite: boolean }) => {
  const [status, setStatus] = useState('');
  const messages = useInfiniteQuery({
    queryKey: ['webhooks', endpoint.id, 'messages', status],
    queryFn: ({ pageParam }) =>
      api.webhooks
        .messages(endpoint.id, {
          limit: 25,
          ...(status ? { status: status as WebhookMessage['status'] } : {}),
          ...(pageParam ? { cursor: pageParam } : {}),
        })
        .page(),
    initialPageParam: '',
    getNextPageParam: (last) => last.nextCursor,
    refetchInterval: 5000,
  });
  const rows = messages.data?.pages.flatMap(({ items }) => items);
  return (
    <Section
      pad={false}
      title="What it was told"
      actions={
        <SegmentedControl size="xs" aria-label="Show" data={filters} value={status} onChange={setStatus} />
      }
    >
      {messages.isError && !rows ? (
        <Failure error={messages.error} retry={() => void messages.refetch()} />
      ) : !rows ? (
        <RowsPending rows={5} />
      ) : rows.length === 0 ? (
        <Empty icon={IconMailbox} title={status ? 'None of these' : 'Nothing yet'}>
          {status
            ? 'No event of the last 30 days stands there.'
            : 'Events appear here when they happen. Send a test to see whether the way is open.'}
        </Empty>
      ) : (
        <div className="rows" role="list" aria-label="What it was told">
          {rows.map((message) => (
            <MessageRow key={message.eventId} endpoint={endpoint} message={message} mayWrite={mayWrite} />
          ))}
        </div>
      )}
      {messages.hasNextPage && (
        <Group justify="center" p="md">
          <Button
            variant="default"
            loading={messages.isFetchingNextPage}
            onClick={() => void messages.fetchNextPage()}
          >
            Show older
          </Button>
        </Group>
      )}
    </Section>
  );
};

const MessageRow = ({
  endpoint,
  message,
  mayWrite,
}: {
  endpoint: WebhookEndpoint;
  message: WebhookMessage;
  mayWrite: boolean;
}) => {
  const [opened, { toggle }] = useDisclosure(false);
  const queryClient = useQueryClient();
  const last = message.attempts.at(-1);
  const again = useMutation({
    mutationFn: () => api.webhooks.replay(endpoint.id, { eventIds: [message.eventId] }),
    onError: (error) => notifications.show({ color: 'red', message: messageOf(error) }),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['webhooks', endpoint.id] }),
  });
  return (
    <div role="listitem" className={classes.message}>
      <button type="button" className={classes.head} aria-expanded={opened} onClick={toggle}>
        <span className="mono">{message.type}</span>
        <Pill {...messageLooks[message.status]} />
        <span className={classes.answer}>
          {last ? (last.error ?? `${last.status} in ${last.ms} ms`) : 'not tried yet'}
        </span>
        <When at={message.happenedAt} />
      </button>
      {opened && (
        <div className={classes.attempts}>
          <Copyable value={message.eventId} label="Copy the event's id" />
          {message.attempts.map((attempt) => (
            <div key={attempt.at} className={classes.attempt}>
              <When at={attempt.at} /> <b>{attempt.status ?? 'no answer'}</b> {attempt.ms} ms
              {attempt.error && <span className="break">{attempt.error}</span>}
              {attempt.answer && <code className="break">{attempt.answer}</code>}
            </div>
          ))}
          {message.nextAttemptAt && message.status === 'pending' && (
            <Text size="xs" c="dimmed">
              Next attempt <When at={message.nextAttemptAt} />
            </Text>
          )}
          {mayWrite && endpoint.enabled && message.status !== 'pending' && (
            <div>
              <Button
                size="compact-sm"
                variant="default"
                leftSection={<IconHistory size={14} />}
                loading={again.isPending}
                onClick={() => again.mutate()}
              >
                Tell it again
              </Button>
            </div>
          )}
        </div>
      )}
    </div>
  );
};
