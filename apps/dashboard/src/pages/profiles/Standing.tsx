/** What somebody agreed to, where they are not written to, and in which audiences they are: how they stand just now. */
import { Stack, Text } from '@mantine/core';
import type { ProfileState } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api } from '../../api.js';
import { Facts } from '../../parts/Facts.js';
import { TextLink } from '../../parts/links.js';
import { Section } from '../../parts/PageHeader.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { channelLooks, sentenceCase } from '../../words.js';
import classes from './ProfilePage.module.css';

const words = { in: 'Opted in', out: 'Opted out', pending: 'Waits for confirmation' } as const;
const labelOf = (channel: string): string =>
  Object.entries(channelLooks).find(([name]) => name === channel)?.[1].label ?? channel;

type Said = ProfileState['consents'][number];
/** The person and their address may each have a word about one topic. */
const byTopic = (consents: readonly Said[]): [string, Said[]][] => {
  const of = new Map<string, Said[]>();
  for (const one of consents) {
    const topic = `${labelOf(one.channel)} · ${one.topic === '' ? 'everything' : one.topic}`;
    of.set(topic, [...(of.get(topic) ?? []), one]);
  }
  return [...of];
};

export const Standing = ({ externalId }: { externalId: string }) => {
  const state = useQuery({
    queryKey: ['profiles', 'state', externalId],
    queryFn: () => api.profiles.state(externalId),
  });
  const shown = (title: string, content: (it: ProfileState) => ReactNode) => (
    <Section title={title}>
      {state.isError && !state.data ? (
        <Failure error={state.error} retry={() => void state.refetch()} small />
      ) : state.data ? (
        content(state.data)
      ) : (
        <RowsPending rows={2} />
      )}
    </Section>
  );
  return (
    <div className={classes.columns}>
      {shown('Consent', ({ consents, suppressed }) =>
        consents.length + suppressed.length === 0 ? (
          <Text size="sm" c="dimmed">
            They never said anything: what silence means stands under Topics. No address of theirs is
            suppressed.
          </Text>
        ) : (
          <Facts
            items={[
              ...suppressed.map(({ channel, reason }): [string, ReactNode] => [
                labelOf(channel),
                <Text key={channel} span inherit c="var(--status-failed)">
                  Suppressed: {sentenceCase(reason).toLowerCase()}
                </Text>,
              ]),
              ...byTopic(consents).map(([topic, said]): [string, ReactNode] => [
                topic,
                said.map(({ word, about, at }) => (
                  <Text key={about} inherit>
                    {words[word]}{' '}
                    <Text span inherit c="dimmed">
                      · {about === 'address' ? 'this address' : 'the person'} · <When at={at} />
                    </Text>
                  </Text>
                )),
              ]),
            ]}
          />
        ),
      )}
      {shown('Audiences', ({ audiences }) =>
        audiences.length === 0 ? (
          <Text size="sm" c="dimmed">
            None that keeps its members: lists and live rules stand here.
          </Text>
        ) : (
          <Stack gap={6}>
            {audiences.map(({ id, key, since }) => (
              <Text key={id} size="sm">
                <TextLink to="/audiences/$key" params={{ key }} size="sm" fw={500}>
                  {key}
                </TextLink>{' '}
                <Text span inherit c="dimmed">
                  since <When at={since} />
                </Text>
              </Text>
            ))}
          </Stack>
        ),
      )}
    </div>
  );
};
