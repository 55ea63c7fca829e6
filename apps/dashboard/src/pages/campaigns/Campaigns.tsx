/** Campaigns: what was, is and will be said to audiences. */
import { Group, Progress, SegmentedControl, Text } from '@mantine/core';
import type { Campaign, CampaignState } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import {
  IconAlertTriangle,
  IconBan,
  IconCalendarClock,
  IconChecks,
  IconClipboardCheck,
  IconPencil,
  IconPlayerPause,
  IconPlus,
  IconSend,
  IconSpeakerphone,
  type Icon,
} from '@tabler/icons-react';
import { Button } from '@mantine/core';
import { api } from '../../api.js';
import { ChannelMark, Pill } from '../../parts/Badges.js';
import { DataTable } from '../../parts/DataTable.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import type { ReactNode } from 'react';
import { audienceWords, peopleOf, startWords, thisMonth } from './campaign.js';
import { Calendar } from './Calendar.js';

const route = getRouteApi('/app/campaigns');

const looks: Record<CampaignState, { icon: Icon; label: string; color: string }> = {
  draft: { icon: IconPencil, label: 'Draft', color: 'var(--status-ended)' },
  prepared: { icon: IconClipboardCheck, label: 'Prepared', color: 'var(--status-sent)' },
  scheduled: { icon: IconCalendarClock, label: 'Scheduled', color: 'var(--status-pending)' },
  running: { icon: IconSend, label: 'Running', color: 'var(--status-pending)' },
  paused: { icon: IconPlayerPause, label: 'Paused', color: 'var(--status-suppressed)' },
  completed: { icon: IconChecks, label: 'Completed', color: 'var(--status-delivered)' },
  cancelled: { icon: IconBan, label: 'Cancelled', color: 'var(--status-ended)' },
  failed: { icon: IconAlertTriangle, label: 'Failed', color: 'var(--status-failed)' },
};
export const CampaignMark = ({ state, large }: { state: CampaignState; large?: boolean }) => (
  <Pill {...looks[state]} large={large} />
);

const column = createColumnHelper<Campaign>();
const columns = [
  column.accessor('name', {
    header: 'Name',
    cell: ({ row: { original } }) => (
      <Link to="/campaigns/$id" params={{ id: original.id }} className="plain-link">
        <Text span size="sm" fw={500}>
          {original.name}
        </Text>
        <Text size="xs" c="dimmed" className="clip" maw={380}>
          {audienceWords(original.definition)}
        </Text>
      </Link>
    ),
  }),
  column.display({
    id: 'channels',
    header: 'By',
    cell: ({ row }) => (
      <Group gap={6} wrap="nowrap">
        {row.original.definition.channels.map((channel) => (
          <ChannelMark key={channel} channel={channel} iconOnly />
        ))}
      </Group>
    ),
  }),
  column.accessor('state', { header: 'State', cell: ({ getValue }) => <CampaignMark state={getValue()} /> }),
  column.display({
    id: 'people',
    header: 'People',
    meta: { align: 'right' },
    cell: ({ row }) => peopleOf(row.original)?.toLocaleString('en') ?? '—',
  }),
  column.display({
    id: 'when',
    header: 'When',
    cell: ({ row: { original } }) =>
      original.startsAt && original.state === 'scheduled' ? (
        <When at={original.startsAt} />
      ) : original.runs[0] ? (
        <When at={original.runs[0].startedAt} />
      ) : (
        <Text size="sm" c="dimmed">
          {startWords(original.definition.start)}
        </Text>
      ),
  }),
];

export const Campaigns = () => {
  const { month } = route.useSearch();
  const navigate = route.useNavigate();
  const mayWrite = useCan('campaigns:write');
  const create = mayWrite && <NewCampaign />;
  return (
    <>
      <PageHeader
        title="Campaigns"
        lead="One message to an audience: now, at a time, again and again, or at each person’s own time."
        actions={
          <Group gap="sm">
            <SegmentedControl
              size="xs"
              aria-label="How campaigns are shown"
              value={month ? 'calendar' : 'list'}
              onChange={(value) =>
                void navigate({ search: value === 'calendar' ? { month: thisMonth() } : {} })
              }
              data={[
                { value: 'list', label: 'List' },
                { value: 'calendar', label: 'Calendar' },
              ]}
            />
            {create}
          </Group>
        }
      />
      {month ? (
        <Calendar month={month} go={(to) => void navigate({ search: { month: to } })} />
      ) : (
        <List create={create} />
      )}
    </>
  );
};

const NewCampaign = () => (
  <ButtonLink to="/campaigns/new" leftSection={<IconPlus size={15} />}>
    New campaign
  </ButtonLink>
);

const List = ({ create }: { create: ReactNode }) => {
  const { cursor } = route.useSearch();
  const navigate = route.useNavigate();
  const page = useQuery({
    queryKey: ['campaigns', 'list', cursor],
    queryFn: () => api.campaigns.list({ limit: 50, cursor }).page(),
    placeholderData: keepPreviousData,
    refetchInterval: (query) =>
      query.state.data?.items.some(({ state }) => state === 'running' || state === 'scheduled')
        ? 3000
        : false,
  });
  const rows = page.data?.items;
  return (
    <>
      <div className="card" style={{ overflow: 'hidden' }} aria-busy={page.isFetching}>
        {page.isError && !rows ? (
          <Failure error={page.error} retry={() => void page.refetch()} />
        ) : !rows ? (
          <RowsPending />
        ) : rows.length === 0 ? (
          <Empty icon={IconSpeakerphone} title="No campaigns yet" action={create}>
            Choose an audience and a template; preparing tells how many it reaches before anything leaves.
          </Empty>
        ) : (
          <DataTable
            label="Campaigns"
            rows={rows}
            columns={columns as ColumnDef<Campaign, never>[]}
            rowId={(row) => row.id}
            goesTo={(row) => ({ to: '/campaigns/$id', params: { id: row.id } })}
            narrow={(row) => (
              <Link to="/campaigns/$id" params={{ id: row.id }} className="row-link">
                <Group justify="space-between" wrap="nowrap">
                  <Text fw={500} className="clip">
                    {row.name}
                  </Text>
                  <CampaignMark state={row.state} />
                </Group>
                <Text size="xs" c="dimmed" className="clip">
                  {audienceWords(row.definition)} · {startWords(row.definition.start)}
                </Text>
              </Link>
            )}
          />
        )}
      </div>
      {(page.data?.nextCursor ?? cursor) && (
        <Group justify="flex-end" mt="md" gap="xs">
          {cursor && (
            <Button variant="default" onClick={() => void navigate({ search: {} })}>
              First page
            </Button>
          )}
          <Button
            variant="default"
            disabled={!page.data?.nextCursor}
            onClick={() => void navigate({ search: { cursor: page.data?.nextCursor ?? undefined } })}
          >
            Next
          </Button>
        </Group>
      )}
    </>
  );
};

/** Kept here so that list and page draw it alike. */
export const Bar = ({
  parts,
  of,
}: {
  parts: { value: number; color: string; label: string }[];
  of: number;
}) => (
  <Progress.Root size="lg" aria-label="Progress">
    {parts.map(({ value, color, label }) => (
      <Progress.Section
        key={label}
        value={of === 0 ? 0 : (value / of) * 100}
        color={color}
        aria-label={label}
      />
    ))}
  </Progress.Root>
);
