/** Policies: how often and how long each channel tries, what follows silence, and how long things are kept. */
import { Button, Group, SegmentedControl, Skeleton, Stack, Switch, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { ChannelRetry, OnUnknown, Policies as WorkspacePolicies } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import type { z } from 'zod';
import { api } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { messageOf } from '../../parts/Confirm.js';
import { Facts } from '../../parts/Facts.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';
import { whole } from '../home/tally.js';
import classes from './Policies.module.css';
import { ApprovalRules, firstRule } from './ApprovalRules.js';
import { RetryDialog } from './RetryDialog.js';
import { scheduleWords, spanWords } from './waits.js';

export const Policies = () => (
  <>
    <PageHeader
      title="Policies"
      lead="How often and how long a message is tried, what follows when nobody answers, and how long things are kept."
    />
    <Stack gap="lg">
      <Retries />
      <Unknown />
      <Approvals />
      <Tracked />
      <Kept />
    </Stack>
  </>
);

const Retries = () => {
  const mayWrite = useCan('accounts:write');
  const [edited, setEdited] = useState<ChannelRetry>();
  const retries = useQuery({ queryKey: ['policies', 'retry'], queryFn: () => api.accounts.retryPolicies() });
  return (
    <Section title="Trying again" pad={false}>
      <Text size="sm" c="dimmed" className={classes.lead}>
        What a provider put off is tried again after a wait that doubles each time, less a random part of up
        to a half. A provider’s own hint counts when it is longer. Changes hold from the next attempt.
      </Text>
      {retries.isError && !retries.data ? (
        <Failure small error={retries.error} retry={() => void retries.refetch()} />
      ) : !retries.data ? (
        <RowsPending rows={4} />
      ) : (
        <div className={`rows ${classes.list}`} role="list" aria-label="Retry policies">
          {retries.data.map((retry) => (
            <div key={retry.channel} role="listitem" className={classes.retry}>
              <ChannelMark channel={retry.channel} />
              <div className={classes.what}>
                <dl className={`${classes.numbers} numbers`}>
                  <Figure name="Attempts" of={retry} field="attempts" value={whole(retry.attempts)} />
                  <Figure
                    name="Within"
                    of={retry}
                    field="windowSeconds"
                    value={spanWords(retry.windowSeconds)}
                  />
                  <Figure
                    name="First wait"
                    of={retry}
                    field="backoffSeconds"
                    value={spanWords(retry.backoffSeconds)}
                  />
                  <Figure
                    name="Longest wait"
                    of={retry}
                    field="maxBackoffSeconds"
                    value={spanWords(retry.maxBackoffSeconds)}
                  />
                </dl>
                <Text size="xs" c="dimmed">
                  {scheduleWords(retry)}
                </Text>
              </div>
              {mayWrite && (
                <Button variant="default" size="xs" onClick={() => setEdited(retry)}>
                  Change
                </Button>
              )}
            </div>
          ))}
        </div>
      )}
      {edited && <RetryDialog retry={edited} onClose={() => setEdited(undefined)} />}
    </Section>
  );
};

const Figure = ({
  name,
  value,
  of,
  field,
}: {
  name: string;
  value: string;
  of: ChannelRetry;
  field: ChannelRetry['changed'][number];
}) => (
  <div>
    <dt>{name}</dt>
    <dd>
      {value}
      {of.changed.includes(field) && (
        <small>
          {' '}
          instead of {field === 'attempts' ? whole(of.defaults[field]) : spanWords(of.defaults[field])}
        </small>
      )}
    </dd>
  </div>
);

const classWords = {
  transactional: { label: 'Transactional', means: 'Codes, receipts: what a person waits for.' },
  marketing: { label: 'Marketing', means: 'Everything else.' },
} as const;
const followWords: Record<z.infer<typeof OnUnknown>, string> = {
  retry: 'Sent again, six times in all at most, and marked as a possible duplicate; then it is held.',
  hold: 'Held for a receipt or a look-up at the provider; after 15 minutes a person decides.',
};

/** What several sections read and change. @param saved what is said then */
function useWorkspacePolicies(saved: string) {
  const queryClient = useQueryClient();
  const key = ['policies', 'workspace'];
  const policies = useQuery({ queryKey: key, queryFn: () => api.policies.get() });
  const save = useMutation({
    mutationFn: (changed: WorkspacePolicies) => api.policies.set(changed),
    onSuccess: (now) => {
      queryClient.setQueryData(key, now);
      notifications.show({ message: saved });
    },
  });
  return { policies, save };
}

const Unknown = () => {
  const mayWrite = useCan('accounts:write');
  const { policies, save } = useWorkspacePolicies('Saved. It counts from the next silence on.');
  const shown = policies.data?.unknown;
  return (
    <Section title="When a provider never answered" pad={false}>
      <Text size="sm" c="dimmed" className={classes.lead}>
        The message may have arrived and nobody can know. Sending again risks that it arrives twice; holding
        risks that it never does.
      </Text>
      {policies.isError && !shown ? (
        <Failure small error={policies.error} retry={() => void policies.refetch()} />
      ) : !shown ? (
        <RowsPending rows={2} />
      ) : (
        <div className={`rows ${classes.list}`}>
          {(['transactional', 'marketing'] as const).map((name) => (
            <div key={name} className={classes.unknown}>
              <div>
                <Text fw={550}>{classWords[name].label}</Text>
                <Text size="xs" c="dimmed">
                  {classWords[name].means}
                </Text>
              </div>
              <Text size="sm">{followWords[shown[name]]}</Text>
              <SegmentedControl
                aria-label={`${classWords[name].label}: when a provider never answered`}
                size="xs"
                disabled={!mayWrite || save.isPending}
                value={shown[name]}
                onChange={(value) => save.mutate({ unknown: { ...shown, [name]: value } })}
                data={[
                  { value: 'retry', label: 'Send again' },
                  { value: 'hold', label: 'Hold' },
                ]}
              />
            </div>
          ))}
        </div>
      )}
      {save.isError && (
        <Text role="alert" size="sm" c="var(--status-failed)" className={classes.lead}>
          {messageOf(save.error)}
        </Text>
      )}
    </Section>
  );
};

const approvalWords = {
  none: 'Whoever may write campaigns may start them.',
  another_person: 'Somebody who did not write it has to approve of what was prepared.',
  rules:
    'The first rule that fits says who has to approve; where none does, nobody has to. Nobody approves of their own.',
} as const;

/** Shares what it reads with the section above. */
const Approvals = () => {
  const mayWrite = useCan('accounts:write');
  const { policies, save } = useWorkspacePolicies('Saved. It counts for the next start of a campaign.');
  const shown = policies.data;
  if (!shown) return null;
  const approvals = shown.approvals ?? 'none';
  const kind = typeof approvals === 'string' ? approvals : 'rules';
  const put = (next: NonNullable<WorkspacePolicies['approvals']>) =>
    save.mutate({ ...shown, approvals: next });
  return (
    <Section title="Approval of campaigns" pad={false}>
      <div className={classes.unknown}>
        <Text fw={550}>Before a campaign starts</Text>
        <Text size="sm">{approvalWords[kind]}</Text>
        <SegmentedControl
          aria-label="Before a campaign starts"
          size="xs"
          disabled={!mayWrite || save.isPending}
          value={kind}
          onChange={(value) => put(value === 'rules' ? [firstRule] : (value as 'none' | 'another_person'))}
          data={[
            { value: 'none', label: 'Nobody else' },
            { value: 'another_person', label: 'Approved' },
            { value: 'rules', label: 'By rules' },
          ]}
        />
      </div>
      {typeof approvals !== 'string' && (
        <ApprovalRules
          key={JSON.stringify(approvals)}
          rules={approvals}
          disabled={!mayWrite}
          busy={save.isPending}
          onSave={put}
        />
      )}
      {save.isError && (
        <Text role="alert" size="sm" c="var(--status-failed)" className={classes.lead}>
          {messageOf(save.error)}
        </Text>
      )}
    </Section>
  );
};

/** Shares what it reads with the sections above. */
const Tracked = () => {
  const mayWrite = useCan('accounts:write');
  const { policies, save } = useWorkspacePolicies('Saved. It counts for the next email.');
  const shown = policies.data;
  if (!shown) return null;
  return (
    <Section title="Opens and clicks of emails" pad={false}>
      <Text size="sm" c="dimmed" className={classes.lead}>
        A picture says when an email is opened, and links lead over this installation. A message or a campaign
        may say otherwise.
      </Text>
      <div className={`rows ${classes.list}`}>
        {(['transactional', 'marketing'] as const).map((name) => {
          const of = shown.tracking?.[name];
          const isOn = (what: 'opens' | 'clicks') => of?.[what] ?? name === 'marketing';
          const change = (what: 'opens' | 'clicks', on: boolean) =>
            save.mutate({ ...shown, tracking: { ...shown.tracking, [name]: { ...of, [what]: on } } });
          return (
            <div key={name} className={classes.unknown}>
              <div>
                <Text fw={550}>{classWords[name].label}</Text>
                <Text size="xs" c="dimmed">
                  {classWords[name].means}
                </Text>
              </div>
              <Text size="sm">
                {isOn('opens') && isOn('clicks')
                  ? 'Opens and clicks are counted.'
                  : isOn('opens')
                    ? 'Opens are counted; links stay as they are written.'
                    : isOn('clicks')
                      ? 'Clicks are counted; there is no picture.'
                      : 'Nothing is counted; the email goes out as it is written.'}
              </Text>
              <Group gap="lg">
                {(['opens', 'clicks'] as const).map((what) => (
                  <Switch
                    key={what}
                    size="sm"
                    label={what === 'opens' ? 'Opens' : 'Clicks'}
                    aria-label={`${classWords[name].label}: count ${what}`}
                    disabled={!mayWrite || save.isPending}
                    checked={isOn(what)}
                    onChange={(e) => change(what, e.currentTarget.checked)}
                  />
                ))}
              </Group>
            </div>
          );
        })}
      </div>
      {save.isError && (
        <Text role="alert" size="sm" c="var(--status-failed)" className={classes.lead}>
          {messageOf(save.error)}
        </Text>
      )}
    </Section>
  );
};

const Kept = () => {
  const installation = useQuery({
    queryKey: ['installation'],
    queryFn: () => api.policies.installation(),
    staleTime: Infinity,
  });
  const set = installation.data;
  return (
    <Section title="How long, and how much">
      {installation.isError && !set ? (
        <Failure small error={installation.error} retry={() => void installation.refetch()} />
      ) : !set ? (
        <Skeleton h={90} />
      ) : (
        <Stack gap="sm">
          <Facts
            items={[
              [
                'The log is kept for',
                `${whole(set.retentionDays)} days: messages, deliveries, timelines and inbox items`,
              ],
              ['What people did', `is kept for ${whole(set.eventRetentionDays)} days, by whole months`],
              ['Idempotency keys', `remembered for ${spanWords(set.idempotencyHours * 3600)}`],
              [
                'Most that may wait',
                `${whole(set.backlogLimit)} deliveries due; past that, new messages are refused with 429`,
              ],
            ]}
          />
          <Text size="xs" c="dimmed">
            Set by whoever runs this installation, for all workspaces: <code>RETENTION_DAYS</code>,{' '}
            <code>EVENT_RETENTION_DAYS</code>, <code>BACKLOG_LIMIT_WORKSPACE</code>.
          </Text>
        </Stack>
      )}
    </Section>
  );
};
