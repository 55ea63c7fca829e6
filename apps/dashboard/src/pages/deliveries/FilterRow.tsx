/** The filter row above the delivery log. It knows the address only: every choice is a change of the query string. */
import {
  Button,
  Checkbox,
  CloseButton,
  Group,
  Kbd,
  Popover,
  Radio,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { channels, reasons, sources, statuses, type ReasonName } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { IconChevronDown, IconSearch } from '@tabler/icons-react';
import { useEffect, useState, type ReactNode } from 'react';
import { api } from '../../api.js';
import { ChannelMark, StatusBadge } from '../../parts/Badges.js';
import { useCan } from '../../session.js';
import { fromLocalInput, toLocalInput } from '../../time.js';
import { channelLooks, reasonLabel, sourceLabels, statusLooks } from '../../words.js';
import classes from './Deliveries.module.css';
import {
  isFiltered,
  ranges,
  readSearchBox,
  type DeliverySearch,
  type ListFilter,
  type Range,
} from './filters.js';

interface FilterRowProps {
  search: DeliverySearch;
  /** Changes these words and leaves the others. */
  set: (change: Partial<DeliverySearch>) => void;
  clear: () => void;
}
export const FilterRow = ({ search, set, clear }: FilterRowProps) => {
  return (
    <div className={classes.filters} role="search" aria-label="Filter deliveries">
      <SearchBox search={search} set={set} />
      <div className={classes.menus}>
        <ListMenu
          name="status"
          label="Status"
          options={statuses}
          labelOf={(status) => statusLooks[status].label}
          draw={(status) => <StatusBadge status={status} />}
          {...{ search, set }}
        />
        <ListMenu
          name="channel"
          label="Channel"
          options={channels}
          labelOf={(channel) => channelLooks[channel].label}
          draw={(channel) => <ChannelMark channel={channel} />}
          {...{ search, set }}
        />
        <ListMenu
          name="reason"
          label="Reason"
          options={Object.keys(reasons) as ReasonName[]}
          labelOf={reasonLabel}
          headOf={(reason) => statusLooks[reasons[reason].ends].label}
          searchable
          {...{ search, set }}
        />
        <TemplateMenu {...{ search, set }} />
        <ListMenu
          name="source"
          label="Source"
          options={sources}
          labelOf={(source) => sourceLabels[source]}
          {...{ search, set }}
        />
        <TimeMenu {...{ search, set }} />
        {search.class && <Chip label={`Class: ${search.class}`} onClear={() => set({ class: undefined })} />}
        {search.messageId && (
          <Chip
            label={`Message ${search.messageId.slice(0, 8)}…`}
            onClear={() => set({ messageId: undefined })}
          />
        )}
        {isFiltered(search) && (
          <Button variant="subtle" color="gray" onClick={clear}>
            Clear all
          </Button>
        )}
      </div>
    </div>
  );
};

interface MenuProps {
  search: DeliverySearch;
  set: (change: Partial<DeliverySearch>) => void;
}

const SearchBox = ({ search, set }: MenuProps) => {
  const navigate = useNavigate();
  const current = search.address ?? search.profile ?? '';
  const [typed, setTyped] = useState(current);
  useEffect(() => setTyped(current), [current]);
  const submit = () => {
    if (!typed.trim()) return set({ address: undefined, profile: undefined });
    const read = readSearchBox(typed);
    if ('id' in read) return void navigate({ to: '/deliveries/$id', params: { id: read.id } });
    set({ address: undefined, profile: undefined, ...read });
  };
  return (
    <form
      className={classes.search}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <TextInput
        data-search
        aria-label="Search by address, profile or delivery id"
        placeholder="Address, profile or delivery id"
        leftSection={<IconSearch size={15} aria-hidden />}
        rightSection={
          typed ? (
            <CloseButton
              size="sm"
              aria-label="Clear the search"
              onClick={() => {
                setTyped('');
                set({ address: undefined, profile: undefined });
              }}
            />
          ) : (
            <Kbd size="xs">/</Kbd>
          )
        }
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        description={
          search.profile || search.address ? (search.profile ? 'by profile' : 'by address') : undefined
        }
        inputWrapperOrder={['label', 'input', 'description', 'error']}
      />
    </form>
  );
};

/** A button that tells the choice, over a panel where it is made. */
const FilterMenu = ({
  label,
  chosen,
  children,
  width = 250,
}: {
  label: string;
  chosen: string | undefined;
  children: (close: () => void) => ReactNode;
  width?: number;
}) => {
  const [opened, panel] = useDisclosure(false);
  return (
    <Popover
      opened={opened}
      onChange={(open) => (open ? panel.open() : panel.close())}
      position="bottom-start"
      shadow="md"
      width={width}
      trapFocus
    >
      <Popover.Target>
        <Button
          variant="default"
          fw={400}
          onClick={panel.toggle}
          rightSection={<IconChevronDown size={14} color="var(--ink-soft)" aria-hidden />}
          aria-label={chosen ? `${label}: ${chosen}` : label}
        >
          {chosen ? (
            <Group gap={6} wrap="nowrap">
              {label}
              <span className={`${classes.chosen} clip`}>{chosen}</span>
            </Group>
          ) : (
            label
          )}
        </Button>
      </Popover.Target>
      <Popover.Dropdown p={6} role="dialog" aria-label={`Filter by ${label.toLowerCase()}`}>
        {children(panel.close)}
      </Popover.Dropdown>
    </Popover>
  );
};

interface ListMenuProps<Word extends string> extends MenuProps {
  name: ListFilter;
  label: string;
  options: readonly Word[];
  labelOf: (word: Word) => string;
  draw?: (word: Word) => ReactNode;
  headOf?: (word: Word) => string;
  searchable?: boolean;
}
function ListMenu<Word extends string>({
  name,
  label,
  options,
  labelOf,
  draw,
  headOf,
  searchable,
  search,
  set,
}: ListMenuProps<Word>) {
  const [typed, setTyped] = useState('');
  // Held here as well: the address follows a moment later, and a second click must not work on what it was before.
  const told = search[name] ?? '';
  const [chosen, setChosen] = useState<string[]>([]);
  useEffect(() => setChosen(told.split(',').filter(Boolean)), [told]);
  const choose = (words: string[]) => {
    setChosen(words);
    set({ [name]: words.join(',') || undefined });
  };
  const known = options.filter((option) => chosen.includes(option)).map(labelOf);
  const shown = options.filter((option) => labelOf(option).toLowerCase().includes(typed.toLowerCase()));
  const toggle = (word: string) =>
    choose(chosen.includes(word) ? chosen.filter((each) => each !== word) : [...chosen, word]);
  return (
    <FilterMenu
      label={label}
      chosen={known.length > 2 ? `${known.length} chosen` : known.join(', ') || undefined}
    >
      {() => (
        <>
          {searchable && (
            <TextInput
              size="xs"
              mb={6}
              placeholder={`Find a ${label.toLowerCase()}`}
              aria-label={`Find a ${label.toLowerCase()}`}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          )}
          <div className={classes.options}>
            {shown.map((option, index) => (
              <div key={option}>
                {headOf && (index === 0 || headOf(option) !== headOf(shown[index - 1] ?? option)) && (
                  <div className={classes.optionHead}>{headOf(option)}</div>
                )}
                <label className={classes.option}>
                  <Checkbox
                    size="xs"
                    checked={chosen.includes(option)}
                    onChange={() => toggle(option)}
                    aria-label={labelOf(option)}
                  />
                  {draw ? draw(option) : labelOf(option)}
                </label>
              </div>
            ))}
            {shown.length === 0 && (
              <Text size="sm" c="dimmed" p="xs">
                None of that name.
              </Text>
            )}
          </div>
          {chosen.length > 0 && (
            <Button variant="subtle" color="gray" size="xs" fullWidth mt={4} onClick={() => choose([])}>
              Clear
            </Button>
          )}
        </>
      )}
    </FilterMenu>
  );
}

const TemplateMenu = ({ search, set }: MenuProps) => {
  const allowed = useCan('templates:read');
  const [typed, setTyped] = useState('');
  const templates = useQuery({
    queryKey: ['templates', 'list', { search: typed }],
    queryFn: () => api.templates.list({ search: typed || undefined, limit: 20 }).page(),
    enabled: allowed,
  });
  if (!allowed) return null;
  const keys = new Set((templates.data?.items ?? []).map((template) => template.key));
  if (search.template) keys.add(search.template);
  return (
    <FilterMenu label="Template" chosen={search.template}>
      {(close) => (
        <>
          <TextInput
            size="xs"
            mb={6}
            placeholder="Find a template"
            aria-label="Find a template"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <Radio.Group
            value={search.template ?? ''}
            onChange={(template) => {
              set({ template: template || undefined });
              close();
            }}
          >
            <div className={classes.options}>
              <label className={classes.option}>
                <Radio size="xs" value="" aria-label="Any template" /> Any, or none
              </label>
              {[...keys].map((key) => (
                <label key={key} className={classes.option}>
                  <Radio size="xs" value={key} aria-label={key} />
                  <span className="clip">{key}</span>
                </label>
              ))}
            </div>
          </Radio.Group>
        </>
      )}
    </FilterMenu>
  );
};

const TimeMenu = ({ search, set }: MenuProps) => {
  const custom = search.from || search.to;
  const chosen = custom ? 'custom' : search.range && ranges[search.range].label.toLowerCase();
  return (
    <FilterMenu label="Time" chosen={chosen} width={270}>
      {(close) => (
        <>
          <Radio.Group
            value={custom ? 'custom' : (search.range ?? 'any')}
            onChange={(range) => {
              set({ range: range === 'any' ? undefined : (range as Range), from: undefined, to: undefined });
              close();
            }}
          >
            <div className={classes.options}>
              <label className={classes.option}>
                <Radio size="xs" value="any" aria-label="Any time" /> Any time
              </label>
              {Object.entries(ranges).map(([value, { label }]) => (
                <label key={value} className={classes.option}>
                  <Radio size="xs" value={value} aria-label={label} /> {label}
                </label>
              ))}
            </div>
          </Radio.Group>
          <Stack gap={6} p={8} mt={4} style={{ borderTop: '1px solid var(--line)' }}>
            {(['from', 'to'] as const).map((name) => (
              <TextInput
                key={name}
                size="xs"
                type="datetime-local"
                label={name === 'from' ? 'Accepted at or after' : 'Accepted before'}
                value={search[name] ? toLocalInput(new Date(search[name])) : ''}
                onChange={(event) =>
                  set({ range: undefined, [name]: fromLocalInput(event.currentTarget.value) })
                }
              />
            ))}
          </Stack>
        </>
      )}
    </FilterMenu>
  );
};

const Chip = ({ label, onClear }: { label: string; onClear: () => void }) => (
  <Button variant="default" fw={400} onClick={onClear} rightSection="×" aria-label={`${label}: take away`}>
    {label}
  </Button>
);
