/** Templates: what is said, per channel and locale, in numbered versions. */
import { Button, Group, Text } from '@mantine/core';
import type { Template } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { IconChevronRight, IconPlus, IconTemplate } from '@tabler/icons-react';
import { api } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { DataTable } from '../../parts/DataTable.js';
import { ListSearch } from '../../parts/ListSearch.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
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
  const rows = page.data?.items;
  const next = page.data?.nextCursor;
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
      <ListSearch
        label="Search templates"
        placeholder="Name or key"
        value={search}
        onSearch={(text) => void navigate({ search: { search: text }, replace: true })}
      />
      <div className="card" style={{ overflow: 'hidden' }} aria-busy={page.isFetching}>
        {page.isError && !rows ? (
          <Failure error={page.error} retry={() => void page.refetch()} />
        ) : !rows ? (
          <RowsPending />
        ) : rows.length === 0 ? (
          <Empty
            icon={IconTemplate}
            title={search ? 'No template by that name' : 'No templates yet'}
            action={!search && create}
          >
            {search
              ? 'Part of a name or key will do.'
              : 'A template keeps what you say out of your code: write it once, send it with data.'}
          </Empty>
        ) : (
          <DataTable
            label="Templates"
            rows={rows}
            columns={columns}
            rowId={(row) => row.id}
            goesTo={(row) => ({ to: '/templates/$key', params: { key: row.key } })}
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
                  <span className="mono">{row.key}</span> · version {row.version} ·{' '}
                  <When at={row.updatedAt} />
                </Text>
              </Link>
            )}
          />
        )}
      </div>
      {(next || cursor) && (
        <Group justify="flex-end" mt="md" gap="xs">
          {cursor && (
            <Button variant="default" onClick={() => void navigate({ search: { search } })}>
              First page
            </Button>
          )}
          <Button
            variant="default"
            disabled={!next}
            rightSection={<IconChevronRight size={15} />}
            onClick={() => next && void navigate({ search: { search, cursor: next } })}
          >
            Next
          </Button>
        </Group>
      )}
    </>
  );
};
