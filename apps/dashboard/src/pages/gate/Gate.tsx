/** The gate: the workspace's own rules, each read in a sentence and changed in a dialog, and a place to try them. */
import { Button, Group, Select, SimpleGrid, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type {
  Arbitration,
  Capacity,
  FrequencyCap,
  Gate as GateDocument,
  GateRules,
  Holdout,
  QuietHours,
} from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';
import { absoluteWithZone } from '../../time.js';
import classes from './Gate.module.css';
import { RuleDialog, fresh, type Edited } from './RuleDialog.js';
import { arbitrationWords, capacityWords, capWords, quietWords, scopeWords, useWords } from './sentences.js';
import { TryGate } from './TryGate.js';

const key = ['gate'];

export const Gate = () => {
  const gate = useQuery({ queryKey: key, queryFn: () => api.gate.get() });
  return (
    <>
      <PageHeader
        title="Gate"
        lead="Who may be written to when, and how often. Every delivery passes these rules at the last moment before it leaves; they are for marketing, and for topics that ask for them."
      />
      {gate.isError && !gate.data ? (
        <Failure error={gate.error} retry={() => void gate.refetch()} />
      ) : !gate.data ? (
        <RowsPending rows={6} />
      ) : (
        <Rules gate={gate.data} />
      )}
    </>
  );
};

/** `place`: null for a rule that is not there yet. */
interface Open {
  edited: Edited;
  place: number | null;
}

const Rules = ({ gate }: { gate: GateDocument }) => {
  const mayWrite = useCan('accounts:write');
  const queryClient = useQueryClient();
  const [open, setOpen] = useState<Open>();
  const { rules } = gate;
  const uses = useQuery({
    queryKey: ['gate', 'capacity', gate.version],
    queryFn: () => api.gate.capacity(),
    enabled: rules.capacities.length > 0,
    refetchInterval: 5_000,
  });
  const useOf = (rule: Capacity): string => {
    const use = uses.data?.find((u) => u.key === rule.key);
    return use ? ` ${useWords(use)}, until ${absoluteWithZone(use.resetsAt)}.` : '';
  };
  const save = useMutation({
    mutationFn: (changes: Partial<GateRules>) =>
      api.gate.set({ ...rules, ...changes, ifVersion: gate.version }),
    onSuccess: (saved) => {
      queryClient.setQueryData(key, saved);
      setOpen(undefined);
      notifications.show({ message: `Saved as version ${saved.version}. It holds from now on.` });
    },
  });
  const edit = (edited: Edited, place: number | null) => {
    save.reset();
    setOpen({ edited, place });
  };
  const put = ({ kind, rule }: Edited, place: number | null) => {
    const list = rules[kind] as (typeof rule)[];
    save.mutate({ [kind]: place === null ? [...list, rule] : list.map((r, n) => (n === place ? rule : r)) });
  };
  const group = <Kind extends Edited['kind']>(
    kind: Kind,
    title: string,
    lead: string,
    add: string,
    words: (rule: GateRules[Kind][number]) => string,
  ) => (
    <Section
      title={title}
      pad={false}
      actions={
        mayWrite && (
          <Button
            variant="default"
            size="xs"
            onClick={() => edit({ kind, rule: fresh[kind] } as unknown as Edited, null)}
          >
            {add}
          </Button>
        )
      }
    >
      <Text size="sm" c="dimmed" className={classes.lead}>
        {lead}
      </Text>
      <div className={`rows ${classes.list}`} role="list" aria-label={title}>
        {rules[kind].length === 0 && (
          <Text size="sm" c="dimmed" className={classes.none}>
            None are set.
          </Text>
        )}
        {(rules[kind] as (QuietHours | FrequencyCap | Capacity | Holdout)[]).map((rule, n) => (
          <div key={rule.key} role="listitem" className={classes.rule}>
            <div>
              <Text fw={550} className="break">
                {rule.key}
              </Text>
              <Text size="xs" c="dimmed">
                {scopeWords(rule)}
              </Text>
            </div>
            <Text size="sm">{words(rule as GateRules[Kind][number])}</Text>
            {mayWrite && (
              <Button
                variant="default"
                size="xs"
                aria-label={`Change ${rule.key}`}
                onClick={() => edit({ kind, rule } as unknown as Edited, n)}
              >
                Change
              </Button>
            )}
          </div>
        ))}
      </div>
    </Section>
  );
  return (
    <Stack gap="lg">
      {group(
        'quietHours',
        'Quiet hours',
        'What falls into them waits until they are over where the person is, or is not sent.',
        'Add quiet hours',
        quietWords,
      )}
      {group(
        'caps',
        'Frequency caps',
        'How many messages a person may have. All that match must have room, so the lowest wins.',
        'Add a cap',
        capWords,
      )}
      <Priorities
        key={gate.version}
        rule={rules.arbitration}
        mayWrite={mayWrite}
        busy={save.isPending}
        save={(arbitration) => save.mutate({ arbitration })}
      />
      {group(
        'capacities',
        'Capacity',
        'What a channel takes, such as what a call centre can answer. For the whole workspace, by the clock of its zone.',
        'Add a capacity',
        (rule) => capacityWords(rule) + useOf(rule),
      )}
      {group(
        'holdouts',
        'Holdouts',
        'People who get nothing, to see what messages change.',
        'Add a holdout',
        (rule) => `${rule.percent} of a hundred people, always the same ones.`,
      )}
      <People
        gate={gate}
        mayWrite={mayWrite}
        busy={save.isPending}
        error={open ? null : save.error}
        save={save.mutate}
      />
      <TryGate />
      <Text size="xs" c="dimmed">
        {gate.version === 0
          ? 'No rules have been set yet.'
          : `Version ${gate.version}, by ${gate.by ?? 'somebody'}${gate.at ? `, ${absoluteWithZone(gate.at)}` : ''}${gate.note ? `: ${gate.note}` : ''}.`}
      </Text>
      {open && (
        <RuleDialog
          edited={open.edited}
          isNew={open.place === null}
          busy={save.isPending}
          error={save.error}
          onSave={(edited) => put(edited, open.place)}
          onRemove={() =>
            save.mutate({
              [open.edited.kind]: (rules[open.edited.kind] as unknown[]).filter((_, n) => n !== open.place),
            })
          }
          onClose={() => setOpen(undefined)}
        />
      )}
    </Stack>
  );
};

interface PrioritiesProps {
  rule: Arbitration | null;
  mayWrite: boolean;
  busy: boolean;
  save: (rule: Arbitration | null) => void;
}
/** Who gets the last place under a cap. */
const Priorities = ({ rule, mayWrite, busy, save }: PrioritiesProps) => {
  const [now, setNow] = useState(rule);
  const changed = JSON.stringify(now) !== JSON.stringify(rule);
  const lookAhead = now?.lookAhead ?? '';
  return (
    <Section title="Priority">
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          Campaigns and journeys have a score from 0 to 100; of equal ones the earlier comes first.{' '}
          {arbitrationWords(now)}
        </Text>
        <SimpleGrid cols={{ base: 1, sm: 2 }} verticalSpacing="md">
          <Select
            label="What of lower priority does"
            allowDeselect={false}
            readOnly={!mayWrite}
            data={[
              { value: 'off', label: 'Takes the place if it comes first' },
              { value: 'wait', label: 'Waits until the other one has gone' },
              { value: 'suppress', label: 'Is not sent' },
            ]}
            value={now?.then ?? 'off'}
            onChange={(value) =>
              setNow(
                value === 'off'
                  ? null
                  : { lookAhead: now?.lookAhead ?? '1d', then: value as Arbitration['then'] },
              )
            }
          />
          <TextInput
            label="Looks ahead"
            description="Such as 6h, 1d or 7d"
            readOnly={!mayWrite}
            disabled={now === null}
            value={lookAhead}
            onChange={(event) => now && setNow({ ...now, lookAhead: event.currentTarget.value.trim() })}
          />
        </SimpleGrid>
        {mayWrite && (
          <Group justify="flex-end">
            <Button disabled={!changed} loading={busy} onClick={() => save(now)}>
              Save
            </Button>
          </Group>
        )}
      </Stack>
    </Section>
  );
};

interface PeopleProps {
  gate: GateDocument;
  mayWrite: boolean;
  busy: boolean;
  error: unknown;
  save: (changes: Partial<GateRules>) => void;
}
const People = ({ gate: { rules, version }, mayWrite, busy, error, save }: PeopleProps) => {
  const stored = {
    allowList: rules.allowList ?? [],
    testProfiles: rules.testProfiles,
    seeds: rules.seeds,
    transactionalTopics: rules.transactionalTopics,
  };
  const [typed, setTyped] = useState<{ version: number } & typeof stored>({ version, ...stored });
  const now = typed.version === version ? typed : { version, ...stored };
  const changed = JSON.stringify({ version, ...stored }) !== JSON.stringify(now);
  const field = (name: keyof typeof stored, label: string, description: string) => (
    <TagsInput
      label={label}
      description={description}
      readOnly={!mayWrite}
      value={now[name]}
      onChange={(value) => setTyped({ ...now, [name]: value })}
    />
  );
  return (
    <Section title="People and lists">
      <Stack gap="md">
        {field(
          'allowList',
          'Allow list',
          'Addresses, or @domains. When there are any, nobody else is written to: for installations that only try things out.',
        )}
        {field(
          'testProfiles',
          'Test profiles',
          'External ids. No holdout, quiet hours or caps, and nothing to them is counted.',
        )}
        {field('seeds', 'Seeds', 'External ids that get a copy of each campaign, outside its numbers.')}
        {field(
          'transactionalTopics',
          'Transactional topics that keep the rules',
          'Their transactional messages keep quiet hours and caps too.',
        )}
        {error != null && (
          <Text role="alert" size="sm" c="var(--status-failed)">
            {messageOf(error)}
          </Text>
        )}
        {mayWrite && (
          <Group justify="flex-end">
            <Button
              disabled={!changed}
              loading={busy}
              onClick={() => {
                const { version: _, allowList, ...rest } = now;
                save({ ...rest, allowList: allowList.length > 0 ? allowList : null });
              }}
            >
              Save
            </Button>
          </Group>
        )}
      </Stack>
    </Section>
  );
};
