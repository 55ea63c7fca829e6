/** Channel health: can we send right now, on each channel, and through whom. */
import { Text, Tooltip } from '@mantine/core';
import { channels, type AccountHealth, type Channel, type ProviderAccount } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconPlus } from '@tabler/icons-react';
import { ChannelMark, StateBadge } from '../../parts/Badges.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { channelLooks } from '../../words.js';
import { Quota } from '../accounts/Flow.js';
import { accountsQuery } from '../accounts/queries.js';
import { percent, whole } from '../home/tally.js';
import classes from './Channels.module.css';

/** The channel is as well as the best account that would take the next message; paused ones take none. */
export const channelState = (
  channel: Channel,
  accounts: readonly ProviderAccount[],
): { state: AccountHealth['state']; sentence: string } => {
  const { label } = channelLooks[channel];
  if (accounts.length === 0)
    return { state: 'failing', sentence: `${label} has no provider account: every delivery on it fails.` };
  const open = accounts.filter((account) => !account.paused);
  const [next] = [...open].sort((a, b) => a.position - b.position);
  if (!next)
    return { state: 'paused', sentence: 'Every account is paused: deliveries wait and are not lost.' };
  const states = open.map((account) => account.health.state);
  if (states.every((state) => state === 'failing'))
    return { state: 'failing', sentence: 'Nothing gets through.' };
  if (states.includes('failing') || states.includes('degraded'))
    return {
      state: 'degraded',
      sentence: states.includes('failing')
        ? 'One account fails; others carry its messages.'
        : 'Some messages fail; most get through.',
    };
  if (states.every((state) => state === 'idle'))
    return { state: 'idle', sentence: 'Ready. Nothing was sent in the last hour.' };
  return { state: 'healthy', sentence: 'Messages get through.' };
};

export const Channels = () => {
  const accounts = useQuery(accountsQuery);
  return (
    <>
      <PageHeader title="Channel health" lead="Whether messages get through right now, and through whom." />
      {accounts.isError && !accounts.data ? (
        <div className="card">
          <Failure error={accounts.error} retry={() => void accounts.refetch()} />
        </div>
      ) : !accounts.data ? (
        <div className="card">
          <RowsPending rows={4} />
        </div>
      ) : (
        <div className={classes.channels}>
          {channels.map((channel) => (
            <ChannelCard
              key={channel}
              channel={channel}
              accounts={accounts.data
                .filter((account) => account.channel === channel)
                .sort((a, b) => a.position - b.position)}
            />
          ))}
        </div>
      )}
    </>
  );
};

const ChannelCard = ({ channel, accounts }: { channel: Channel; accounts: ProviderAccount[] }) => {
  const mayWrite = useCan('accounts:write');
  const { state, sentence } = channelState(channel, accounts);
  return (
    <Section title={<ChannelMark channel={channel} />} actions={<StateBadge state={state} />} pad={false}>
      <Text px={16} py={14}>
        {sentence}
      </Text>
      {accounts.length > 0 ? (
        <div className={`rows ${classes.accounts}`}>
          {accounts.map((account) => (
            <AccountRow key={account.id} account={account} />
          ))}
        </div>
      ) : (
        mayWrite && (
          <div style={{ padding: '0 16px 16px' }}>
            <ButtonLink
              to="/accounts/new"
              search={{ channel }}
              variant="default"
              leftSection={<IconPlus size={15} />}
            >
              Add an account
            </ButtonLink>
          </div>
        )
      )}
    </Section>
  );
};

const AccountRow = ({ account }: { account: ProviderAccount }) => {
  const { health } = account;
  const total = health.sentLastHour + health.failedLastHour;
  return (
    <Link to="/accounts/$id" params={{ id: account.id }} className={`row-link ${classes.account}`}>
      <div className={classes.head}>
        <Text fw={550} className="clip">
          {account.name}
        </Text>
        <StateBadge state={health.state} />
      </div>
      <Text size="sm" c="dimmed">
        {health.sentence}
      </Text>
      <div
        className={classes.bar}
        role="img"
        aria-label={`Last hour: ${whole(health.sentLastHour)} sent, ${whole(health.failedLastHour)} failed`}
      >
        {health.sentLastHour > 0 && (
          <span style={{ flexGrow: health.sentLastHour, background: 'var(--status-delivered)' }} />
        )}
        {health.failedLastHour > 0 && (
          <span style={{ flexGrow: health.failedLastHour, background: 'var(--status-failed)' }} />
        )}
      </div>
      <Quota account={account} />
      <dl className={`${classes.numbers} numbers`}>
        <div>
          <dt>Sent, last hour</dt>
          <dd>{whole(health.sentLastHour)}</dd>
        </div>
        <div>
          <dt>Failed, last hour</dt>
          <dd>
            {whole(health.failedLastHour)}
            {health.failedLastHour > 0 && <small> {percent(health.failedLastHour, total)}</small>}
          </dd>
        </div>
        <div>
          <dt>Last success</dt>
          <dd>
            <When at={health.lastSuccessAt} none="never" />
          </dd>
        </div>
        <div>
          <dt>Last failure</dt>
          <dd>
            <Tooltip label={health.lastFailure} disabled={!health.lastFailure} multiline maw={320}>
              <span>
                <When at={health.lastFailureAt} none="never" />
              </span>
            </Tooltip>
          </dd>
        </div>
      </dl>
    </Link>
  );
};
