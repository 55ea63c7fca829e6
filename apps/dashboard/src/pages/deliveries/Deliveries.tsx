/** The delivery log: filters live in the address, pages go by cursor, the newest page keeps itself fresh. */
import { Button, Group, Text, Tooltip } from '@mantine/core';
import type { Delivery } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import {
  IconChevronLeft,
  IconChevronRight,
  IconDownload,
  IconFilterOff,
  IconSend2,
} from '@tabler/icons-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { api, csvUrl } from '../../api.js';
import { ChannelMark, StatusBadge } from '../../parts/Badges.js';
import { DataTable } from '../../parts/DataTable.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useLive, type Liveness } from '../../parts/useLive.js';
import { reasonLabel, reasonSentence, sourceLabels } from '../../words.js';
import classes from './Deliveries.module.css';
import { FilterRow } from './FilterRow.js';
import { isFiltered, toQuery } from './filters.js';

const route = getRouteApi('/app/deliveries');

export const Recipient = ({ delivery }: { delivery: Delivery }) => (
  <span className={classes.recipient}>
    <span className="clip">{delivery.address ?? delivery.profile?.externalId ?? 'no address'}</span>
    {delivery.profile && delivery.address && delivery.profile.externalId !== delivery.address && (
      <span className={`${classes.soft} clip`}>{delivery.profile.externalId}</span>
    )}
  </span>
);
const ReasonText = ({ delivery: { reason } }: { delivery: Delivery }) =>
  reason && (
    <Tooltip label={reasonSentence(reason)} multiline maw={280}>
      <span className={classes.soft}>{reasonLabel(reason)}</span>
    </Tooltip>
  );

const column = createColumnHelper<Delivery>();
const columns = [
  column.accessor('createdAt', {
    header: 'Accepted',
    cell: ({ row }) => (
      <Link to="/deliveries/$id" params={{ id: row.original.id }} className="plain-link">
        <When at={row.original.createdAt} show="compact" />
      </Link>
    ),
  }),
  column.accessor('status', {
    header: 'Status',
    cell: ({ row }) => (
      <Group gap={8} wrap="nowrap">
        <StatusBadge status={row.original.status} />
        <ReasonText delivery={row.original} />
      </Group>
    ),
  }),
  column.accessor('channel', {
    header: 'Channel',
    cell: ({ getValue }) => <ChannelMark channel={getValue()} />,
  }),
  column.display({ id: 'to', header: 'To', cell: ({ row }) => <Recipient delivery={row.original} /> }),
  column.display({
    id: 'what',
    header: 'What',
    cell: ({ row: { original } }) =>
      original.template ? (
        <span>
          {original.template.key} <span className={classes.soft}>v{original.template.version}</span>
        </span>
      ) : (
        <span className={classes.soft}>inline content</span>
      ),
  }),
  column.accessor('source', { header: 'Source', cell: ({ getValue }) => sourceLabels[getValue()] }),
  column.accessor('attempts', { header: 'Attempts', meta: { align: 'right' } }),
];

export const DeliveryCard = ({ delivery }: { delivery: Delivery }) => (
  <Link to="/deliveries/$id" params={{ id: delivery.id }} className="row-link">
    <Group justify="space-between" wrap="nowrap" gap="sm">
      <span className={classes.cardTo}>
        <ChannelMark channel={delivery.channel} iconOnly />
        <span className="clip">{delivery.address ?? delivery.profile?.externalId ?? 'no address'}</span>
      </span>
      <StatusBadge status={delivery.status} />
    </Group>
    <Group justify="space-between" gap="sm" mt={4} wrap="nowrap">
      <Text size="xs" c="dimmed" className="clip">
        {[delivery.template?.key ?? 'inline content', delivery.reason && reasonLabel(delivery.reason)]
          .filter(Boolean)
          .join(' · ')}
      </Text>
      <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
        <When at={delivery.createdAt} />
      </Text>
    </Group>
  </Link>
);

/** Deliveries as a table, as the log and a profile's page show them. */
export const DeliveryTable = ({
  rows,
  label,
  changed,
}: {
  rows: Delivery[];
  label: string;
  changed?: ReadonlySet<string>;
}) => (
  <DataTable
    label={label}
    rows={rows}
    columns={columns}
    rowId={(row) => row.id}
    goesTo={(row) => ({ to: '/deliveries/$id', params: { id: row.id } })}
    narrow={(row) => <DeliveryCard delivery={row} />}
    changed={changed}
  />
);

/** Ids of rows that are new or stand otherwise than when last seen; empty for a page seen for the first time. */
const useChanged = (rows: Delivery[] | undefined, page: string): ReadonlySet<string> => {
  const seen = useRef<{ page: string; statuses: Map<string, string> }>({ page: '', statuses: new Map() });
  const [changed, setChanged] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (!rows) return;
    const before = seen.current;
    if (before.page === page)
      setChanged(
        new Set(rows.filter((row) => before.statuses.get(row.id) !== row.status).map((row) => row.id)),
      );
    else setChanged(new Set());
    seen.current = { page, statuses: new Map(rows.map((row) => [row.id, row.status])) };
  }, [rows, page]);
  return changed;
};

const liveWords: Record<Liveness, [word: string, help: string]> = {
  live: ['Live', 'New deliveries and changes appear by themselves.'],
  polling: ['Every 5 s', 'The live stream is away; the list is read again every five seconds.'],
  connecting: ['Connecting', 'The live stream is being opened.'],
  off: ['Not live', 'Only the newest page follows along.'],
};

export const Deliveries = () => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const trail = history.state?.trail as string[] | undefined;
  const key = ['deliveries', 'list', search];
  const page = useQuery({
    queryKey: key,
    queryFn: () => api.deliveries.list({ ...toQuery(search, new Date()), limit: 50 }).page(),
    placeholderData: keepPreviousData,
  });
  const streamQuery = useMemo(
    () => toQuery({ ...search, cursor: undefined, range: undefined }, new Date()),
    [search],
  );
  const liveness = useLive(streamQuery, key, !search.cursor);
  const changed = useChanged(page.isPlaceholderData ? undefined : page.data?.items, JSON.stringify(search));
  const filtered = isFiltered(search);
  const rows = page.data?.items;
  const older = page.data?.nextCursor;
  const clear = () => void navigate({ search: {} });
  const [liveWord, liveHelp] = liveWords[liveness];

  return (
    <>
      <PageHeader
        title="Deliveries"
        beside={
          <Tooltip label={liveHelp}>
            <span className={classes.live} data-state={liveness} role="status">
              <span aria-hidden />
              {liveWord}
            </span>
          </Tooltip>
        }
        lead="Every message to one person on one channel, newest first."
        actions={
          <Button
            component="a"
            href={csvUrl(toQuery({ ...search, cursor: undefined }, new Date()))}
            download="deliveries.csv"
            variant="default"
            leftSection={<IconDownload size={15} />}
          >
            Export CSV
          </Button>
        }
      />
      <FilterRow
        search={search}
        set={(change) =>
          // On what the address holds by then, not on what it held when this was drawn.
          void navigate({ search: (current) => ({ ...current, ...change, cursor: undefined }) })
        }
        clear={clear}
      />
      <div className="card" aria-busy={page.isFetching} style={{ overflow: 'hidden' }}>
        {page.isError && !rows ? (
          <Failure error={page.error} retry={() => void page.refetch()} />
        ) : !rows ? (
          <RowsPending rows={12} />
        ) : rows.length === 0 ? (
          filtered || search.cursor ? (
            <Empty
              icon={IconFilterOff}
              title="Nothing matches these filters"
              action={
                <Button variant="default" onClick={clear}>
                  Clear all filters
                </Button>
              }
            >
              Widen the time range, or take away a filter.
            </Empty>
          ) : (
            <Empty
              icon={IconSend2}
              title="No deliveries yet"
              action={
                <ButtonLink to="/" variant="default">
                  See how to send the first
                </ButtonLink>
              }
            >
              Each message you send appears here the moment it is accepted.
            </Empty>
          )
        ) : (
          <DeliveryTable rows={rows} label="Deliveries" changed={changed} />
        )}
      </div>
      {rows && rows.length > 0 && (
        <Group justify="space-between" mt="md">
          <Text size="sm" c="dimmed">
            {older || search.cursor ? `${rows.length} on this page` : `${rows.length} in all`}
          </Text>
          <Group gap="xs">
            {search.cursor && (
              <Button
                variant="default"
                leftSection={<IconChevronLeft size={15} />}
                onClick={() =>
                  void navigate({
                    search: { ...search, cursor: trail?.at(-1) || undefined },
                    state: { trail: trail?.slice(0, -1) },
                  })
                }
              >
                {trail?.length ? 'Newer' : 'Newest'}
              </Button>
            )}
            <Button
              variant="default"
              rightSection={<IconChevronRight size={15} />}
              disabled={!older}
              onClick={() =>
                older &&
                void navigate({
                  search: { ...search, cursor: older },
                  state: { trail: [...(trail ?? []), search.cursor ?? ''] },
                })
              }
            >
              Older
            </Button>
          </Group>
        </Group>
      )}
    </>
  );
};
