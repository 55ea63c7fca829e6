/** Suppression: the addresses and domains that are not written to; adding, releasing many at once, CSV in and out. */
import { Anchor, Button, Group, Select, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Suppression as Entry } from '@carillon/contracts';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import { IconBan, IconDownload, IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { Confirm } from '../../parts/Confirm.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty } from '../../parts/PageStates.js';
import { SearchedList } from '../../parts/SearchedList.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { sentenceCase } from '../../words.js';
import { AddDialog } from './AddDialog.js';
import { reasonChoices } from './reasons.js';
import { ReleaseDialog } from './ReleaseDialog.js';

const route = getRouteApi('/app/suppression');
const column = createColumnHelper<Entry>();
export const Suppression = () => {
  const { search, reason, cursor } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useCan('profiles:write');
  const client = useQueryClient();
  const [adding, add] = useDisclosure(false);
  const [releasing, release] = useDisclosure(false);
  const [one, setOne] = useState<Entry>();
  const query = { search, reason };
  const page = useQuery({
    queryKey: ['suppressions', { ...query, cursor }],
    queryFn: () => api.suppressions.list({ ...query, cursor }).page(),
    placeholderData: keepPreviousData,
  });
  const changed = () => client.invalidateQueries({ queryKey: ['suppressions'] });
  const releaseOne = (entry: Entry) =>
    mayWrite && (
      <Button size="compact-xs" variant="default" style={{ flex: 'none' }} onClick={() => setOne(entry)}>
        Release
      </Button>
    );
  const columns = [
    column.accessor('address', {
      header: 'Address',
      cell: ({ getValue }) => (
        <Text span size="sm" fw={500}>
          {getValue()}
        </Text>
      ),
    }),
    column.accessor('channel', {
      header: 'Channel',
      cell: ({ getValue }) => <ChannelMark channel={getValue()} />,
    }),
    column.accessor('reason', { header: 'Reason', cell: ({ getValue }) => sentenceCase(getValue()) }),
    column.accessor('source', {
      header: 'From',
      cell: ({ getValue }) => (getValue() === 'api' ? 'API' : sentenceCase(getValue())),
    }),
    column.accessor('createdAt', { header: 'Since', cell: ({ getValue }) => <When at={getValue()} /> }),
    column.display({
      id: 'release',
      header: '',
      cell: ({ row }) => releaseOne(row.original),
      meta: { align: 'right' },
    }),
  ];
  const csv = new URLSearchParams(
    Object.entries(query).flatMap(([key, value]) => (value ? [[key, value]] : [])),
  );
  const addButton = mayWrite && (
    <Button leftSection={<IconPlus size={15} />} onClick={add.open}>
      Add
    </Button>
  );
  const filtered = Boolean(search ?? reason);
  return (
    <>
      <PageHeader
        title="Suppression"
        lead="Addresses and whole domains that are not written to, whatever is sent: hard bounces, complaints, repeated soft bounces, and what you add."
        actions={
          <>
            <Anchor href={`/v1/suppressions.csv${csv.size > 0 ? `?${csv}` : ''}`} download size="sm">
              <Group gap={4} wrap="nowrap">
                <IconDownload size={15} aria-hidden /> CSV
              </Group>
            </Anchor>
            {mayWrite && (
              <>
                <ButtonLink to="/imports" search={{ kind: 'suppressions' }} variant="default">
                  Import a list
                </ButtonLink>
                <Button variant="default" onClick={release.open}>
                  Release many
                </Button>
                {addButton}
              </>
            )}
          </>
        }
      />
      <Select
        aria-label="Reason"
        placeholder="Every reason"
        data={reasonChoices}
        value={reason ?? null}
        onChange={(value) => void navigate({ search: { search, reason: value ?? undefined } })}
        clearable
        maw={380}
        mb={8}
      />
      <SearchedList
        label="Suppressions"
        placeholder="Address, its beginning, or @example.com"
        at={{ search, cursor }}
        go={(to, how) => void navigate({ search: { ...to, reason }, ...how })}
        page={page}
        columns={columns as ColumnDef<Entry, never>[]}
        rowId={(row) => `${row.channel} ${row.address}`}
        empty={
          <Empty icon={IconBan} title={filtered ? 'Nothing like that is suppressed' : 'Nobody is suppressed'}>
            {filtered
              ? 'The beginning of an address will do; @example.com finds a domain and its addresses.'
              : 'Addresses that bounce for good or complain come here by themselves.'}
          </Empty>
        }
        narrow={(row) => (
          <div className="row-link">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={500} className="clip">
                {row.address}
              </Text>
              {releaseOne(row)}
            </Group>
            <Text size="sm" c="dimmed">
              {sentenceCase(row.reason)} · <When at={row.createdAt} />
            </Text>
          </div>
        )}
      />
      {adding && <AddDialog onClose={add.close} onDone={changed} />}
      {releasing && <ReleaseDialog onClose={release.close} onDone={changed} />}
      <Confirm
        opened={one !== undefined}
        onClose={() => setOne(undefined)}
        title={`Release ${one?.address ?? ''}?`}
        action="Release"
        onConfirm={async () => {
          if (!one) return;
          const channel = one.channel === 'sms' ? 'sms' : 'email';
          await api.suppressions.release({ dryRun: false, channel, addresses: [one.address] });
          await changed();
        }}
      >
        It may be written to again. What the person said about topics stays as it is.
      </Confirm>
    </>
  );
};
