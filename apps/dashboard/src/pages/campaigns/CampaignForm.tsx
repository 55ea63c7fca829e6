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
import { channels, type Campaign, type CampaignDefinition, type CampaignStart } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useState } from 'react';
import { api, ApiProblem } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Section } from '../../parts/PageHeader.js';
import { channelLooks } from '../../words.js';
import { emptyDefinition, sizesOf } from './campaign.js';
import { VariantFields } from './VariantFields.js';

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
              <StartFields
                start={definition.start}
                readOnly={readOnly}
                error={errorAt('/start')}
                set={(start) => set({ start })}
              />
              <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="md">
                <NumberInput
                  label="Messages a second"
                  description="On each channel, at most"
                  placeholder="As fast as it goes"
                  readOnly={readOnly}
                  min={1}
                  allowDecimal={false}
                  value={definition.rate ?? ''}
                  onChange={(value) => {
                    const { rate: _, ...rest } = definition;
                    setDefinition(value === '' ? rest : { ...rest, rate: Number(value) });
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
                <TextInput
                  label="Waves"
                  description="Per cent each, an hour apart: 1, 9, 90"
                  placeholder="All at once"
                  readOnly={readOnly}
                  error={errorAt('/waves')}
                  value={waves}
                  onChange={(event) => {
                    const text = event.currentTarget.value;
                    setWaves(text);
                    const { waves: before, ...rest } = definition;
                    const sizes = sizesOf(text);
                    setDefinition(
                      sizes
                        ? {
                            ...rest,
                            waves: { unit: before?.unit ?? 'percent', every: before?.every ?? '1h', sizes },
                          }
                        : rest,
                    );
                  }}
                />
              </SimpleGrid>
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

interface StartProps {
  start: CampaignStart;
  readOnly: boolean;
  error: string | undefined;
  set: (start: CampaignStart) => void;
}
const StartFields = ({ start, readOnly, error, set }: StartProps) => {
  const soon = new Date(Date.now() + 86_400_000).toISOString();
  const fresh: Record<CampaignStart['kind'], CampaignStart> = {
    now: { kind: 'now' },
    at: { kind: 'at', at: soon },
    local: { kind: 'local', date: soon.slice(0, 10), time: '09:00' },
    recurring: {
      kind: 'recurring',
      rule: 'FREQ=WEEKLY;BYDAY=MO',
      from: `${soon.slice(0, 10)}T09:00`,
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
  };
  return (
    <>
      <Group grow align="flex-start">
        <Select
          label="When"
          readOnly={readOnly}
          allowDeselect={false}
          error={error}
          data={[
            { value: 'now', label: 'When it is started' },
            { value: 'at', label: 'At a time' },
            { value: 'local', label: 'At each person’s own time' },
            { value: 'recurring', label: 'Again and again' },
          ]}
          value={start.kind}
          onChange={(value) => set(fresh[value as CampaignStart['kind']])}
        />
        {start.kind === 'at' && (
          <TextInput
            label="Time"
            type="datetime-local"
            readOnly={readOnly}
            value={localValue(start.at)}
            onChange={(event) => {
              const at = new Date(event.currentTarget.value);
              if (!Number.isNaN(at.getTime())) set({ kind: 'at', at: at.toISOString() });
            }}
          />
        )}
        {start.kind === 'local' && (
          <>
            <TextInput
              label="Day"
              type="date"
              readOnly={readOnly}
              value={start.date}
              onChange={(event) => set({ ...start, date: event.currentTarget.value })}
            />
            <TextInput
              label="Time"
              type="time"
              readOnly={readOnly}
              value={start.time}
              onChange={(event) => set({ ...start, time: event.currentTarget.value })}
            />
          </>
        )}
        {start.kind === 'recurring' && (
          <TextInput
            label="Rule"
            description="RFC 5545"
            readOnly={readOnly}
            value={start.rule}
            onChange={(event) => set({ ...start, rule: event.currentTarget.value })}
          />
        )}
      </Group>
      {start.kind === 'recurring' && (
        <Group grow align="flex-start">
          <TextInput
            label="First"
            type="datetime-local"
            readOnly={readOnly}
            value={start.from}
            onChange={(event) => set({ ...start, from: event.currentTarget.value })}
          />
          <TextInput
            label="Zone"
            readOnly={readOnly}
            value={start.zone}
            onChange={(event) => set({ ...start, zone: event.currentTarget.value })}
          />
        </Group>
      )}
    </>
  );
};
/** As the field of the browser wants it: the time here, without a zone. */
const localValue = (at: string): string => {
  const time = new Date(at);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};
