/** A rule as readable rows: groups of clauses, each a line of names, comparisons and values. */
import {
  ActionIcon,
  Autocomplete,
  Button,
  Group as Row,
  Menu,
  NumberInput,
  SegmentedControl,
  Select,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import {
  channels,
  messageOutcomes,
  type AudienceVocabulary,
  type Clause,
  type EventClause,
  type PropertyTest,
  type Test,
} from '@carillon/contracts';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { channelLooks } from '../../words.js';
import classes from './Audiences.module.css';
import {
  activities,
  childrenOf,
  comparisonIn,
  comparisons,
  comparisonsOf,
  fields,
  kindOf,
  kinds,
  newClause,
  regroup,
  scalarFrom,
  typedFrom,
  withComparison,
  type Comparison,
  type Group,
} from './rule.js';

/** Kinds of clauses that only some rules know, such as a journey's: offered and drawn beside those of audiences. */
export interface MoreClauses {
  kinds: { kind: string; label: string }[];
  make: (kind: string) => Clause;
  kindOf: (clause: Clause) => string | undefined;
  row: (clause: Clause, onChange: (clause: Clause) => void, readOnly: boolean) => ReactNode;
}
interface Editing {
  words: AudienceVocabulary;
  readOnly: boolean;
  more?: MoreClauses | undefined;
}
const pathText = (path: string | string[]): string => (typeof path === 'string' ? path : path.join(' › '));
const pathFrom = (text: string): string | string[] =>
  text.includes(' › ') ? text.split(' › ').map((part) => part.trim()) : text;

export const GroupRows = ({
  group,
  onChange,
  onRemove,
  depth = 0,
  ...editing
}: Editing & { group: Group; onChange: (group: Group) => void; onRemove?: () => void; depth?: number }) => {
  const children = childrenOf(group);
  const set = (next: Clause[]): void => onChange(regroup(group, next));
  const replace = (at: number, clause: Clause): void =>
    set(children.map((one, i) => (i === at ? clause : one)));
  return (
    <div className={classes.group} role="group" aria-label={'and' in group ? 'All of these' : 'Any of these'}>
      <Row justify="space-between" wrap="nowrap">
        <SegmentedControl
          size="xs"
          aria-label="How the conditions are joined"
          value={'and' in group ? 'and' : 'or'}
          disabled={editing.readOnly}
          onChange={(value) => onChange(value === 'and' ? { and: children } : { or: children })}
          data={[
            { value: 'and', label: 'All of' },
            { value: 'or', label: 'Any of' },
          ]}
        />
        {onRemove && !editing.readOnly && <Remove label="Remove this group" onClick={onRemove} />}
      </Row>
      {children.length === 0 && (
        <Text size="sm" c="dimmed">
          {'and' in group ? 'Everybody. Add a condition to narrow it down.' : 'Add a condition.'}
        </Text>
      )}
      {children.map((clause, at) => (
        <ClauseRow
          key={at}
          clause={clause}
          depth={depth}
          {...editing}
          onChange={(next) => replace(at, next)}
          onRemove={() => set(children.filter((_, i) => i !== at))}
        />
      ))}
      {!editing.readOnly && (
        <Row gap="xs">
          <Menu shadow="md">
            <Menu.Target>
              <Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} />}>
                Condition
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {kinds.map(({ kind, label }) => (
                <Menu.Item key={kind} onClick={() => set([...children, newClause(kind)])}>
                  {label}
                </Menu.Item>
              ))}
              {editing.more && <Menu.Divider />}
              {editing.more?.kinds.map(({ kind, label }) => (
                <Menu.Item
                  key={kind}
                  onClick={() => editing.more && set([...children, editing.more.make(kind)])}
                >
                  {label}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
          {depth < 4 && (
            <Button
              size="compact-sm"
              variant="subtle"
              color="gray"
              leftSection={<IconPlus size={14} />}
              onClick={() => set([...children, { or: [newClause('attribute')] }])}
            >
              Group
            </Button>
          )}
        </Row>
      )}
    </div>
  );
};

const Remove = ({ label, onClick }: { label: string; onClick: () => void }) => (
  <ActionIcon variant="subtle" color="gray" aria-label={label} title={label} onClick={onClick}>
    <IconTrash size={15} />
  </ActionIcon>
);

interface RowProps<C> extends Editing {
  clause: C;
  onChange: (clause: C) => void;
}
const ClauseRow = ({
  clause,
  onChange,
  onRemove,
  depth,
  ...editing
}: RowProps<Clause> & { onRemove: () => void; depth: number }) => {
  const inner = 'not' in clause ? clause.not : clause;
  const negated = 'not' in clause;
  const wrap = (next: Clause): void => onChange(negated ? { not: next } : next);
  const group =
    'and' in inner || 'or' in inner ? inner : 'not' in inner ? { and: [inner] as Clause[] } : undefined;
  const not = (
    <SegmentedControl
      size="xs"
      aria-label="Whether it must hold"
      value={negated ? 'not' : 'yes'}
      disabled={editing.readOnly}
      onChange={(value) => onChange(value === 'not' ? { not: inner } : inner)}
      data={[
        { value: 'yes', label: 'is so' },
        { value: 'not', label: 'not' },
      ]}
    />
  );
  if (group)
    return (
      <div style={{ display: 'grid', gap: 6 }}>
        {negated && <div>{not}</div>}
        <GroupRows group={group} depth={depth + 1} {...editing} onChange={wrap} onRemove={onRemove} />
      </div>
    );
  const { more } = editing;
  const kind = more?.kindOf(inner) ?? kindOf(inner);
  const own = more?.kinds.find((one) => one.kind === kind);
  return (
    <div className={classes.row}>
      <Text size="xs" c="dimmed" w={78}>
        {(own ?? kinds.find((one) => one.kind === kind))?.label}
      </Text>
      {not}
      {own && more ? (
        more.row(inner, wrap, editing.readOnly)
      ) : (
        <LeafRow clause={inner} {...editing} onChange={wrap} />
      )}
      {!editing.readOnly && <Remove label="Remove this condition" onClick={onRemove} />}
    </div>
  );
};

const LeafRow = ({ clause, onChange, words, readOnly }: RowProps<Clause>): ReactNode => {
  const common = { size: 'xs' as const, disabled: readOnly };
  const pick = (
    label: string,
    value: string,
    data: readonly { value: string; label: string }[] | readonly string[],
    set: (value: string) => void,
    optional = false,
  ) => (
    <Select
      {...common}
      aria-label={label}
      placeholder={label}
      data={data as string[]}
      value={value || null}
      onChange={(chosen) => set(chosen ?? '')}
      allowDeselect={optional}
      clearable={optional}
      searchable={data.length > 8}
    />
  );
  const channelData = channels.map((channel) => ({ value: channel, label: channelLooks[channel].label }));
  const put = (more: object): void =>
    onChange(
      Object.fromEntries(
        Object.entries({ ...clause, ...more }).filter(([, value]) => value !== undefined && value !== ''),
      ) as unknown as Clause,
    );
  if ('attribute' in clause) {
    const known = words.attributes.find(({ name }) => name === clause.attribute);
    return (
      <>
        <Autocomplete
          {...common}
          aria-label="Attribute"
          placeholder="plan"
          data={words.attributes.map(({ name }) => name)}
          value={pathText(clause.attribute)}
          onChange={(name) => onChange({ ...clause, attribute: pathFrom(name) })}
        />
        <TestFields
          of="attribute"
          name=""
          test={clause}
          values={known?.values.map(typedFrom) ?? []}
          readOnly={readOnly}
          onChange={(next) => onChange(next as Clause)}
        />
      </>
    );
  }
  if ('field' in clause || 'activity' in clause) {
    const of = 'field' in clause ? 'field' : 'activity';
    const name = 'field' in clause ? clause.field : clause.activity;
    return (
      <>
        {pick('Field', name, of === 'field' ? fields : activities, (chosen) => {
          const test = comparisonIn(clause);
          const fits = test && comparisonsOf(of, chosen).includes(test);
          const renamed = { ...clause, [of]: chosen };
          onChange(
            (fits ? renamed : withComparison(renamed, comparisonsOf(of, chosen)[0] ?? 'is')) as Clause,
          );
        })}
        <TestFields
          of={of}
          name={name}
          test={clause}
          values={[]}
          readOnly={readOnly}
          onChange={(next) => onChange(next as Clause)}
        />
      </>
    );
  }
  if ('event' in clause)
    return <EventFields clause={clause} onChange={onChange} words={words} readOnly={readOnly} />;
  if ('message' in clause)
    return (
      <>
        {pick('What became of it', clause.message, messageOutcomes, (message) => put({ message }))}
        <HowOften clause={clause} readOnly={readOnly} onChange={put} />
        {pick('any channel', clause.channel ?? '', channelData, (channel) => put({ channel }), true)}
        {pick('any template', clause.template ?? '', words.templates, (template) => put({ template }), true)}
        <SpanField
          label="within"
          value={clause.within}
          readOnly={readOnly}
          onChange={(within) => put({ within })}
        />
      </>
    );
  if ('consent' in clause)
    return (
      <>
        {pick('Channel', clause.consent, channelData, (consent) => put({ consent }))}
        {pick('all marketing', clause.topic ?? '', words.topics, (topic) => put({ topic }), true)}
        {pick(
          'Word',
          clause.is,
          [
            { value: 'in', label: 'opted in' },
            { value: 'out', label: 'opted out' },
            { value: 'unknown', label: 'said nothing' },
          ],
          (is) => put({ is }),
        )}
      </>
    );
  if ('suppressed' in clause)
    return pick(
      'Channel',
      clause.suppressed,
      channelData.filter(({ value }) => value === 'email' || value === 'sms'),
      (suppressed) => put({ suppressed }),
    );
  if ('device' in clause)
    return (
      <>
        {pick('Platform', clause.device, ['any', 'ios', 'android', 'web'], (device) => put({ device }))}
        <HowOften clause={clause} readOnly={readOnly} onChange={put} />
        <SpanField
          label="seen within"
          value={clause.seenWithin}
          readOnly={readOnly}
          onChange={(seenWithin) => put({ seenWithin })}
        />
      </>
    );
  if ('audience' in clause)
    return pick(
      'Audience',
      clause.audience,
      words.audiences.map(({ key, name }) => ({ value: key, label: name })),
      (audience) => onChange({ audience }),
    );
  if ('share' in clause)
    return (
      <>
        {(['from', 'to'] as const).map((end) => (
          <NumberInput
            {...common}
            key={end}
            aria-label={end === 'from' ? 'From percent' : 'To percent'}
            prefix={end === 'from' ? 'from ' : 'to '}
            suffix=" %"
            min={0}
            max={100}
            value={clause.share[end]}
            onChange={(value) => onChange({ share: { ...clause.share, [end]: Number(value) } })}
          />
        ))}
        <TextInput
          {...common}
          aria-label="Salt"
          placeholder="salt"
          value={clause.share.salt ?? ''}
          onChange={(event) => onChange({ share: { ...clause.share, salt: event.currentTarget.value } })}
        />
      </>
    );
  return null;
};

const EventFields = ({ clause, onChange, words, readOnly }: RowProps<EventClause>) => {
  const common = { size: 'xs' as const, disabled: readOnly };
  const known = words.events.find(({ name }) => name === clause.event);
  const put = (more: Partial<EventClause>): void =>
    onChange(
      Object.fromEntries(
        Object.entries({ ...clause, ...more }).filter(([, value]) => value !== undefined),
      ) as EventClause,
    );
  const kind = clause.then ? 'then' : (clause.occurrence ?? 'any');
  const become = (next: string): void => {
    const { atLeast, atMost, occurrence: _, then, ...rest } = clause;
    if (next === 'then') onChange({ ...rest, then: then ?? { event: '', within: '7d' } });
    else if (next === 'first' || next === 'last') onChange({ ...rest, occurrence: next });
    else onChange({ ...rest, ...(atLeast && { atLeast }), ...(atMost !== undefined && { atMost }) });
  };
  const names = words.events.map(({ name }) => name);
  return (
    <>
      <Autocomplete
        {...common}
        aria-label="Event"
        placeholder="order.placed"
        data={names}
        value={clause.event}
        onChange={(event) => put({ event })}
      />
      <Select
        {...common}
        aria-label="Which of them"
        allowDeselect={false}
        value={kind}
        data={[
          { value: 'any', label: 'any of them' },
          { value: 'first', label: 'the first one' },
          { value: 'last', label: 'the last one' },
          { value: 'then', label: 'followed by …' },
        ]}
        onChange={(next) => become(next ?? 'any')}
      />
      {kind === 'any' && <HowOften clause={clause} readOnly={readOnly} onChange={put} />}
      <SpanField
        label="within"
        value={clause.within}
        readOnly={readOnly}
        onChange={(within) => put({ within })}
      />
      <Properties
        tests={clause.where ?? []}
        known={known?.properties ?? []}
        readOnly={readOnly}
        onChange={(where) => put({ where })}
      />
      {clause.then && (
        <div
          className={classes.row}
          style={{ order: 2, flexBasis: '100%' }}
          role="group"
          aria-label="Followed by"
        >
          <Text size="xs" c="dimmed">
            then
          </Text>
          <Autocomplete
            {...common}
            aria-label="Event that follows"
            placeholder="order.cancelled"
            data={names}
            value={clause.then.event}
            onChange={(event) => put({ then: { ...clause.then, event } })}
          />
          <SpanField
            label="at most after"
            value={clause.then.within}
            readOnly={readOnly}
            onChange={(within) => {
              const { within: _, ...rest } = clause.then ?? { event: '' };
              put({ then: within ? { ...rest, within } : rest });
            }}
          />
          <Properties
            tests={clause.then.where ?? []}
            known={words.events.find(({ name }) => name === clause.then?.event)?.properties ?? []}
            readOnly={readOnly}
            onChange={(where) => {
              const { where: _, ...rest } = clause.then ?? { event: '' };
              put({ then: where ? { ...rest, where } : rest });
            }}
          />
        </div>
      )}
    </>
  );
};

/** What holds of the properties of one event. */
export const Properties = ({
  tests,
  known,
  readOnly,
  onChange,
}: {
  tests: PropertyTest[];
  known: string[];
  readOnly: boolean;
  onChange: (tests: PropertyTest[] | undefined) => void;
}) => {
  const set = (next: PropertyTest[]): void => onChange(next.length > 0 ? next : undefined);
  const replace = (at: number, test: PropertyTest): void =>
    set(tests.map((one, i) => (i === at ? test : one)));
  return (
    <>
      {!readOnly && (
        <Button
          size="compact-xs"
          variant="subtle"
          color="gray"
          onClick={() => set([...tests, { property: known[0] ?? '', is: '' }])}
        >
          + property
        </Button>
      )}
      {tests.length > 0 && (
        <div className={classes.inner} style={{ flexBasis: '100%' }}>
          {tests.map((test, at) => (
            <div key={at} className={classes.row}>
              <Text size="xs" c="dimmed">
                where
              </Text>
              <Autocomplete
                size="xs"
                disabled={readOnly}
                aria-label="Property"
                placeholder="total"
                data={known}
                value={pathText(test.property)}
                onChange={(property) => replace(at, { ...test, property: pathFrom(property) })}
              />
              <TestFields
                of="property"
                name=""
                test={test}
                values={[]}
                readOnly={readOnly}
                onChange={(next) => replace(at, next as PropertyTest)}
              />
              {!readOnly && (
                <Remove label="Remove this property" onClick={() => set(tests.filter((_, i) => i !== at))} />
              )}
            </div>
          ))}
        </div>
      )}
    </>
  );
};

const HowOften = ({
  clause: { atLeast, atMost },
  readOnly,
  onChange,
}: {
  clause: { atLeast?: number | undefined; atMost?: number | undefined };
  readOnly: boolean;
  onChange: (more: { atLeast: number | undefined; atMost: number | undefined }) => void;
}) => {
  const how =
    atMost === 0
      ? 'never'
      : atMost !== undefined && atLeast === undefined
        ? 'atMost'
        : atLeast === undefined || (atLeast === 1 && atMost === undefined)
          ? 'once'
          : 'atLeast';
  return (
    <>
      <Select
        size="xs"
        aria-label="How often"
        disabled={readOnly}
        allowDeselect={false}
        value={how}
        data={[
          { value: 'once', label: 'at least once' },
          { value: 'atLeast', label: 'at least …' },
          { value: 'atMost', label: 'at most …' },
          { value: 'never', label: 'never' },
        ]}
        onChange={(value) =>
          onChange({
            atLeast: value === 'atLeast' ? Math.max(2, atLeast ?? 2) : undefined,
            atMost: value === 'never' ? 0 : value === 'atMost' ? Math.max(1, atMost ?? 1) : undefined,
          })
        }
      />
      {(how === 'atLeast' || how === 'atMost') && (
        <NumberInput
          size="xs"
          aria-label="Times"
          disabled={readOnly}
          min={1}
          suffix=" times"
          value={how === 'atLeast' ? atLeast : atMost}
          onChange={(value) =>
            onChange({
              atLeast: how === 'atLeast' ? Number(value) || 1 : atLeast,
              atMost: how === 'atMost' ? Number(value) || 1 : atMost,
            })
          }
        />
      )}
    </>
  );
};

const SpanField = ({
  label,
  value,
  readOnly,
  onChange,
}: {
  label: string;
  value: string | undefined;
  readOnly: boolean;
  onChange: (value: string | undefined) => void;
}) => (
  <Autocomplete
    size="xs"
    aria-label={label}
    placeholder={`${label}: ever`}
    disabled={readOnly}
    leftSection={value ? <Text size="xs">{label.split(' ').at(-1)}</Text> : undefined}
    leftSectionWidth={value ? 48 : undefined}
    data={['1h', '1d', '7d', '30d', '90d', '365d']}
    value={value ?? ''}
    onChange={(text) => onChange(text || undefined)}
  />
);

/** The comparison and what is compared with. */
export const TestFields = ({
  of,
  name,
  test,
  values,
  readOnly,
  onChange,
}: {
  of: 'attribute' | 'field' | 'activity' | 'property';
  name: string;
  test: object;
  values: string[];
  readOnly: boolean;
  onChange: (test: object) => void;
}) => {
  const allowed = comparisonsOf(of, name);
  const chosen = comparisonIn(test) ?? 'is';
  const value = (test as Test)[chosen];
  const { takes } = comparisons[chosen];
  const common = { size: 'xs' as const, disabled: readOnly, 'aria-label': 'Value' };
  const set = (next: unknown): void => onChange(withComparison(test, chosen, next));
  const suggestions = {
    when: ['now', 'today', '7d ago', 'in 7d'],
    day: ['today', 'tomorrow', 'in 7d'],
    span: ['1d', '7d', '30d', '365d'],
  };
  return (
    <>
      <Select
        size="xs"
        aria-label="Comparison"
        disabled={readOnly}
        allowDeselect={false}
        searchable
        value={chosen === 'exists' && value === false ? 'missing' : chosen}
        data={[
          ...allowed.map((one) => ({ value: one as string, label: comparisons[one].label })),
          ...(allowed.includes('exists') ? [{ value: 'missing', label: 'has no value' }] : []),
        ]}
        onChange={(next) =>
          onChange(
            next === 'missing'
              ? withComparison(test, 'exists', false)
              : next === 'exists'
                ? withComparison(test, 'exists', true)
                : withComparison(test, (next ?? 'is') as Comparison),
          )
        }
      />
      {takes === 'many' && (
        <TagsInput
          {...common}
          data={values}
          value={((value as unknown[]) ?? []).map(typedFrom)}
          onChange={(all) => set(all.map(scalarFrom))}
        />
      )}
      {takes === 'one' && (
        <Autocomplete
          {...common}
          data={values}
          value={typedFrom(value)}
          onChange={(text) => set(scalarFrom(text))}
        />
      )}
      {takes === 'text' && (
        <TextInput
          {...common}
          value={String(value ?? '')}
          onChange={(event) => set(event.currentTarget.value)}
        />
      )}
      {takes === 'number' && (
        <NumberInput {...common} value={Number(value ?? 0)} onChange={(next) => set(Number(next))} />
      )}
      {takes === 'pair' &&
        [0, 1].map((end) => (
          <NumberInput
            {...common}
            key={end}
            aria-label={end === 0 ? 'From' : 'To'}
            value={(value as [number, number])[end] ?? 0}
            onChange={(next) =>
              set((value as [number, number]).map((one, i) => (i === end ? Number(next) : one)))
            }
          />
        ))}
      {(takes === 'when' || takes === 'day' || takes === 'span') && (
        <Autocomplete
          {...common}
          data={suggestions[takes]}
          value={String(value ?? '')}
          onChange={(text) => set(text)}
        />
      )}
    </>
  );
};
