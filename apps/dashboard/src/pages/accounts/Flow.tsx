/** Whether attempts go out through an account now, and how much of its limit is left. */
import { Progress, Stack, Text } from '@mantine/core';
import type { ProviderAccount } from '@carillon/contracts';
import type { ReactNode } from 'react';
import { Facts } from '../../parts/Facts.js';
import { Notice } from '../../parts/Notice.js';
import { Section } from '../../parts/PageHeader.js';
import { When } from '../../parts/Times.js';
import { whole } from '../home/tally.js';
import { limitWords, warmUpWords } from './limit.js';

const breakerLooks = {
  closed: { tone: 'good', title: 'Closed' },
  'half-open': { tone: 'warning', title: 'Half open' },
  open: { tone: 'bad', title: 'Open' },
} as const;

/** What is used of the present period, as a bar with words. */
export const Quota = ({ account }: { account: ProviderAccount }) => {
  const { quota } = account;
  if (!quota) return null;
  const share = Math.min(100, (100 * quota.used) / Math.max(1, quota.limit));
  // A second is over before it is read.
  if (quota.per === 'second') return null;
  const when = quota.per === 'day' ? 'today' : `in this ${quota.per}`;
  const words = `${whole(quota.used)} of ${whole(quota.limit)} used ${when}`;
  return (
    <div style={{ paddingBottom: 4 }}>
      <Text size="sm" component="div">
        {words}, {whole(quota.headroom)} left
      </Text>
      <Progress
        mt={6}
        mb={10}
        size="sm"
        value={share}
        color={share >= 95 ? 'red' : share >= 80 ? 'yellow' : 'teal'}
        aria-label={words}
      />
    </div>
  );
};

export const Flow = ({ account }: { account: ProviderAccount }) => {
  const { breaker, quota, rateLimit } = account;
  const look = breakerLooks[breaker.state];
  return (
    <Section title="Limits and breaker">
      <Stack gap="md">
        {breaker.state !== 'closed' && (
          <Notice tone={look.tone} title={`The breaker is ${look.title.toLowerCase()}`}>
            {breaker.sentence} {breaker.reason && <span className="break">{breaker.reason}</span>}
          </Notice>
        )}
        {breaker.state === 'closed' && breaker.heldUntil && (
          <Notice tone="warning" title="The provider asked to slow down">
            {breaker.sentence}
          </Notice>
        )}
        <Quota account={account} />
        <Facts
          items={[
            ['Breaker', breaker.state === 'closed' ? 'Closed: attempts go out' : look.title],
            ...(breaker.openedAt
              ? ([['Open since', <When key="o" at={breaker.openedAt} none="" />]] as [string, ReactNode][])
              : []),
            ...(breaker.retryAt
              ? ([['Next probe', <When key="r" at={breaker.retryAt} none="" />]] as [string, ReactNode][])
              : []),
            ['Rate limit', rateLimit ? limitWords(rateLimit) : 'none: as fast as the provider takes it'],
            ...(account.warmUp ? ([['Warm-up', warmUpWords(account.warmUp)]] as [string, ReactNode][]) : []),
            ...(quota && quota.per !== 'second'
              ? ([['Starts anew', <When key="q" at={quota.resetsAt} none="" />]] as [string, ReactNode][])
              : []),
            ['Share', `weight ${account.weight}, order ${account.position}`],
          ]}
        />
      </Stack>
    </Section>
  );
};
