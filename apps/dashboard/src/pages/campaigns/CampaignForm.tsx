/** Writing a campaign: whom, what, when, how fast. What the fields do not hold is written as JSON. */
import {
  Button,
  Group,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  SimpleGrid,
  Skeleton,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { channels, type Campaign, type CampaignDefinition } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { api, ApiProblem } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Section } from '../../parts/PageHeader.js';
import { channelLooks } from '../../words.js';
import { AttachmentFields } from './AttachmentFields.js';
import { emptyDefinition } from './campaign.js';
import { HoldoutFields } from './HoldoutFields.js';
import { RateFields } from './RateFields.js';
import { StartFields } from './StartFields.js';
import { VariantFields } from './VariantFields.js';
import { WaveFields } from './WaveFields.js';

const CodeEditor = lazy(() => import('../../parts/CodeEditor.js'));

export const CampaignForm = ({ campaign, readOnly }: { campaign?: Campaign; readOnly: boolean }) => {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const [name, setName] = useState(campaign?.name ?? '');
  const [definition, setDefinition] = useState<CampaignDefinition>(campaign?.definition ?? emptyDefinition);
  const [as, setAs] = useState<'fields' | 'json'>('fields');
  const [json, setJson] = useState('');
  const [fault, setFault] = useState<string>();
  const [waves, setWaves] = useState(definition.waves?.sizes.join(', ') ?? '');
  const audiences = useQuery({
    queryKey: ['audiences', 'list', {}],
    queryFn: () => api.audiences.list({ limit: 200 }).page(),
  });
  const templates = useQuery({
    queryKey: ['templates', 'all'],
    queryFn: () => api.templates.list({ limit: 200 }).page(),
  });
  const templatesToBegin = useQuery({
    queryKey: ['campaigns', 'templates'],
    queryFn: () => api.campaigns.list({ limit: 100, template: 'true', state: 'draft' }).page(),
    enabled: !campaign,
  });
  const set = (changes: Partial<CampaignDefinition>) => setDefinition({ ...definition, ...changes });
  const save = useMutation({
    mutationFn: () => {
      // A template that is empty is none; the rest is for the server to judge.
      const { template, ...rest } = definition;
      const body = { name, definition: template ? { ...rest, template } : rest };
      return campaign
        ? api.campaigns.save(campaign.id, { ...body, ifVersion: campaign.version })
        : api.campaigns.create(body);
    },
    onSuccess: async (saved) => {
      queryClient.setQueryData(['campaigns', 'one', saved.id], saved);
      await queryClient.invalidateQueries({ queryKey: ['campaigns', 'list'] });
      if (!campaign) await navigate({ to: '/campaigns/$id', params: { id: saved.id } });
    },
  });
  const show = (next: 'fields' | 'json') => {
    if (next === 'json') setJson(JSON.stringify(definition, null, 2));
    setAs(next);
  };
  const errorAt = (pointer: string) =>
    save.error instanceof ApiProblem
      ? save.error.errors.find((one) => one.pointer.startsWith(`/definition${pointer}`))?.message
      : undefined;
  const template =
    typeof definition.template === 'string' ? definition.template : (definition.template?.key ?? '');
  const named = typeof definition.audience === 'string';
  return (
    <Section
      title="What it is"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="How the campaign is shown"
          value={as}
          onChange={(value) => show(value as 'fields' | 'json')}
          data={[
            { value: 'fields', label: 'Fields' },
            { value: 'json', label: 'JSON' },
          ]}
        />
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          {!campaign && (templatesToBegin.data?.items.length ?? 0) > 0 && (
            <Select
              label="Begin with"
              clearable
              placeholder="An empty campaign"
              data={(templatesToBegin.data?.items ?? []).map((t) => ({ value: t.id, label: t.name }))}
              onChange={(id) => {
                const from = templatesToBegin.data?.items.find((t) => t.id === id);
                const next = from?.definition ?? emptyDefinition;
                setDefinition(next);
                setWaves(next.waves?.sizes.join(', ') ?? '');
                setJson(JSON.stringify(next, null, 2));
                if (from && !name) setName(from.name);
              }}
            />
          )}
          <TextInput
            label="Name"
            required
            readOnly={readOnly}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {as === 'json' ? (
            <Suspense fallback={<Skeleton h={300} />}>
              <CodeEditor
                language="json"
                label="Definition"
                minHeight={300}
                value={json}
                readOnly={readOnly}
                onChange={(text) => {
                  setJson(text);
                  try {
                    setDefinition(JSON.parse(text) as CampaignDefinition);
                    setFault(undefined);
                  } catch (error) {
                    setFault(messageOf(error));
                  }
                }}
              />
            </Suspense>
          ) : (
            <>
              <Group grow align="flex-start">
                <Select
                  label="Audience"
                  searchable
                  readOnly={readOnly}
                  disabled={!named}
                  placeholder={named ? 'Choose' : 'Profiles by name: see JSON'}
                  error={errorAt('/audience')}
                  data={(audiences.data?.items ?? []).map((a) => ({ value: a.key, label: a.name }))}
                  value={named ? (definition.audience as string) : null}
                  onChange={(value) => set({ audience: value ?? '' })}
                />
                <MultiSelect
                  label="Without"
                  readOnly={readOnly}
                  placeholder={definition.exclude.length === 0 ? 'Nobody' : ''}
                  data={(audiences.data?.items ?? []).map((a) => ({ value: a.key, label: a.name }))}
                  value={definition.exclude}
                  onChange={(value) => set({ exclude: value })}
                />
              </Group>
              <Group grow align="flex-start">
                <MultiSelect
                  label="Channels"
                  readOnly={readOnly}
                  error={errorAt('/channels')}
                  data={channels.map((value) => ({ value, label: channelLooks[value].label }))}
                  value={definition.channels}
                  onChange={(value) => set({ channels: value })}
                />
                <Select
                  label="Template"
                  searchable
                  readOnly={readOnly}
                  disabled={definition.content !== undefined}
                  placeholder={definition.content ? 'Content of its own: see JSON' : 'Choose'}
                  error={errorAt('/template') ?? errorAt('/content')}
                  data={(templates.data?.items ?? []).map((t) => ({ value: t.key, label: t.name }))}
                  value={template || null}
                  onChange={(value) => set({ template: value ?? '' })}
                />
              </Group>
              <Group grow align="flex-start">
                <TextInput
                  label="Topic"
                  readOnly={readOnly}
                  placeholder="None"
                  value={definition.topic ?? ''}
                  onChange={(event) => {
                    const { topic: _, ...rest } = definition;
                    const topic = event.currentTarget.value;
                    setDefinition(topic ? { ...rest, topic } : rest);
                  }}
                />
                <Select
                  label="Class"
                  readOnly={readOnly}
                  allowDeselect={false}
                  data={[
                    { value: 'marketing', label: 'Marketing' },
                    { value: 'transactional', label: 'Transactional' },
                  ]}
                  value={definition.class}
                  onChange={(value) => set({ class: value as CampaignDefinition['class'] })}
                />
              </Group>
              <TrackingFields definition={definition} readOnly={readOnly} set={setDefinition} />
              <StartFields
                start={definition.start}
                readOnly={readOnly}
                error={errorAt('/start')}
                set={(start) => set({ start })}
              />
              <SimpleGrid cols={{ base: 1, sm: 2 }} verticalSpacing="md">
                <NumberInput
                  label="Priority"
                  description="0 to 100: who gets the last place under caps and capacity"
                  readOnly={readOnly}
                  min={0}
                  max={100}
                  allowDecimal={false}
                  value={definition.priority}
                  onChange={(value) => set({ priority: Number(value) })}
                />
                <RateFields
                  rate={definition.rate}
                  readOnly={readOnly}
                  error={errorAt('/rate')}
                  set={(rate) => {
                    const { rate: _, ...rest } = definition;
                    setDefinition(rate === undefined ? rest : { ...rest, rate });
                  }}
                />
                <TextInput
                  label="Send within"
                  description="What has not left by then expires"
                  placeholder="12h"
                  readOnly={readOnly}
                  error={errorAt('/sendWithin')}
                  value={definition.sendWithin ?? ''}
                  onChange={(event) => {
                    const { sendWithin: _, ...rest } = definition;
                    const sendWithin = event.currentTarget.value;
                    setDefinition(sendWithin ? { ...rest, sendWithin } : rest);
                  }}
                />
                <WaveFields
                  text={waves}
                  waves={definition.waves}
                  readOnly={readOnly}
                  error={errorAt('/waves')}
                  set={(text, next) => {
                    setWaves(text);
                    const { waves: _, ...rest } = definition;
                    setDefinition(next ? { ...rest, waves: next } : rest);
                  }}
                />
              </SimpleGrid>
              <HoldoutFields
                holdout={definition.holdout}
                readOnly={readOnly}
                error={errorAt('/holdout')}
                set={(holdout) => {
                  const { holdout: _, ...rest } = definition;
                  setDefinition(holdout ? { ...rest, holdout } : rest);
                }}
              />
              {definition.channels.includes('email') && (
                <AttachmentFields
                  attachments={definition.attachments ?? []}
                  readOnly={readOnly}
                  error={errorAt('/attachments')}
                  set={(attachments) => {
                    const { attachments: _, ...rest } = definition;
                    setDefinition(attachments.length > 0 ? { ...rest, attachments } : rest);
                  }}
                />
              )}
              <VariantFields
                definition={definition}
                readOnly={readOnly}
                templates={(templates.data?.items ?? []).map((t) => ({ value: t.key, label: t.name }))}
                errorAt={errorAt}
                set={setDefinition}
              />
            </>
          )}
          {(fault ?? save.error) && (
            <Text role="alert" size="sm" c="var(--status-failed)">
              {fault ?? messageOf(save.error)}
            </Text>
          )}
          {!readOnly && (
            <Group justify="flex-end">
              <Button type="submit" loading={save.isPending} disabled={fault !== undefined}>
                {campaign ? 'Save' : 'Save as draft'}
              </Button>
            </Group>
          )}
        </Stack>
      </form>
    </Section>
  );
};

interface TrackingProps {
  definition: CampaignDefinition;
  readOnly: boolean;
  set: (definition: CampaignDefinition) => void;
}
/** Opens and clicks of its mails, links that lead nowhere; and one message for each of several things. */
const TrackingFields = ({ definition, readOnly, set }: TrackingProps) => {
  const { tracking, each, ...rest } = definition;
  const put = (next: CampaignDefinition['tracking'], things = each) =>
    set({ ...rest, ...(next ? { tracking: next } : {}), ...(things ? { each: things } : {}) });
  const choose = (name: 'opens' | 'clicks', value: string | null) => {
    const { [name]: _, ...others } = tracking ?? {};
    const next = value === 'policy' || value === null ? others : { ...others, [name]: value === 'on' };
    put(Object.keys(next).length > 0 ? next : undefined);
  };
  const field = (name: 'opens' | 'clicks', label: string) => (
    <Select
      label={label}
      readOnly={readOnly}
      disabled={!definition.channels.includes('email')}
      allowDeselect={false}
      data={[
        { value: 'policy', label: 'As the policy says' },
        { value: 'on', label: 'Counted' },
        { value: 'off', label: 'Not counted' },
      ]}
      value={tracking?.[name] === undefined ? 'policy' : tracking[name] ? 'on' : 'off'}
      onChange={(value) => choose(name, value)}
    />
  );
  const told = (changes: Partial<NonNullable<CampaignDefinition['each']>>) => {
    const next = { event: '', key: '', within: '30d', ...each, ...changes };
    put(tracking, next.event || next.key ? next : undefined);
    if (!next.event && !next.key) set({ ...rest, ...(tracking ? { tracking } : {}) });
  };
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="md">
        {field('opens', 'Opens of mails')}
        {field('clicks', 'Clicks in mails')}
        <Select
          label="Links that lead nowhere"
          readOnly={readOnly}
          allowDeselect={false}
          data={[
            { value: 'stop', label: 'Keep it from starting' },
            { value: 'warn', label: 'Are a warning' },
          ]}
          value={definition.brokenLinks ?? 'stop'}
          onChange={(value) => {
            const { brokenLinks: _, ...others } = definition;
            set(value === 'warn' ? { ...others, brokenLinks: value } : others);
          }}
        />
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="md">
        <TextInput
          label="One for each"
          description="An event; empty: one message a person"
          placeholder="order.placed"
          readOnly={readOnly}
          value={each?.event ?? ''}
          onChange={(event) => told({ event: event.currentTarget.value })}
        />
        <TextInput
          label="Told apart by"
          description="A property of it; the others are {{ each.… }}"
          placeholder="orderId"
          readOnly={readOnly}
          value={each?.key ?? ''}
          onChange={(event) => told({ key: event.currentTarget.value })}
        />
        <TextInput
          label="Of the last"
          description="Before it begins"
          readOnly={readOnly}
          disabled={!each}
          value={each?.within ?? '30d'}
          onChange={(event) => told({ within: event.currentTarget.value })}
        />
      </SimpleGrid>
    </>
  );
};
