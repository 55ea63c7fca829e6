/** What lets people in, who may come again, what ends it early: everything of a journey beside its steps. */
import { Autocomplete, Group, NumberInput, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import type { JourneyDefinition, JourneyEntry } from '@carillon/contracts';
import { Button, ActionIcon } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { fromLocalInput, toLocalInput } from '../../time.js';
import { Properties } from '../audiences/RuleBuilder.js';
import { withAt, type Place } from './document.js';
import { faultAt, useEditing } from './editing.js';
import {
  changeData,
  ConditionFields,
  DurationField,
  pathFrom,
  pathText,
  TriggerFields,
  useSteps,
  withOwn,
} from './fields.js';
import classes from './Journeys.module.css';

interface SettingsProps {
  onChange: (document: JourneyDefinition, tag?: string) => void;
}
export const SettingsForm = ({ onChange }: SettingsProps) => {
  const { document, findings, readOnly } = useEditing();
  const set = (place: Place, value: unknown) =>
    onChange(withAt(document, place, value === '' ? undefined : value), place.join('.'));
  const fault = (...place: Place) => faultAt(findings, ...place);
  const common = { disabled: readOnly };
  const { reentry, goal, exits } = document;
  const steps = useSteps();
  return (
    <Stack gap="sm">
      <EntryFields entry={document.entry} onChange={(entry) => onChange({ ...document, entry }, 'entry')} />
      <Select
        label="First step"
        {...common}
        data={withOwn(steps, document.start)}
        value={document.start}
        error={fault('start')}
        onChange={(start) => set(['start'], start)}
      />
      <Group grow align="flex-start">
        <Select
          label="May come again"
          {...common}
          data={[
            { value: 'never', label: 'Never' },
            { value: 'after', label: 'After leaving' },
            { value: 'always', label: 'Also while inside' },
          ]}
          value={reentry.kind}
          onChange={(kind) => set(['reentry'], { kind })}
        />
        {reentry.kind === 'after' && (
          <DurationField
            label="And so long after"
            placeholder="At once"
            value={reentry.wait}
            error={fault('reentry')}
            onChange={(wait) => set(['reentry', 'wait'], wait)}
          />
        )}
      </Group>
      {document.entry.kind === 'event' && (
        <Group grow align="flex-start">
          <TextInput
            label="Once per"
            placeholder="The person"
            description="A property such as orderId"
            {...common}
            value={pathText(document.perKey)}
            error={fault('perKey')}
            onChange={(event) =>
              set(
                ['perKey'],
                event.currentTarget.value === '' ? undefined : pathFrom(event.currentTarget.value),
              )
            }
          />
          <DurationField
            label="Doubles ignored for"
            description="Further entry events of the same"
            placeholder="None"
            value={document.guard}
            error={fault('guard')}
            onChange={(guard) => set(['guard'], guard)}
          />
        </Group>
      )}
      <Group grow align="flex-start">
        <NumberInput
          label="At most enter"
          placeholder="No limit"
          min={1}
          {...common}
          value={document.cap?.most ?? ''}
          error={fault('cap')}
          onChange={(most) => set(['cap'], most === '' ? undefined : { ...document.cap, most: Number(most) })}
        />
        <DurationField
          label="Within"
          placeholder="In all"
          value={document.cap?.per}
          onChange={(per) => document.cap && set(['cap', 'per'], per)}
        />
      </Group>
      <Group grow align="flex-start">
        {(['from', 'until'] as const).map((end) => (
          <TextInput
            key={end}
            label={end === 'from' ? 'Enter from' : 'Enter until'}
            type="datetime-local"
            {...common}
            value={document.window?.[end] ? toLocalInput(new Date(document.window[end])) : ''}
            error={end === 'from' ? fault('window') : undefined}
            onChange={(event) => {
              const at = fromLocalInput(event.currentTarget.value);
              const window = { ...document.window, [end]: at };
              if (at === undefined) delete window[end];
              set(['window'], Object.keys(window).length > 0 ? window : undefined);
            }}
          />
        ))}
      </Group>
      <Group grow align="flex-start">
        <Autocomplete
          label="Whose clock"
          description="person, or a zone"
          {...common}
          data={[
            'person',
            Intl.DateTimeFormat().resolvedOptions().timeZone,
            'Europe/Paris',
            'America/New_York',
            'UTC',
          ].filter((zone, at, all) => all.indexOf(zone) === at)}
          value={document.zone}
          error={fault('zone')}
          onChange={(zone) => onChange({ ...document, zone }, 'zone')}
        />
        <DurationField
          label="Stays at most"
          description="Then leaves as timed_out"
          value={document.mostStay}
          error={fault('mostStay')}
          onChange={(mostStay) => onChange({ ...document, mostStay: mostStay ?? '' }, 'mostStay')}
        />
      </Group>
      <fieldset className={classes.ways}>
        <legend>Goal</legend>
        <Switch
          size="xs"
          label="It has a goal"
          {...common}
          checked={goal !== undefined}
          onChange={(event) =>
            set(
              ['goal'],
              event.currentTarget.checked ? { name: 'Goal', on: { event: '' }, ends: true } : undefined,
            )
          }
        />
        {goal && (
          <>
            <TextInput
              label="Name"
              {...common}
              value={goal.name}
              onChange={(event) =>
                onChange(withAt(document, ['goal', 'name'], event.currentTarget.value), 'goal')
              }
            />
            <TriggerFields label="Reached by" on={goal.on} onChange={(on) => set(['goal', 'on'], on)} />
            {fault('goal') && (
              <Text size="xs" c="var(--status-failed)">
                {fault('goal')}
              </Text>
            )}
            <Switch
              size="xs"
              label="Whoever reaches it leaves"
              {...common}
              checked={goal.ends}
              onChange={(event) => set(['goal', 'ends'], event.currentTarget.checked)}
            />
          </>
        )}
      </fieldset>
      <fieldset className={classes.ways}>
        <legend>Leaves early</legend>
        {exits.map((exit, at) => (
          <Stack key={at} gap={6} className={classes.own} role="group" aria-label={`Exit ${at + 1}`}>
            <Group wrap="nowrap" align="flex-end">
              <TextInput
                style={{ flex: 1 }}
                size="xs"
                label="Name"
                {...common}
                value={exit.name}
                onChange={(event) =>
                  onChange(withAt(document, ['exits', at, 'name'], event.currentTarget.value), `exit ${at}`)
                }
              />
              {!readOnly && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Remove ${exit.name || 'this exit'}`}
                  onClick={() =>
                    set(
                      ['exits'],
                      exits.filter((_, n) => n !== at),
                    )
                  }
                >
                  <IconTrash size={14} />
                </ActionIcon>
              )}
            </Group>
            {'on' in exit ? (
              <TriggerFields label="When" on={exit.on} onChange={(on) => set(['exits', at, 'on'], on)} />
            ) : (
              <ConditionFields clause={exit.if} onChange={(clause) => set(['exits', at, 'if'], clause)} />
            )}
            {fault('exits', at) && (
              <Text size="xs" c="var(--status-failed)">
                {fault('exits', at)}
              </Text>
            )}
          </Stack>
        ))}
        {!readOnly && (
          <Group gap="xs">
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<IconPlus size={12} />}
              onClick={() =>
                set(['exits'], [...exits, { name: `Exit ${exits.length + 1}`, on: { event: '' } }])
              }
            >
              When something happens
            </Button>
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<IconPlus size={12} />}
              onClick={() =>
                set(['exits'], [...exits, { name: `Exit ${exits.length + 1}`, if: { and: [] } }])
              }
            >
              While something is so
            </Button>
          </Group>
        )}
      </fieldset>
      <NumberInput
        label="Priority"
        description="Against other journeys, 0 to 100"
        min={0}
        max={100}
        {...common}
        value={document.priority}
        error={fault('priority')}
        onChange={(priority) => set(['priority'], Number(priority))}
      />
    </Stack>
  );
};

const EntryFields = ({
  entry,
  onChange,
}: {
  entry: JourneyEntry;
  onChange: (entry: JourneyEntry) => void;
}) => {
  const { words, audiences, readOnly, findings } = useEditing();
  const common = { disabled: readOnly };
  const soon = new Date(Date.now() + 86_400_000).toISOString();
  const fresh: Record<JourneyEntry['kind'], JourneyEntry> = {
    event: { kind: 'event', event: '' },
    audience: { kind: 'audience', audience: '', change: 'enter' },
    schedule: { kind: 'schedule', audience: '', who: 'all', at: { at: soon } },
    business: { kind: 'business', event: '', audience: '' },
    api: { kind: 'api' },
  };
  const recurring = {
    rule: 'FREQ=DAILY',
    from: `${soon.slice(0, 10)}T09:00`,
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
  return (
    <>
      <Select
        label="Who enters"
        {...common}
        data={[
          { value: 'event', label: 'Whoever does something: an event' },
          { value: 'audience', label: 'Whoever enters or leaves an audience' },
          { value: 'schedule', label: 'An audience, at a time or again and again' },
          { value: 'business', label: 'An audience, when something happens' },
          { value: 'api', label: 'Whom I let in by the API' },
        ]}
        value={entry.kind}
        onChange={(kind) => onChange(fresh[kind as JourneyEntry['kind']])}
      />
      {(entry.kind === 'event' || entry.kind === 'business') && (
        <>
          <Autocomplete
            label="Event"
            placeholder={entry.kind === 'event' ? 'cart.updated' : 'price.dropped'}
            description={
              entry.kind === 'event' ? undefined : 'Told by POST /v1/business-events, without a person'
            }
            {...common}
            data={entry.kind === 'event' ? words.events.map(({ name }) => name) : []}
            value={entry.event}
            error={faultAt(findings, 'entry', 'event')}
            onChange={(event) => onChange({ ...entry, event })}
          />
          <div className={classes.tests}>
            <Properties
              tests={entry.where ?? []}
              known={words.events.find(({ name }) => name === entry.event)?.properties ?? []}
              readOnly={readOnly}
              onChange={(where) => {
                const { where: _, ...rest } = entry;
                onChange(where ? { ...rest, where } : rest);
              }}
            />
          </div>
        </>
      )}
      {(entry.kind === 'audience' || entry.kind === 'schedule' || entry.kind === 'business') && (
        <Group grow align="flex-start">
          {entry.kind === 'audience' ? (
            <Select
              label="Change"
              {...common}
              data={changeData}
              value={entry.change}
              onChange={(change) => onChange({ ...entry, change: change as 'enter' })}
            />
          ) : entry.kind === 'business' ? null : (
            <Select
              label="Of them"
              {...common}
              data={[
                { value: 'all', label: 'everybody' },
                { value: 'new', label: 'who is new' },
              ]}
              value={entry.who}
              onChange={(who) => onChange({ ...entry, who: who as 'all' })}
            />
          )}
          <Select
            label="Audience"
            searchable
            placeholder="Choose"
            {...common}
            data={withOwn(
              audiences.filter((one) => entry.kind !== 'audience' || one.live || one.list),
              entry.audience,
            )}
            value={entry.audience || null}
            error={faultAt(findings, 'entry', 'audience')}
            onChange={(audience) => onChange({ ...entry, audience: audience ?? '' })}
          />
        </Group>
      )}
      {entry.kind === 'schedule' && (
        <>
          <Group grow align="flex-start">
            <Select
              label="When"
              {...common}
              data={[
                { value: 'at', label: 'Once' },
                { value: 'rule', label: 'Again and again' },
              ]}
              value={'at' in entry.at ? 'at' : 'rule'}
              onChange={(how) => onChange({ ...entry, at: how === 'at' ? { at: soon } : recurring })}
            />
            {'at' in entry.at ? (
              <TextInput
                label="Time"
                type="datetime-local"
                {...common}
                value={toLocalInput(new Date(entry.at.at))}
                onChange={(event) => {
                  const at = fromLocalInput(event.currentTarget.value);
                  if (at) onChange({ ...entry, at: { at } });
                }}
              />
            ) : (
              <TextInput
                label="Rule"
                description="RFC 5545, or cron"
                {...common}
                value={entry.at.rule}
                error={faultAt(findings, 'entry', 'at')}
                onChange={(event) =>
                  onChange({ ...entry, at: { ...recurring, ...entry.at, rule: event.currentTarget.value } })
                }
              />
            )}
          </Group>
          {'rule' in entry.at && (
            <Group grow align="flex-start">
              <TextInput
                label="First"
                type="datetime-local"
                {...common}
                value={entry.at.from}
                onChange={(event) =>
                  onChange({ ...entry, at: { ...recurring, ...entry.at, from: event.currentTarget.value } })
                }
              />
              <TextInput
                label="Zone"
                {...common}
                value={entry.at.zone}
                onChange={(event) =>
                  onChange({ ...entry, at: { ...recurring, ...entry.at, zone: event.currentTarget.value } })
                }
              />
            </Group>
          )}
        </>
      )}
    </>
  );
};
