/** Audiences: rules and lists of people, with how many they hold. */
import { Group, Text } from '@mantine/core';
import type { Audience } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import {
  IconAlertTriangle,
  IconBolt,
  IconFilter,
  IconListCheck,
  IconLoader2,
  IconPlus,
  IconUsersGroup,
} from '@tabler/icons-react';
import { api } from '../../api.js';
import { Pill } from '../../parts/Badges.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty } from '../../parts/PageStates.js';
import { SearchedList } from '../../parts/SearchedList.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';

const route = getRouteApi('/app/audiences');

/** What it is and how it stands, in one mark. */
export const AudienceMark = ({ audience, large }: { audience: Audience; large?: boolean }) => (
  <Pill
    {...(audience.state === 'failed'
      ? { icon: IconAlertTriangle, label: 'Failed', color: 'var(--status-failed)' }
      : audience.state === 'counting'
        ? { icon: IconLoader2, label: 'Counting', color: 'var(--status-pending)' }
        : audience.kind === 'list'
          ? { icon: IconListCheck, label: 'List', color: 'var(--status-ended)' }
          : audience.live
            ? { icon: IconBolt, label: 'Live', color: 'var(--status-delivered)' }
            : { icon: IconFilter, label: 'Rule', color: 'var(--status-ended)' })}
    large={large}
  />
);
export const sizeOf = ({ size }: Audience): string => (size === null ? '…' : size.toLocaleString('en'));

const column = createColumnHelper<Audience>();
const columns = [
  column.accessor('name', {
    header: 'Name',
    cell: ({ row: { original } }) => (
      <Link to="/audiences/$key" params={{ key: original.key }} className="plain-link">
        <Text span size="sm" fw={500}>
          {original.name}
        </Text>
        <Text size="xs" c="dimmed" className="clip" maw={420}>
          {original.sentence}
        </Text>
      </Link>
    ),
  }),
  column.accessor('key', {
    header: 'Key',
    cell: ({ getValue }) => <span className="mono">{getValue()}</span>,
  }),
  column.display({
    id: 'state',
    header: 'State',
    cell: ({ row }) => <AudienceMark audience={row.original} />,
  }),
  column.display({
    id: 'size',
    header: 'People',
    meta: { align: 'right' },
    cell: ({ row }) => sizeOf(row.original),
  }),
  column.accessor('updatedAt', { header: 'Changed', cell: ({ getValue }) => <When at={getValue()} /> }),
];

export const Audiences = () => {
  const { search, cursor } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useCan('profiles:write');
  const page = useQuery({
    queryKey: ['audiences', 'list', { search, cursor }],
    queryFn: () => api.audiences.list({ search, cursor }).page(),
    placeholderData: keepPreviousData,
    // Counts of live audiences move by themselves.
    refetchInterval: (query) =>
      query.state.data?.items.some(({ live, state }) => live || state === 'counting') ? 5000 : false,
  });
  const create = mayWrite && (
    <ButtonLink to="/audiences/new" leftSection={<IconPlus size={15} />}>
      New audience
    </ButtonLink>
  );
  return (
    <>
      <PageHeader
        title="Audiences"
        lead="Who: rules over attributes, events, messages and consent, and lists filled from outside. A live rule keeps its members up to date."
        actions={create}
      />
      <SearchedList
        label="Audiences"
        placeholder="Name or key"
        at={{ search, cursor }}
        go={(to, how) => void navigate({ search: to, ...how })}
        page={page}
        columns={columns as ColumnDef<Audience, never>[]}
        rowId={(row) => row.id}
        goesTo={(row) => ({ to: '/audiences/$key', params: { key: row.key } })}
        empty={
          <Empty
            icon={IconUsersGroup}
            title={search ? 'No audience by that name' : 'No audiences yet'}
            action={!search && create}
          >
            {search
              ? 'Part of a name or key will do.'
              : 'Say who: everybody on the pro plan who ordered three times in 30 days, and see at once how many they are.'}
          </Empty>
        }
        narrow={(row) => (
          <Link to="/audiences/$key" params={{ key: row.key }} className="row-link">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={500} className="clip">
                {row.name}
              </Text>
              <Text fw={500}>{sizeOf(row)}</Text>
            </Group>
            <Text size="xs" c="dimmed" className="clip">
              {row.sentence}
            </Text>
            <div style={{ marginTop: 6 }}>
              <AudienceMark audience={row} />
            </div>
          </Link>
        )}
      />
    </>
  );
};
