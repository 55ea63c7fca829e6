/** Journeys: one person at a time, from what lets them in to how they leave. */
import {
  Button,
  Group,
  Modal,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  UnstyledButton,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Journey } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import { IconPlus, IconRoute } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm, faultAt } from '../../parts/DialogForm.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty } from '../../parts/PageStates.js';
import { SearchedList } from '../../parts/SearchedList.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { whole } from '../home/tally.js';
import classes from './Journeys.module.css';
import { entryWords, JourneyMark } from './looks.js';
import { blank, keyFrom, ready, type Ready } from './ready.js';

const route = getRouteApi('/app/journeys');

/** How many came and left: asked only of what was ever live, and only for rows that are seen. */
const useFlow = ({ key, version, state }: Journey) =>
  useQuery({
    queryKey: ['journeys', 'numbers', key, undefined],
    queryFn: () => api.journeys.numbers(key),
    enabled: version !== null,
    staleTime: 10_000,
    refetchInterval: state === 'live' ? 10_000 : false,
  }).data;
const Entered = ({ journey }: { journey: Journey }) => {
  const flow = useFlow(journey);
  return <span className="numbers">{flow ? whole(flow.entered) : '—'}</span>;
};
const Finished = ({ journey }: { journey: Journey }) => {
  const flow = useFlow(journey);
  return <span className="numbers">{flow ? whole(flow.entered - flow.inside) : '—'}</span>;
};

const column = createColumnHelper<Journey>();
const right = { meta: { align: 'right' } };
const columns = [
  column.accessor('name', {
    header: 'Name',
    cell: ({ row: { original } }) => (
      <Link to="/journeys/$key" params={{ key: original.key }} className="plain-link">
        <Text span size="sm" fw={500}>
          {original.name}
        </Text>
        <Text size="xs" c="dimmed" className="clip" maw={380}>
          {entryWords(original.definition.entry)}
        </Text>
      </Link>
    ),
  }),
  column.accessor('state', {
    header: 'State',
    cell: ({ row: { original } }) => (
      <Group gap={8} wrap="nowrap">
        <JourneyMark state={original.state} />
        {original.changed && original.version !== null && (
          <Text size="xs" c="dimmed">
            changed
          </Text>
        )}
      </Group>
    ),
  }),
  column.display({
    id: 'entered',
    header: 'Entered',
    ...right,
    cell: ({ row: { original } }) => <Entered journey={original} />,
  }),
  column.accessor('inside', {
    header: 'Inside',
    ...right,
    cell: ({ getValue }) => <span className="numbers">{whole(getValue())}</span>,
  }),
  column.display({
    id: 'finished',
    header: 'Finished',
    ...right,
    cell: ({ row: { original } }) => <Finished journey={original} />,
  }),
  column.accessor('updatedAt', { header: 'Changed', cell: ({ getValue }) => <When at={getValue()} /> }),
];

export const Journeys = () => {
  const at = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useCan('journeys:write');
  const [creating, dialog] = useDisclosure(false);
  const [from, setFrom] = useState<Ready>();
  const page = useQuery({
    queryKey: ['journeys', 'list', at],
    queryFn: () => api.journeys.list({ limit: 50, ...at }).page(),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.items.some(({ state }) => state === 'live') ? 5000 : false,
  });
  const create = (one?: Ready) => {
    setFrom(one);
    dialog.open();
  };
  return (
    <>
      <PageHeader
        title="Journeys"
        lead="What happens to one person at a time: let in by an event, an audience or a schedule, and led on step by step."
        actions={
          mayWrite && (
            <Button leftSection={<IconPlus size={15} />} onClick={() => create()}>
              New journey
            </Button>
          )
        }
      />
      <SearchedList
        label="Journeys"
        placeholder="Key or name"
        at={at}
        go={(to, how) => void navigate({ search: to, ...how })}
        page={page}
        columns={columns as ColumnDef<Journey, never>[]}
        rowId={(row) => row.key}
        goesTo={(row) => ({ to: '/journeys/$key', params: { key: row.key } })}
        narrow={(row) => (
          <Link to="/journeys/$key" params={{ key: row.key }} className="row-link">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={500} className="clip">
                {row.name}
              </Text>
              <JourneyMark state={row.state} />
            </Group>
            <Text size="xs" c="dimmed" className="clip">
              {whole(row.inside)} inside · {entryWords(row.definition.entry)}
            </Text>
          </Link>
        )}
        empty={
          at.search ? (
            <Empty icon={IconRoute} title="No journey is called so">
              Search for a part of its key or its name.
            </Empty>
          ) : (
            <>
              <Empty icon={IconRoute} title="No journeys yet">
                {mayWrite
                  ? 'Begin with one of these, and change what is not yours; or draw your own.'
                  : 'Somebody who may write journeys has to make the first one.'}
              </Empty>
              {mayWrite && (
                <SimpleGrid
                  cols={{ base: 1, sm: 2, lg: 3 }}
                  p="md"
                  pt={0}
                  component="ul"
                  className={classes.ready}
                >
                  {ready.map((one) => (
                    <li key={one.key}>
                      <UnstyledButton className={classes.readyOne} onClick={() => create(one)}>
                        <Text fw={550}>{one.name}</Text>
                        <Text size="sm" c="dimmed" mt={2}>
                          {one.means}
                        </Text>
                        <Text size="xs" c="dimmed" mt={8}>
                          {entryWords(one.definition.entry)} ·{' '}
                          {Object.keys(one.definition.steps).length === 1
                            ? '1 step'
                            : `${Object.keys(one.definition.steps).length} steps`}
                        </Text>
                      </UnstyledButton>
                    </li>
                  ))}
                </SimpleGrid>
              )}
            </>
          )
        }
      />
      <Modal opened={creating} onClose={dialog.close} title={<Text fw={600}>New journey</Text>}>
        <Create key={from?.key ?? ''} from={from} onClose={dialog.close} />
      </Modal>
    </>
  );
};

const Create = ({ from, onClose }: { from: Ready | undefined; onClose: () => void }) => {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const [name, setName] = useState(from?.name ?? '');
  const [like, setLike] = useState(from?.key ?? '');
  const chosen = ready.find(({ key }) => key === like);
  const key = keyFrom(name);
  const save = useMutation({
    mutationFn: () =>
      api.journeys.save(key, {
        name,
        description: chosen?.means ?? '',
        definition: chosen?.definition ?? blank,
        ifRevision: 0,
      }),
    onSuccess: async (made) => {
      queryClient.setQueryData(['journeys', 'one', made.key], made);
      await queryClient.invalidateQueries({ queryKey: ['journeys', 'list'] });
      await navigate({ to: '/journeys/$key', params: { key: made.key } });
    },
  });
  return (
    <DialogForm
      action="Create the draft"
      busy={save.isPending}
      error={save.error}
      shown={faultAt(save.error, '/name') !== undefined}
      onClose={onClose}
      onSubmit={() => key && save.mutate()}
    >
      <Select
        label="Begin with"
        data={[
          { value: '', label: 'Nothing: I draw it myself' },
          ...ready.map((one) => ({ value: one.key, label: one.name })),
        ]}
        value={like}
        onChange={(value) => {
          const next = ready.find((one) => one.key === value);
          if (next && (name === '' || name === chosen?.name)) setName(next.name);
          setLike(value ?? '');
        }}
        description={chosen?.means}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
      />
      <TextInput
        label="Name"
        withAsterisk
        data-autofocus
        value={name}
        error={faultAt(save.error, '/name')}
        description={`Its key becomes ${key || '…'}, and stays so`}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        onChange={(event) => setName(event.currentTarget.value)}
      />
    </DialogForm>
  );
};
