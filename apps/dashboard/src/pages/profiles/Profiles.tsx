/** Profiles: the people this workspace writes to. */
import { Group, Text } from '@mantine/core';
import type { Profile } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import { IconUsers } from '@tabler/icons-react';
import { api } from '../../api.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty } from '../../parts/PageStates.js';
import { SearchedList } from '../../parts/SearchedList.js';
import { When } from '../../parts/Times.js';

const route = getRouteApi('/app/profiles');
const none = <span style={{ color: 'var(--ink-soft)' }}>—</span>;

const column = createColumnHelper<Profile>();
const columns = [
  column.accessor('externalId', {
    header: 'External id',
    cell: ({ getValue }) => (
      <Link to="/profiles/$externalId" params={{ externalId: getValue() }} className="plain-link">
        <Text span size="sm" fw={500}>
          {getValue()}
        </Text>
      </Link>
    ),
  }),
  column.accessor('email', { header: 'Email', cell: ({ getValue }) => getValue() ?? none }),
  column.accessor('phone', { header: 'Phone', cell: ({ getValue }) => getValue() ?? none }),
  column.accessor('locale', { header: 'Locale', cell: ({ getValue }) => getValue() ?? none }),
  column.accessor('timezone', { header: 'Time zone', cell: ({ getValue }) => getValue() ?? none }),
  column.accessor((profile) => profile.devices.length, {
    id: 'devices',
    header: 'Devices',
    meta: { align: 'right' },
  }),
  column.accessor('updatedAt', { header: 'Changed', cell: ({ getValue }) => <When at={getValue()} /> }),
];

export const Profiles = () => {
  const { search, cursor } = route.useSearch();
  const navigate = route.useNavigate();
  const page = useQuery({
    queryKey: ['profiles', 'list', { search, cursor }],
    queryFn: () => api.profiles.list({ search, cursor }).page(),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      <PageHeader
        title="Profiles"
        lead="The people you write to. They come from the API, the SDK or an import; here you look them up."
      />
      <SearchedList
        label="Profiles"
        placeholder="External id, email or phone"
        at={{ search, cursor }}
        go={(to, how) => void navigate({ search: to, ...how })}
        page={page}
        columns={columns as ColumnDef<Profile, never>[]}
        rowId={(row) => row.id}
        goesTo={(row) => ({ to: '/profiles/$externalId', params: { externalId: row.externalId } })}
        empty={
          <Empty icon={IconUsers} title={search ? 'Nobody by that name' : 'No profiles yet'}>
            {search ? (
              'The beginning of an external id, email address or phone number will do.'
            ) : (
              <>
                Send a message with a profile inline, or run{' '}
                <span className="mono">carillon profiles import people.csv</span>.
              </>
            )}
          </Empty>
        }
        narrow={(row) => (
          <Link to="/profiles/$externalId" params={{ externalId: row.externalId }} className="row-link">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={500} className="clip">
                {row.externalId}
              </Text>
              <Text size="xs" c="dimmed">
                {row.locale}
              </Text>
            </Group>
            <Text size="sm" c="dimmed" className="clip">
              {[row.email, row.phone].filter(Boolean).join(' · ') || 'no address'}
            </Text>
          </Link>
        )}
      />
    </>
  );
};
