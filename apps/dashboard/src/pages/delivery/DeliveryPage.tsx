/** One delivery: where it stands in a sentence, what happened when, what was said, and what can still be done. */
import { Group, Skeleton, Stack, Text } from '@mantine/core';
import type { DeliveryDetail, Explanation, Status } from '@carillon/contracts';
import { endStatuses } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { IconCopyCheck, IconInfoCircle } from '@tabler/icons-react';
import { useMemo, type ReactNode } from 'react';
import { api } from '../../api.js';
import { ChannelMark, StatusBadge } from '../../parts/Badges.js';
import { Content } from '../../parts/Content.js';
import { Copyable, Facts } from '../../parts/Facts.js';
import { TextLink } from '../../parts/links.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useLive } from '../../parts/useLive.js';
import { useCan } from '../../session.js';
import { channelLooks, reasonLabel, sourceLabels } from '../../words.js';
import classes from './DeliveryPage.module.css';
import { ResolveActions } from './ResolveActions.js';
import { StopActions } from './StopActions.js';
import { Timeline } from './Timeline.js';

const route = getRouteApi('/app/deliveries/$id');
const ended = new Set<Status>(endStatuses);

export const DeliveryPage = () => {
  const { id } = route.useParams();
  const key = ['deliveries', 'one', id];
  const delivery = useQuery({ queryKey: key, queryFn: () => api.deliveries.get(id) });
  const messageId = delivery.data?.messageId;
  // A sent delivery may still hear from its provider; after that only opens and clicks come.
  const stillMoving =
    delivery.data !== undefined &&
    (!ended.has(delivery.data.status) ||
      delivery.data.status === 'sent' ||
      delivery.data.status === 'unknown');
  useLive(
    useMemo(() => ({ messageId }), [messageId]),
    key,
    stillMoving,
  );
  const content = useQuery({
    queryKey: ['deliveries', 'content', id],
    queryFn: () => api.deliveries.content(id),
    staleTime: Infinity,
  });
  const explanation = useQuery({
    queryKey: [...key, 'explain', delivery.data?.status],
    queryFn: () => api.deliveries.explain(id),
    enabled: delivery.data !== undefined,
  });

  if (delivery.isError && !delivery.data)
    return (
      <>
        <PageHeader title="Delivery" parent={{ label: 'Deliveries', to: '/deliveries' }} />
        <div className="card">
          <Failure error={delivery.error} retry={() => void delivery.refetch()} />
        </div>
      </>
    );
  if (!delivery.data) return <PagePending />;
  const it = delivery.data;
  return (
    <>
      <PageHeader
        title={`${channelLooks[it.channel].label} to ${it.address ?? it.profile?.externalId ?? 'nobody'}`}
        parent={{ label: 'Deliveries', to: '/deliveries' }}
        beside={<StatusBadge status={it.status} large />}
        lead={<span className={classes.sentence}>{it.sentence}</span>}
        actions={<StopActions delivery={it} />}
      />
      {it.possibleDuplicate && (
        <Notice between tone="warning" title="Possibly sent twice" icon={IconCopyCheck}>
          An earlier attempt ended without an answer and may have arrived. It was tried again all the same.
        </Notice>
      )}
      <ResolveActions delivery={it} />
      <div className={classes.columns}>
        <Stack gap="lg" style={{ minWidth: 0 }}>
          <Section title="What happened">
            <Timeline events={it.timeline} dueAt={it.dueAt} />
          </Section>
          <Section title="Why, and what next">
            {explanation.data ? (
              <Explained explanation={explanation.data} sentence={it.sentence} />
            ) : explanation.isError ? (
              <Failure small error={explanation.error} retry={() => void explanation.refetch()} />
            ) : (
              <Stack gap={8}>
                <Skeleton h={14} w="60%" />
                <Skeleton h={14} w="80%" />
              </Stack>
            )}
          </Section>
        </Stack>
        <Stack gap="lg" style={{ minWidth: 0 }}>
          <Section title="What it says" pad={false}>
            {content.data ? (
              <Content content={content.data} />
            ) : content.isError ? (
              <Failure small error={content.error} retry={() => void content.refetch()} />
            ) : (
              <Skeleton h={260} m={16} w="auto" />
            )}
          </Section>
          <Section title="Facts">
            <DeliveryFacts delivery={it} />
          </Section>
        </Stack>
      </div>
    </>
  );
};

/** What the page does not say already: the sentence stands at its top, and what happened when in the timeline. */
const Explained = ({ explanation, sentence }: { explanation: Explanation; sentence: string }) => {
  const { because } = explanation;
  return (
    <Group gap={9} wrap="nowrap" align="flex-start">
      <IconInfoCircle
        size={17}
        color="var(--mantine-color-anchor)"
        style={{ flexShrink: 0, marginTop: 2 }}
        aria-hidden
      />
      <Stack gap="xs">
        {explanation.verdict !== sentence && <Text fw={550}>{explanation.verdict}</Text>}
        {because.length > 0 && (
          <ul className={classes.because}>
            {because.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        )}
        <Text>{explanation.next}</Text>
        {explanation.youCan.map((line) => (
          <Text key={line} fw={550}>
            {line}
          </Text>
        ))}
      </Stack>
    </Group>
  );
};

const DeliveryFacts = ({ delivery: it }: { delivery: DeliveryDetail }) => {
  const seesProfiles = useCan('profiles:read');
  const seesTemplates = useCan('templates:read');
  const seesAccounts = useCan('accounts:read');
  return (
    <Facts
      items={given([
        ['Channel', <ChannelMark key="c" channel={it.channel} />],
        ['Reason', it.reason && reasonLabel(it.reason)],
        ['Address', it.address && <Copyable key="a" value={it.address} label="Copy the address" />],
        [
          'Profile',
          it.profile &&
            (seesProfiles ? (
              <TextLink
                key="p"
                to="/profiles/$externalId"
                params={{ externalId: it.profile.externalId }}
                inherit
              >
                {it.profile.externalId}
              </TextLink>
            ) : (
              it.profile.externalId
            )),
        ],
        [
          'Template',
          it.template &&
            (seesTemplates ? (
              <TextLink
                key="t"
                to="/templates/$key"
                params={{ key: it.template.key }}
                search={{ version: it.template.version }}
                inherit
              >
                {it.template.key}, version {it.template.version}
              </TextLink>
            ) : (
              `${it.template.key}, version ${it.template.version}`
            )),
        ],
        [
          'Provider',
          it.provider &&
            (seesAccounts && it.providerAccountId ? (
              <TextLink key="v" to="/accounts/$id" params={{ id: it.providerAccountId }} inherit>
                {it.provider}
              </TextLink>
            ) : (
              it.provider
            )),
        ],
        [
          'Provider’s id',
          it.providerMessageId && (
            <Copyable key="i" value={it.providerMessageId} label="Copy the provider’s id" />
          ),
        ],
        ['Attempts', it.attempts],
        ['Class, lane', `${it.class}, ${it.lane}`],
        ['Source', sourceLabels[it.source]],
        ['Accepted', <When key="w" at={it.createdAt} show="both" />],
        ['Sent', it.sentAt && <When key="s" at={it.sentAt} show="both" />],
        ['Delivered', it.deliveredAt && <When key="d" at={it.deliveredAt} show="both" />],
        ['Expires', it.expiresAt && <When key="x" at={it.expiresAt} show="both" />],
        ['Delivery id', <Copyable key="id" value={it.id} label="Copy the delivery id" />],
        [
          'Message id',
          <Group key="m" gap="xs">
            <Copyable value={it.messageId} label="Copy the message id" />
            <TextLink to="/deliveries" search={{ messageId: it.messageId }} size="xs">
              all its deliveries
            </TextLink>
          </Group>,
        ],
      ])}
    />
  );
};
/** Only what there is to tell. */
const given = (items: [name: string, value: ReactNode][]) =>
  items.filter(([, value]) => value !== null && value !== undefined);
