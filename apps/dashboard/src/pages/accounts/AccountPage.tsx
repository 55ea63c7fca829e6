/** One provider account: how it does, its settings, a test, its webhook address, pause, and the end of it. */
import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type { ProviderAccount } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { IconFlask, IconPlayerPause, IconPlayerPlay, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { ChannelMark, StateBadge } from '../../parts/Badges.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { Copy, Facts } from '../../parts/Facts.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { channelLooks } from '../../words.js';
import { whole } from '../home/tally.js';
import { AccountForm } from './AccountForm.js';
import classes from './Accounts.module.css';
import { Flow } from './Flow.js';
import { accountQuery, providersQuery } from './queries.js';

const route = getRouteApi('/app/accounts/$id');

export const AccountPage = () => {
  const { id } = route.useParams();
  const account = useQuery(accountQuery(id));
  const providers = useQuery(providersQuery);
  const mayWrite = useCan('accounts:write');
  const failed = [account, providers].find((query) => query.isError && !query.data);
  if (failed)
    return (
      <>
        <PageHeader title="Provider account" parent={{ label: 'Provider accounts', to: '/accounts' }} />
        <div className="card">
          <Failure error={failed.error} retry={() => void failed.refetch()} />
        </div>
      </>
    );
  if (!account.data || !providers.data) return <PagePending />;
  const it = account.data;
  const provider = providers.data.find(({ channel, name }) => channel === it.channel && name === it.provider);
  return (
    <>
      <PageHeader
        title={it.name}
        parent={{ label: 'Provider accounts', to: '/accounts' }}
        beside={<StateBadge state={it.health.state} large />}
        lead={it.health.sentence}
        actions={mayWrite && <PauseAndDelete account={it} />}
      />
      {it.paused && it.pausedReason && it.pausedReason !== it.health.sentence && (
        <Notice between tone="warning" title="Why it is paused" icon={IconPlayerPause}>
          {it.pausedReason}
        </Notice>
      )}
      <div className={classes.columns}>
        <Section title="Settings">
          {provider ? (
            <AccountForm
              key={it.id}
              provider={provider}
              account={it}
              readOnly={!mayWrite}
              onSaved={() => notifications.show({ message: 'Saved. It counts from the next message on.' })}
            />
          ) : (
            <Text c="dimmed">
              This installation no longer knows the provider “{it.provider}”. The account stays, but nothing
              is sent through it.
            </Text>
          )}
        </Section>
        <Stack gap="lg">
          <Section title="Health">
            <Facts
              items={[
                ['Channel', <ChannelMark key="c" channel={it.channel} />],
                [
                  'Last hour',
                  `${whole(it.health.sentLastHour)} sent, ${whole(it.health.failedLastHour)} failed`,
                ],
                ['Last success', <When key="s" at={it.health.lastSuccessAt} none="never" />],
                ['Last failure', <When key="f" at={it.health.lastFailureAt} none="never" />],
                ['It said', it.health.lastFailure && <span className="break">{it.health.lastFailure}</span>],
              ]}
            />
          </Section>
          <Flow account={it} />
          {mayWrite && <TestAccount account={it} />}
          {it.webhookUrl && (
            <Section title="Webhook">
              <Text size="sm" c="dimmed" mb="xs">
                Give this address to the provider, so that its receipts reach the delivery log.
              </Text>
              <div className={classes.hook}>
                <span className="mono break" style={{ flex: 1 }}>
                  {it.webhookUrl}
                </span>
                <Copy value={it.webhookUrl} label="Copy the webhook address" />
              </div>
            </Section>
          )}
          {it.channel === 'email' && <UnreadBounces accountId={it.id} />}
        </Stack>
      </div>
    </>
  );
};

/** Mails to its return address that told of no delivery; nothing where all were read. */
const UnreadBounces = ({ accountId }: { accountId: string }) => {
  const unread = useQuery({
    queryKey: ['unread-bounces'],
    queryFn: () => api.accounts.unreadBounces(),
    refetchInterval: 60_000,
  });
  const mine = (unread.data ?? []).filter((bounce) => bounce.accountId === accountId);
  if (mine.length === 0) return null;
  return (
    <Section title="Bounces that could not be read">
      <Stack gap="sm">
        {mine.map((bounce) => (
          <div key={bounce.id}>
            <Text size="sm">
              {bounce.why} <When at={bounce.receivedAt} />
            </Text>
            <Text size="xs" c="dimmed" className="mono break">
              {bounce.head}
            </Text>
          </div>
        ))}
      </Stack>
    </Section>
  );
};

const TestAccount = ({ account }: { account: ProviderAccount }) => {
  const [to, setTo] = useState('');
  const queryClient = useQueryClient();
  const test = useMutation({
    mutationFn: () => api.accounts.test(account.id, to.trim() ? { to: to.trim() } : {}),
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['accounts'] }),
  });
  return (
    <Section title="Test">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          test.mutate();
        }}
      >
        <Stack gap="sm">
          <TextInput
            label="Send one test message to"
            description={`Give ${channelLooks[account.channel].address}. Empty: only the credentials are tried.`}
            value={to}
            onChange={(event) => setTo(event.currentTarget.value)}
          />
          <Group>
            <Button
              type="submit"
              variant="default"
              loading={test.isPending}
              leftSection={<IconFlask size={15} />}
            >
              {to.trim() ? 'Send a test' : 'Try the credentials'}
            </Button>
          </Group>
          <div aria-live="polite">
            {test.data && (
              <Notice
                tone={test.data.ok ? 'good' : 'bad'}
                title={test.data.ok ? 'It works' : 'It does not work'}
              >
                <span className="break">{test.data.sentence}</span>
              </Notice>
            )}
            {test.error && (
              <Notice tone="bad" title="The test could not be run">
                {messageOf(test.error)}
              </Notice>
            )}
          </div>
        </Stack>
      </form>
    </Section>
  );
};

const PauseAndDelete = ({ account }: { account: ProviderAccount }) => {
  const [pauseOpened, pause] = useDisclosure(false);
  const [deleteOpened, remove] = useDisclosure(false);
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const settle = (changed: ProviderAccount) => {
    queryClient.setQueryData(accountQuery(account.id).queryKey, changed);
    return queryClient.invalidateQueries({ queryKey: ['accounts'] });
  };
  const resume = useMutation({
    mutationFn: () => api.accounts.resume(account.id),
    onSuccess: settle,
    onError: (error) => notifications.show({ color: 'red', message: messageOf(error) }),
  });
  return (
    <>
      {account.paused ? (
        <Button
          leftSection={<IconPlayerPlay size={15} />}
          loading={resume.isPending}
          onClick={() => resume.mutate()}
        >
          Resume
        </Button>
      ) : (
        <>
          {account.breaker.state !== 'closed' && (
            <Button
              leftSection={<IconPlayerPlay size={15} />}
              loading={resume.isPending}
              onClick={() => resume.mutate()}
            >
              Try now
            </Button>
          )}
          <Button variant="default" leftSection={<IconPlayerPause size={15} />} onClick={pause.open}>
            Pause
          </Button>
        </>
      )}
      <Button variant="default" leftSection={<IconTrash size={15} />} onClick={remove.open}>
        Delete
      </Button>
      <Confirm
        opened={pauseOpened}
        onClose={pause.close}
        title={`Pause ${account.name}?`}
        action="Pause"
        harmless
        onConfirm={async () => settle(await api.accounts.pause(account.id))}
      >
        What is due takes another account of this channel, or waits until you resume. Nothing is lost.
      </Confirm>
      <Confirm
        opened={deleteOpened}
        onClose={remove.close}
        title={`Delete ${account.name}?`}
        action="Delete the account"
        onConfirm={async () => {
          await api.accounts.delete(account.id);
          queryClient.removeQueries({ queryKey: accountQuery(account.id).queryKey });
          await queryClient.invalidateQueries({ queryKey: ['accounts'] });
          await navigate({ to: '/accounts' });
        }}
      >
        Its credentials are gone for good, and receipts that still come for it are refused. Past deliveries
        stay in the log.
      </Confirm>
    </>
  );
};
