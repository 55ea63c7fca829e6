/** Variants of a campaign and their test, as fields. What a variant says of its own beside a template is written as JSON. */
import {
  ActionIcon,
  Button,
  Group,
  MultiSelect,
  NumberInput,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import type { CampaignDefinition, CampaignTest, CampaignVariant } from '@carillon/contracts';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { channelLooks } from '../../words.js';
import { metricKinds } from './campaign.js';
import classes from './Campaigns.module.css';

interface Props {
  definition: CampaignDefinition;
  readOnly: boolean;
  templates: { value: string; label: string }[];
  errorAt: (pointer: string) => string | undefined;
  set: (definition: CampaignDefinition) => void;
}
const MOST = 10;

export const VariantFields = ({ definition, readOnly, templates, errorAt, set }: Props) => {
  const { variants, test } = definition;
  const change = (next: CampaignVariant[]) => {
    // A test of nothing is none.
    const { test: _, ...rest } = definition;
    set(next.length === 0 ? { ...rest, variants: next } : { ...definition, variants: next });
  };
  const add = () => {
    const free = 'abcdefghij'.split('').filter((name) => !variants.some((v) => v.name === name));
    const made = (variants.length === 0 ? free.slice(0, 2) : free.slice(0, 1)).map((name) => ({
      name,
      weight: 50,
    }));
    change([...variants, ...made]);
  };
  const update = (n: number, changes: Partial<CampaignVariant>) =>
    change(variants.map((one, m) => (m === n ? { ...one, ...changes } : one)));
  const setTest = (next: CampaignTest | undefined) => {
    const { test: _, ...rest } = definition;
    set(next ? { ...rest, test: next } : rest);
  };
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="center">
        <div>
          <Text size="sm" fw={500}>
            Variants
          </Text>
          <Text size="xs" c="dimmed">
            Each person gets one of them, always the same. They differ in what they say, where, or when.
          </Text>
        </div>
        {!readOnly && variants.length < MOST && (
          <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={add}>
            {variants.length === 0 ? 'Try variants' : 'Add a variant'}
          </Button>
        )}
      </Group>
      {errorAt('/variants') && (
        <Text size="xs" c="var(--status-failed)">
          {errorAt('/variants')}
        </Text>
      )}
      {variants.map((variant, n) => (
        <div key={n} className={classes.variant}>
          <TextInput
            label={n === 0 ? 'Name' : undefined}
            aria-label={`Name of variant ${n + 1}`}
            readOnly={readOnly}
            value={variant.name}
            onChange={(event) => update(n, { name: event.currentTarget.value })}
          />
          <NumberInput
            label={n === 0 ? 'Weight' : undefined}
            aria-label={`Weight of variant ${n + 1}`}
            readOnly={readOnly}
            min={0}
            max={100}
            value={variant.weight}
            onChange={(value) => update(n, { weight: Number(value) })}
          />
          <Select
            label={n === 0 ? 'Template' : undefined}
            aria-label={`Template of variant ${n + 1}`}
            searchable
            clearable
            readOnly={readOnly}
            disabled={variant.content !== undefined}
            placeholder={variant.content ? 'Content of its own: see JSON' : 'What the campaign says'}
            data={templates}
            value={typeof variant.template === 'string' ? variant.template : (variant.template?.key ?? null)}
            onChange={(value) => {
              const { template: _, ...rest } = variant;
              change(
                variants.map((one, m) => (m === n ? (value ? { ...rest, template: value } : rest) : one)),
              );
            }}
          />
          <MultiSelect
            label={n === 0 ? 'Channels' : undefined}
            aria-label={`Channels of variant ${n + 1}`}
            readOnly={readOnly}
            placeholder={variant.channels?.length ? '' : 'All'}
            data={definition.channels.map((value) => ({ value, label: channelLooks[value].label }))}
            value={variant.channels ?? []}
            onChange={(chosen) => {
              const { channels: _, ...rest } = variant;
              change(
                variants.map((one, m) =>
                  m === n ? (chosen.length > 0 ? { ...rest, channels: chosen } : rest) : one,
                ),
              );
            }}
          />
          <TextInput
            label={n === 0 ? 'Later by' : undefined}
            aria-label={`Variant ${n + 1} is later by`}
            readOnly={readOnly}
            placeholder="0h"
            error={errorAt(`/variants/${n}/delay`)}
            value={variant.delay ?? ''}
            onChange={(event) => {
              const { delay: _, ...rest } = variant;
              const delay = event.currentTarget.value;
              change(variants.map((one, m) => (m === n ? (delay ? { ...rest, delay } : rest) : one)));
            }}
          />
          {!readOnly && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove variant ${variant.name}`}
              onClick={() => change(variants.length <= 2 ? [] : variants.filter((_, m) => m !== n))}
            >
              <IconTrash size={16} />
            </ActionIcon>
          )}
        </div>
      ))}
      {variants.length > 0 && (
        <TestFields test={test} readOnly={readOnly} error={errorAt('/test')} set={setTest} />
      )}
    </Stack>
  );
};

interface TestProps {
  test: CampaignTest | undefined;
  readOnly: boolean;
  error: string | undefined;
  set: (test: CampaignTest | undefined) => void;
}
const TestFields = ({ test, readOnly, error, set }: TestProps) => (
  <Stack gap="sm">
    <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="sm">
      <Select
        label="The winner is who is most"
        description="What a variant is to bring about"
        readOnly={readOnly}
        allowDeselect={false}
        error={error}
        data={[
          { value: 'none', label: 'No test: everybody at once' },
          ...Object.entries(metricKinds).map(([value, label]) => ({ value, label })),
        ]}
        value={test?.metric.kind ?? 'none'}
        onChange={(kind) => {
          if (kind === 'none' || kind === null) return set(undefined);
          const metric = (kind === 'converted' ? { kind, event: '' } : { kind }) as CampaignTest['metric'];
          set(
            test
              ? { ...test, metric }
              : { portion: 20, metric, within: '1d', decideAfter: '4h', atLeast: 100 },
          );
        }}
      />
      {test?.metric.kind === 'converted' && (
        <TextInput
          label="Event"
          description="What the person does"
          placeholder="order.placed"
          readOnly={readOnly}
          value={test.metric.event}
          onChange={(event) =>
            set({ ...test, metric: { kind: 'converted', event: event.currentTarget.value } })
          }
        />
      )}
      {test && (
        <NumberInput
          label="Tried out on"
          description="The rest waits for the winner"
          suffix=" %"
          readOnly={readOnly}
          min={1}
          max={100}
          value={test.portion}
          onChange={(value) => set({ ...test, portion: Number(value) })}
        />
      )}
    </SimpleGrid>
    {test && (
      <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="sm">
        <TextInput
          label="Decide after"
          description="The best wins then, however sure"
          readOnly={readOnly}
          value={test.decideAfter}
          onChange={(event) => set({ ...test, decideAfter: event.currentTarget.value })}
        />
        <NumberInput
          label="Earlier, when as sure as"
          description="Probability to be the best"
          placeholder="Not earlier"
          suffix=" %"
          readOnly={readOnly}
          min={50}
          max={99.99}
          value={test.confidence ?? ''}
          onChange={(value) => {
            const { confidence: _, ...rest } = test;
            set(value === '' ? rest : { ...rest, confidence: Number(value) });
          }}
        />
        <TextInput
          label="What counts"
          description="So long after it was sent"
          readOnly={readOnly}
          value={test.within}
          onChange={(event) => set({ ...test, within: event.currentTarget.value })}
        />
      </SimpleGrid>
    )}
  </Stack>
);
