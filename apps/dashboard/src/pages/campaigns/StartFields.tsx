/** When a campaign begins, as fields of one shape: a day, a time, an hour. */
import { Group, NumberInput, Select, SimpleGrid, TextInput } from '@mantine/core';
import type { CampaignStart } from '@carillon/contracts';
import { toLocalInput } from '../../time.js';

interface StartProps {
  start: CampaignStart;
  readOnly: boolean;
  error: string | undefined;
  set: (start: CampaignStart) => void;
}
interface FieldProps<T> {
  label: string;
  value: T;
  readOnly: boolean;
  set: (value: T) => void;
}

/** A day, a time of the day, or both, as the browser asks for them. */
const Clock = ({
  type,
  label,
  value,
  readOnly,
  set,
}: FieldProps<string> & { type: 'date' | 'time' | 'datetime-local' }) => (
  <TextInput
    type={type}
    label={label}
    readOnly={readOnly}
    value={value}
    onChange={(event) => set(event.currentTarget.value)}
  />
);
/** A full hour. */
const Hour = ({
  label,
  value,
  readOnly,
  set,
  from = 0,
  to = 23,
}: FieldProps<number> & { from?: number; to?: number }) => (
  <NumberInput
    label={label}
    suffix=":00"
    readOnly={readOnly}
    min={from}
    max={to}
    value={value}
    onChange={(hour) => set(Number(hour))}
  />
);

/** As each kind begins: tomorrow. */
function freshStart(kind: CampaignStart['kind']): CampaignStart {
  const soon = new Date(Date.now() + 86_400_000).toISOString();
  const date = soon.slice(0, 10);
  switch (kind) {
    case 'now':
      return { kind };
    case 'at':
      return { kind, at: soon };
    case 'local':
      return { kind, date, time: '09:00' };
    case 'best':
      return { kind, date, from: 8, to: 20, otherwise: 10 };
    case 'recurring':
      return {
        kind,
        rule: 'FREQ=WEEKLY;BYDAY=MO',
        from: `${date}T09:00`,
        zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      };
  }
}

export const StartFields = ({ start, readOnly, error, set }: StartProps) => {
  const day = (start.kind === 'local' || start.kind === 'best') && (
    <Clock
      type="date"
      label="Day"
      readOnly={readOnly}
      value={start.date}
      set={(date) => set({ ...start, date })}
    />
  );
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
            { value: 'best', label: 'At each person’s best hour' },
            { value: 'recurring', label: 'Again and again' },
          ]}
          value={start.kind}
          onChange={(kind) => set(freshStart(kind as CampaignStart['kind']))}
        />
        {start.kind === 'at' && (
          <Clock
            type="datetime-local"
            label="Time"
            readOnly={readOnly}
            value={toLocalInput(new Date(start.at))}
            set={(text) => {
              const at = new Date(text);
              if (!Number.isNaN(at.getTime())) set({ kind: 'at', at: at.toISOString() });
            }}
          />
        )}
        {start.kind === 'local' && (
          <>
            {day}
            <Clock
              type="time"
              label="Time"
              readOnly={readOnly}
              value={start.time}
              set={(time) => set({ ...start, time })}
            />
          </>
        )}
        {start.kind === 'recurring' && (
          <TextInput
            label="Rule"
            description="RFC 5545, or cron such as 0 9 * * MON"
            readOnly={readOnly}
            value={start.rule}
            onChange={(event) => set({ ...start, rule: event.currentTarget.value })}
          />
        )}
      </Group>
      {start.kind === 'best' && (
        <SimpleGrid cols={{ base: 2, sm: 4 }} verticalSpacing="md">
          {day}
          <Hour
            label="Not before"
            readOnly={readOnly}
            value={start.from}
            set={(from) => set({ ...start, from })}
          />
          <Hour
            label="Before"
            from={1}
            to={24}
            readOnly={readOnly}
            value={start.to}
            set={(to) => set({ ...start, to })}
          />
          <Hour
            label="Otherwise"
            readOnly={readOnly}
            value={start.otherwise}
            set={(otherwise) => set({ ...start, otherwise })}
          />
        </SimpleGrid>
      )}
      {start.kind === 'recurring' && (
        <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="md">
          <Clock
            type="datetime-local"
            label="First"
            readOnly={readOnly}
            value={start.from}
            set={(from) => set({ ...start, from })}
          />
          <Clock
            type="datetime-local"
            label="Not after"
            readOnly={readOnly}
            value={start.until ?? ''}
            set={(until) => {
              const { until: _, ...rest } = start;
              set(until ? { ...rest, until } : rest);
            }}
          />
          <TextInput
            label="Zone"
            readOnly={readOnly}
            value={start.zone}
            onChange={(event) => set({ ...start, zone: event.currentTarget.value })}
          />
        </SimpleGrid>
      )}
    </>
  );
};
