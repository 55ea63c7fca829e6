/** What the gate would say to a message that nobody sends: every rule with its facts. */
import { Button, Group, Select, Text, TextInput } from '@mantine/core';
import { channels, type Channel, type GateTried, type MessageClass } from '@carillon/contracts';
import { useMutation } from '@tanstack/react-query';
import { IconCheck, IconClock, IconMinus, IconX } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Section } from '../../parts/PageHeader.js';
import { absoluteWithZone } from '../../time.js';
import { channelLooks, reasonLabel } from '../../words.js';
import classes from './Gate.module.css';

export const TryGate = () => {
  const [profile, setProfile] = useState('');
  const [channel, setChannel] = useState<Channel>('email');
  const [of, setOf] = useState<MessageClass>('marketing');
  const [topic, setTopic] = useState('');
  const [at, setAt] = useState('');
  const ask = useMutation({
    mutationFn: () =>
      api.gate.try({
        profile,
        channel,
        class: of,
        ...(topic ? { topic } : {}),
        ...(at ? { at: new Date(at).toISOString() } : {}),
      }),
  });
  return (
    <Section title="Try it" pad={false}>
      <Text size="sm" c="dimmed" className={classes.lead}>
        What would the gate say to a message to this person? Nothing is sent, and nothing is counted.
      </Text>
      <form
        className={classes.form}
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate();
        }}
      >
        <Group align="flex-end" gap="sm">
          <TextInput
            label="Profile"
            placeholder="external id"
            required
            w={180}
            value={profile}
            onChange={(event) => setProfile(event.currentTarget.value)}
          />
          <Select
            label="Channel"
            w={120}
            allowDeselect={false}
            data={channels.map((value) => ({ value, label: channelLooks[value].label }))}
            value={channel}
            onChange={(value) => setChannel(value as Channel)}
          />
          <Select
            label="Class"
            w={150}
            allowDeselect={false}
            data={[
              { value: 'marketing', label: 'Marketing' },
              { value: 'transactional', label: 'Transactional' },
            ]}
            value={of}
            onChange={(value) => setOf(value as MessageClass)}
          />
          <TextInput
            label="Topic"
            w={140}
            value={topic}
            onChange={(event) => setTopic(event.currentTarget.value)}
          />
          <TextInput
            label="At"
            type="datetime-local"
            w={210}
            value={at}
            onChange={(event) => setAt(event.currentTarget.value)}
          />
          <Button type="submit" loading={ask.isPending}>
            Try
          </Button>
        </Group>
      </form>
      {ask.isError && (
        <Text role="alert" size="sm" c="var(--status-failed)" className={classes.none}>
          {messageOf(ask.error)}
        </Text>
      )}
      {ask.data && <Tried tried={ask.data} />}
    </Section>
  );
};

const Tried = ({ tried }: { tried: GateTried }) => {
  const decided = tried.rules.findIndex((rule) => rule.verdict !== 'passed');
  const { zone } = tried;
  return (
    <div aria-live="polite">
      <div className={classes.verdict}>
        <Text fw={600}>{verdictWords(tried)}</Text>
        <Text size="sm" c="dimmed">
          {zone.candidates.length > 1
            ? `Which zone the person is in is not known: ${zone.candidates.length} zones must agree.`
            : `The person is taken to be in ${zone.zone}, from the ${sourceWords[zone.source]}.`}{' '}
          {tried.version > 0 ? `Version ${tried.version} of the rules.` : 'No rules are set.'}
        </Text>
      </div>
      <div className={`rows ${classes.list}`} role="list" aria-label="What each rule says">
        {tried.rules.map((rule, n) => (
          <div
            key={rule.rule}
            role="listitem"
            className={classes.tried}
            data-behind={(decided >= 0 && n > decided) || undefined}
          >
            {rule.verdict === 'passed' ? (
              decided >= 0 && n > decided ? (
                <IconMinus size={15} aria-hidden />
              ) : (
                <IconCheck size={15} color="var(--status-delivered)" aria-hidden />
              )
            ) : rule.verdict === 'wait' ? (
              <IconClock size={15} color="var(--status-pending)" aria-hidden />
            ) : (
              <IconX size={15} color="var(--status-failed)" aria-hidden />
            )}
            <span>{rule.rule.charAt(0).toUpperCase() + rule.rule.slice(1)}</span>
            <Text size="sm" component="span" className="break">
              {rule.verdict === 'passed'
                ? 'No objection'
                : `${rule.reason ? reasonLabel(rule.reason) : rule.verdict}${rule.said ? `: ${rule.said}` : ''}`}
            </Text>
          </div>
        ))}
      </div>
    </div>
  );
};
const sourceWords = { profile: 'profile', phone: 'country of the phone', workspace: 'workspace' };
const verdictWords = ({ verdict, reason, until }: GateTried): string =>
  verdict === 'send'
    ? 'It would be sent.'
    : verdict === 'wait'
      ? `It would wait${until ? ` until ${absoluteWithZone(until)}` : ''}${reason ? `: ${reasonLabel(reason).toLowerCase()}` : ''}.`
      : `It would not be sent${reason ? `: ${reasonLabel(reason).toLowerCase()}` : ''}.`;
