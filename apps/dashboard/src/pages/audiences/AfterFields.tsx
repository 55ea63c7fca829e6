/** What is done with those whom the rule holds for: one per value, an order, a stable part, a limit. */
import { ActionIcon, Autocomplete, Button, NumberInput, Select, Text } from '@mantine/core';
import type { AudienceDefinition, AudienceVocabulary, Subject } from '@carillon/contracts';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import classes from './Audiences.module.css';
import { activities, fields } from './rule.js';

type Order = NonNullable<AudienceDefinition['order']>[number];

/** A subject as one text: an attribute by its name, fields and activity by theirs. */
const textOf = (subject: Subject | undefined): string => {
  if (!subject) return '';
  if ('attribute' in subject)
    return typeof subject.attribute === 'string' ? subject.attribute : subject.attribute.join(' › ');
  return 'field' in subject ? subject.field : subject.activity;
};
const subjectFrom = (text: string): Subject =>
  fields.includes(text)
    ? ({ field: text } as Subject)
    : activities.includes(text)
      ? ({ activity: text } as Subject)
      : { attribute: text.includes(' › ') ? text.split(' › ').map((part) => part.trim()) : text };

export const AfterFields = ({
  definition,
  words,
  readOnly,
  onChange,
}: {
  definition: AudienceDefinition;
  words: AudienceVocabulary;
  readOnly: boolean;
  onChange: (definition: AudienceDefinition) => void;
}) => {
  const { order = [], sample, limit, dedupe } = definition;
  const common = { size: 'xs' as const, disabled: readOnly };
  const subjects = [...words.attributes.map(({ name }) => name), ...fields, ...activities];
  const put = (more: Partial<AudienceDefinition>): void =>
    onChange(
      Object.fromEntries(
        Object.entries({ ...definition, ...more }).filter(([, value]) => value !== undefined),
      ) as AudienceDefinition,
    );
  const setOrder = (next: Order[]): void => put({ order: next.length > 0 ? next : undefined });
  const setSample = (kind: string): void => {
    const salt = sample?.salt ?? '';
    put({
      sample:
        kind === 'percent' ? { percent: 10, salt } : kind === 'count' ? { count: 1000, salt } : undefined,
    });
  };
  return (
    <div className={classes.group} role="group" aria-label="And then">
      <Text size="sm" fw={550}>
        And then
      </Text>
      <div className={classes.row}>
        <Text size="xs" c="dimmed" w={78}>
          One per
        </Text>
        <Autocomplete
          {...common}
          aria-label="One person per"
          placeholder="everybody stays"
          data={subjects}
          value={textOf(dedupe)}
          onChange={(text) => put({ dedupe: text === '' ? undefined : subjectFrom(text) })}
        />
      </div>
      {order.map((one, at) => (
        <div key={at} className={classes.row}>
          <Text size="xs" c="dimmed" w={78}>
            {at === 0 ? 'Ordered by' : 'then by'}
          </Text>
          <Autocomplete
            {...common}
            aria-label="Ordered by"
            placeholder="lastSeenAt"
            data={subjects}
            value={textOf(one.by)}
            onChange={(text) =>
              setOrder(order.map((each, i) => (i === at ? { ...each, by: subjectFrom(text) } : each)))
            }
          />
          <Select
            {...common}
            aria-label="Direction"
            allowDeselect={false}
            value={one.direction}
            data={[
              { value: 'ascending', label: 'smallest first' },
              { value: 'descending', label: 'largest first' },
            ]}
            onChange={(direction) =>
              setOrder(
                order.map((each, i) =>
                  i === at ? { ...each, direction: direction as Order['direction'] } : each,
                ),
              )
            }
          />
          {!readOnly && (
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label="Remove this order"
              onClick={() => setOrder(order.filter((_, i) => i !== at))}
            >
              <IconTrash size={15} />
            </ActionIcon>
          )}
        </div>
      ))}
      <div className={classes.row}>
        <Text size="xs" c="dimmed" w={78}>
          Of them
        </Text>
        <Select
          {...common}
          aria-label="How many of them"
          allowDeselect={false}
          value={!sample ? 'all' : 'percent' in sample ? 'percent' : 'count'}
          data={[
            { value: 'all', label: 'all' },
            { value: 'percent', label: 'a stable part, in percent' },
            { value: 'count', label: 'a stable number' },
          ]}
          onChange={(kind) => setSample(kind ?? 'all')}
        />
        {sample && (
          <NumberInput
            {...common}
            aria-label="So many"
            min={'percent' in sample ? 0.1 : 1}
            max={'percent' in sample ? 100 : 100_000_000}
            suffix={'percent' in sample ? ' %' : ''}
            thousandSeparator=","
            value={'percent' in sample ? sample.percent : sample.count}
            onChange={(value) =>
              put({
                sample:
                  'percent' in sample
                    ? { ...sample, percent: Number(value) || 1 }
                    : { ...sample, count: Number(value) || 1 },
              })
            }
          />
        )}
        <NumberInput
          {...common}
          aria-label="At most"
          placeholder="no limit"
          prefix="at most "
          thousandSeparator=","
          min={1}
          max={100_000_000}
          value={limit ?? ''}
          onChange={(value) => put({ limit: Number(value) > 0 ? Number(value) : undefined })}
        />
      </div>
      {!readOnly && order.length < 5 && (
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          leftSection={<IconPlus size={14} />}
          style={{ justifySelf: 'start' }}
          onClick={() => setOrder([...order, { by: { activity: 'lastSeenAt' }, direction: 'descending' }])}
        >
          Order
        </Button>
      )}
    </div>
  );
};
