/** What a campaign says to one person: by channel and variant, rendered as it would leave, and not sent. */
import { Group, SegmentedControl, Select, Skeleton, Stack, Text } from '@mantine/core';
import type { CampaignDefinition, Channel } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Content } from '../../parts/Content.js';
import { Notice } from '../../parts/Notice.js';
import { Section } from '../../parts/PageHeader.js';
import { channelLooks } from '../../words.js';
import { ProfilePicker } from '../templates/PreviewPane.js';

export const PreviewSection = ({ definition }: { definition: CampaignDefinition }) => {
  const [picked, setChannel] = useState<Channel>(definition.channels[0] ?? 'email');
  const [variant, setVariant] = useState(definition.variants[0]?.name ?? null);
  const [profile, setProfile] = useState<string>();
  const voice = definition.variants.find(({ name }) => name === variant);
  const channels = voice?.channels ?? definition.channels;
  const channel = channels.includes(picked) ? picked : (channels[0] ?? 'email');
  const { template, content } = voice?.template || voice?.content ? voice : definition;
  const key = typeof template === 'string' ? template : template?.key;
  const asked = {
    channel,
    profile,
    data: { ...definition.data, ...voice?.data },
    ...(template && typeof template !== 'string' ? { version: template.version } : {}),
    ...(content ? { content } : {}),
  };
  const preview = useQuery({
    queryKey: ['preview', 'campaign', key, asked],
    queryFn: () => api.templates.preview(key ?? 'campaign', asked),
    enabled: key !== undefined || content !== undefined,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const rendered = preview.data?.rendered?.channel === channel ? preview.data.rendered : null;
  return (
    <Section title="What one person gets">
      <Stack gap="md">
        <Group align="flex-end" gap="md">
          <div style={{ flex: '1 1 240px' }}>
            <ProfilePicker onPick={setProfile} />
          </div>
          {definition.variants.length > 0 && (
            <Select
              label="Variant"
              w={180}
              allowDeselect={false}
              data={definition.variants.map(({ name }) => name)}
              value={variant}
              onChange={setVariant}
            />
          )}
          {channels.length > 1 && (
            <SegmentedControl
              aria-label="Channel"
              value={channel}
              onChange={(value) => setChannel(value as Channel)}
              data={channels.map((value) => ({ value, label: channelLooks[value].label }))}
            />
          )}
        </Group>
        {preview.error && (
          <Notice tone="bad" title="It cannot be shown">
            {messageOf(preview.error)}
          </Notice>
        )}
        {preview.data?.errors.map(({ pointer, message }) => (
          <Notice key={pointer + message} tone="bad" title="It cannot be rendered">
            {pointer}: {message}
          </Notice>
        ))}
        {preview.data?.warnings.map((warning) => (
          <Notice key={warning} tone="warning">
            {warning}
          </Notice>
        ))}
        {rendered ? (
          <Content content={rendered} />
        ) : preview.isFetching ? (
          <Skeleton h={180} />
        ) : (
          !preview.error &&
          !preview.data?.errors.length && (
            <Text size="sm" c="dimmed">
              Choose a template or write content; what it says appears here.
            </Text>
          )
        )}
      </Stack>
    </Section>
  );
};
