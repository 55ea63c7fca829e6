/** Templates: what is said, per channel and locale, in numbered versions. */
import { Group, Text } from '@mantine/core';
import type { Template } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import { IconPlus, IconTemplate } from '@tabler/icons-react';
import { api } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty } from '../../parts/PageStates.js';
import { SearchedList } from '../../parts/SearchedList.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';

const route = getRouteApi('/app/templates');

const column = createColumnHelper<Template>();
const columns = [
  column.accessor('name', {
    header: 'Name',
    cell: ({ row: { original } }) => (
      <Link to="/templates/$key" params={{ key: original.key }} className="plain-link">
        <Text span size="sm" fw={500}>
          {original.name}
        </Text>
      </Link>
    ),
  }),
  column.accessor('key', {
    header: 'Key',
    cell: ({ getValue }) => <span className="mono">{getValue()}</span>,
  }),
  column.accessor('channels', {
    header: 'Channels',
    cell: ({ getValue }) => (
      <Group gap="sm" wrap="nowrap">
        {getValue().map((channel) => (
          <ChannelMark key={channel} channel={channel} />
        ))}
      </Group>
    ),
  }),
  column.accessor((template) => template.variables.length, {
    id: 'variables',
    header: 'Variables',
    meta: { align: 'right' },
  }),
  column.accessor('version', { header: 'Version', meta: { align: 'right' } }),
  column.accessor('updatedAt', { header: 'Changed', cell: ({ getValue }) => <When at={getValue()} /> }),
];

export const Templates = () => {
  const { search, cursor } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useCan('templates:write');
  const page = useQuery({
    queryKey: ['templates', 'list', { search, cursor }],
    queryFn: () => api.templates.list({ search, cursor }).page(),
    placeholderData: keepPreviousData,
  });
  const create = mayWrite && (
    <ButtonLink to="/templates/new" leftSection={<IconPlus size={15} />}>
      New template
    </ButtonLink>
  );
  return (
    <>
      <PageHeader
        title="Templates"
        lead="What your messages say, per channel and locale. Versions never change: each save makes the next one."
        actions={create}
      />
      <SearchedList
        label="Templates"
        placeholder="Name or key"
        at={{ search, cursor }}
        go={(to, how) => void navigate({ search: to, ...how })}
        page={page}
        columns={columns as ColumnDef<Template, never>[]}
        rowId={(row) => row.id}
        goesTo={(row) => ({ to: '/templates/$key', params: { key: row.key } })}
        empty={
          <Empty
            icon={IconTemplate}
            title={search ? 'No template by that name' : 'No templates yet'}
            action={!search && create}
          >
            {search
              ? 'Part of a name or key will do.'
              : 'A template keeps what you say out of your code: write it once, send it with data.'}
          </Empty>
        }
        narrow={(row) => (
          <Link to="/templates/$key" params={{ key: row.key }} className="row-link">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={500} className="clip">
                {row.name}
              </Text>
              <Group gap={8} wrap="nowrap">
                {row.channels.map((channel) => (
                  <ChannelMark key={channel} channel={channel} iconOnly />
                ))}
              </Group>
            </Group>
            <Text size="xs" c="dimmed" className="clip">
              <span className="mono">{row.key}</span> · version {row.version} · <When at={row.updatedAt} />
            </Text>
          </Link>
        )}
      />
    </>
  );
};
