/** One rule of the gate in a dialog: quiet hours, a frequency cap, a capacity, or a holdout. */
import {
  ActionIcon,
  Button,
  Chip,
  Group,
  Input,
  Modal,
  MultiSelect,
  NumberInput,
  Select,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import {
  channels,
  type Capacity,
  type FrequencyCap,
  type Holdout,
  type QuietHours,
  type QuietPeriod,
} from '@carillon/contracts';
import { IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { DialogForm } from '../../parts/DialogForm.js';
import { channelLooks } from '../../words.js';
import classes from './Gate.module.css';
import { capacityWords, capWords, dayOptions, keyOf, periodWords } from './sentences.js';

export type Edited =
  | { kind: 'quietHours'; rule: QuietHours }
  | { kind: 'caps'; rule: FrequencyCap }
  | { kind: 'capacities'; rule: Capacity }
  | { kind: 'holdouts'; rule: Holdout };

export const fresh = {
  quietHours: {
    key: '',
    channels: [],
    topics: [],
    periods: [{ from: '21:00', to: '08:00' }],
    zone: 'person',
    then: 'queue',
    keepForHours: 168,
  } satisfies QuietHours as QuietHours,
  caps: {
    key: '',
    channels: [],
    topics: [],
    class: 'marketing',
    limit: 3,
    per: 'week',
    every: 1,
    window: 'rolling',
  } satisfies FrequencyCap as FrequencyCap,
  capacities: {
    key: '',
    channels: [],
    topics: [],
    limit: 1000,
    per: 'day',
    every: 1,
  } satisfies Capacity as Capacity,
  holdouts: { key: '', channels: [], topics: [], percent: 5 } satisfies Holdout as Holdout,
};
const titles = {
  quietHours: 'Quiet hours',
  caps: 'Frequency cap',
  capacities: 'Capacity',
  holdouts: 'Holdout',
};

interface RuleDialogProps {
  edited: Edited;
  isNew: boolean;
  busy: boolean;
  error: unknown;
  onSave: (edited: Edited) => void;
  onRemove: () => void;
  onClose: () => void;
}
export const RuleDialog = ({ edited, isNew, busy, error, onSave, onRemove, onClose }: RuleDialogProps) => {
  const [now, setNow] = useState(edited);
  const set = (changes: object) => setNow({ ...now, rule: { ...now.rule, ...changes } } as Edited);
  return (
    <Modal opened onClose={onClose} size="lg" title={<Text fw={600}>{titles[now.kind]}</Text>}>
      <DialogForm
        action="Save"
        busy={busy}
        error={error}
        onClose={onClose}
        onSubmit={() => onSave({ ...now, rule: { ...now.rule, key: keyOf(now.rule.key) } } as Edited)}
        {...(!isNew && {
          aside: (
            <Button variant="subtle" color="red.8" onClick={onRemove}>
              Remove
            </Button>
          ),
        })}
      >
        <TextInput
          label="Name"
          description={
            now.kind === 'holdouts'
              ? 'Small letters, digits, - and _. Another name draws other people.'
              : 'Small letters, digits, - and _. It names the rule where it decides.'
          }
          required
          value={now.rule.key}
          onChange={(event) => set({ key: event.currentTarget.value })}
          data-autofocus
        />
        {now.kind === 'quietHours' && <QuietFields rule={now.rule} set={set} />}
        {now.kind === 'caps' && <CapFields rule={now.rule} set={set} />}
        {now.kind === 'capacities' && <CapacityFields rule={now.rule} set={set} />}
        {now.kind === 'holdouts' && (
          <NumberInput
            label="Held out"
            description="So many of a hundred people get nothing of this, always the same ones."
            suffix=" %"
            min={0}
            max={100}
            decimalScale={2}
            value={now.rule.percent}
            onChange={(value) => set({ percent: Number(value) })}
          />
        )}
        <Group grow align="flex-start">
          <MultiSelect
            label="Channels"
            placeholder={now.rule.channels.length === 0 ? 'All' : ''}
            data={channels.map((value) => ({ value, label: channelLooks[value].label }))}
            value={now.rule.channels}
            onChange={(value) => set({ channels: value })}
          />
          <TagsInput
            label="Topics"
            placeholder={now.rule.topics.length === 0 ? 'All' : ''}
            value={now.rule.topics}
            onChange={(value) => set({ topics: value })}
          />
        </Group>
      </DialogForm>
    </Modal>
  );
};

const CapFields = ({ rule, set }: { rule: FrequencyCap; set: (changes: Partial<FrequencyCap>) => void }) => (
  <>
    <Group grow align="flex-start">
      <NumberInput
        label="At most"
        min={0}
        max={10_000}
        allowDecimal={false}
        value={rule.limit}
        onChange={(value) => set({ limit: Number(value) })}
      />
      <NumberInput
        label="In every"
        min={1}
        max={90}
        allowDecimal={false}
        value={rule.every}
        onChange={(value) => set({ every: Number(value) || 1 })}
      />
      <Select
        label="Unit"
        allowDeselect={false}
        data={['hour', 'day', 'week', 'month']}
        value={rule.per}
        onChange={(value) => set({ per: value as FrequencyCap['per'] })}
      />
    </Group>
    <Group grow align="flex-start">
      <Select
        label="Counted"
        allowDeselect={false}
        data={[
          { value: 'rolling', label: 'Back from now' },
          { value: 'calendar', label: 'By the calendar' },
        ]}
        value={rule.window}
        onChange={(value) => set({ window: value as FrequencyCap['window'] })}
      />
      <Select
        label="What counts"
        allowDeselect={false}
        data={[
          { value: 'marketing', label: 'Marketing' },
          { value: 'transactional', label: 'Transactional' },
          { value: 'all', label: 'Everything' },
        ]}
        value={rule.class}
        onChange={(value) => set({ class: value as FrequencyCap['class'] })}
      />
    </Group>
    <Text size="sm" c="dimmed" aria-live="polite">
      {capWords(rule)}
    </Text>
  </>
);

const CapacityFields = ({ rule, set }: { rule: Capacity; set: (changes: Partial<Capacity>) => void }) => (
  <>
    <Group grow align="flex-start">
      <NumberInput
        label="At most"
        min={0}
        max={100_000_000}
        allowDecimal={false}
        thousandSeparator=","
        value={rule.limit}
        onChange={(value) => set({ limit: Number(value) })}
      />
      <Select
        label="In every"
        allowDeselect={false}
        data={rule.per === 'hour' ? ['1', '2', '3', '4', '6', '8', '12'] : ['1', '2', '7', '14']}
        value={String(rule.every)}
        onChange={(value) => set({ every: Number(value) || 1 })}
      />
      <Select
        label="Unit"
        allowDeselect={false}
        data={['hour', 'day']}
        value={rule.per}
        onChange={(value) => set({ per: value as Capacity['per'], every: 1 })}
      />
    </Group>
    <Text size="sm" c="dimmed" aria-live="polite">
      {capacityWords(rule)}
    </Text>
  </>
);

const QuietFields = ({ rule, set }: { rule: QuietHours; set: (changes: Partial<QuietHours>) => void }) => {
  const change = (n: number, changes: Partial<QuietPeriod>) =>
    set({ periods: rule.periods.map((p, i) => (i === n ? { ...p, ...changes } : p)) });
  return (
    <>
      <Input.Wrapper label="Periods" description="A period that ends before it begins is a night.">
        <Stack gap="sm" mt={6}>
          {rule.periods.map((period, n) => (
            <Period
              key={n}
              no={n + 1}
              period={period}
              change={(changes) => change(n, changes)}
              {...(rule.periods.length > 1 && {
                remove: () => set({ periods: rule.periods.filter((_, i) => i !== n) }),
              })}
            />
          ))}
          <div>
            <Button
              variant="default"
              size="xs"
              onClick={() => set({ periods: [...rule.periods, { from: '00:00', to: '24:00' }] })}
            >
              Add a period
            </Button>
          </div>
        </Stack>
      </Input.Wrapper>
      <Group grow align="flex-start">
        <TextInput
          label="Zone"
          description="person, or a zone such as Europe/Paris"
          value={rule.zone}
          onChange={(event) => set({ zone: event.currentTarget.value })}
        />
        <Select
          label="What falls into them"
          description="Marketing, and topics that ask for it"
          allowDeselect={false}
          data={[
            { value: 'queue', label: 'Waits until they are over' },
            { value: 'discard', label: 'Is not sent' },
          ]}
          value={rule.then}
          onChange={(value) => set({ then: value as QuietHours['then'] })}
        />
      </Group>
      {rule.then === 'queue' && (
        <NumberInput
          label="Waits at most"
          suffix=" hours"
          min={1}
          max={720}
          value={rule.keepForHours}
          onChange={(value) => set({ keepForHours: Number(value) || 1 })}
        />
      )}
    </>
  );
};

const Period = ({
  no,
  period,
  change,
  remove,
}: {
  no: number;
  period: QuietPeriod;
  change: (changes: Partial<QuietPeriod>) => void;
  remove?: () => void;
}) => {
  const kind = period.dates ? 'dates' : period.days ? 'days' : 'every';
  return (
    <div className={classes.period}>
      <Group gap="xs" wrap="wrap" align="center">
        <Select
          aria-label={`Period ${no}: when`}
          size="xs"
          w={130}
          allowDeselect={false}
          data={[
            { value: 'every', label: 'Every day' },
            { value: 'days', label: 'On weekdays' },
            { value: 'dates', label: 'On dates' },
          ]}
          value={kind}
          onChange={(value) =>
            change(
              value === 'dates'
                ? { days: undefined, dates: { from: today(), to: today() } }
                : { dates: undefined, days: value === 'days' ? [6, 7] : undefined },
            )
          }
        />
        <TextInput
          aria-label={`Period ${no}: from`}
          size="xs"
          w={86}
          value={period.from}
          onChange={(event) => change({ from: event.currentTarget.value })}
        />
        <Text size="sm">to</Text>
        <TextInput
          aria-label={`Period ${no}: to`}
          size="xs"
          w={86}
          value={period.to}
          onChange={(event) => change({ to: event.currentTarget.value })}
        />
        {remove && (
          <ActionIcon variant="subtle" color="gray" aria-label={`Remove period ${no}`} onClick={remove}>
            <IconTrash size={15} />
          </ActionIcon>
        )}
      </Group>
      {period.days && (
        <Chip.Group
          multiple
          value={period.days.map(String)}
          onChange={(value) => change({ days: value.map(Number).sort() })}
        >
          <Group gap={4}>
            {dayOptions.map((day) => (
              <Chip key={day.value} value={day.value} size="xs">
                {day.label}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
      )}
      {period.dates && (
        <Group gap="xs">
          <TextInput
            aria-label={`Period ${no}: first day`}
            size="xs"
            type="date"
            value={period.dates.from}
            onChange={(event) => change({ dates: { ...period.dates!, from: event.currentTarget.value } })}
          />
          <Text size="sm">to</Text>
          <TextInput
            aria-label={`Period ${no}: last day`}
            size="xs"
            type="date"
            value={period.dates.to}
            onChange={(event) => change({ dates: { ...period.dates!, to: event.currentTarget.value } })}
          />
        </Group>
      )}
      <Text size="xs" c="dimmed">
        {periodWords(period)}
      </Text>
    </div>
  );
};
const today = () => new Date().toISOString().slice(0, 10);
