/** Provider accounts: the credentials with which this workspace sends. */
import { Group, Text } from '@mantine/core';
import type { ProviderAccount } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { createColumnHelper } from '@tanstack/react-table';
import { IconPlugConnected, IconPlus } from '@tabler/icons-react';
import { ChannelMark, StateBadge } from '../../parts/Badges.js';
import { DataTable } from '../../parts/DataTable.js';
import { ButtonLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';
import { whole } from '../home/tally.js';
import { limitWords } from './limit.js';
import { accountsQuery, providersQuery } from './queries.js';

const column = createColumnHelper<ProviderAccount & { title: string }>();
const columns = [
  column.accessor('name', {
    header: 'Name',
    cell: ({ row: { original } }) => (
      <Link to="/accounts/$id" params={{ id: original.id }} className="plain-link">
        <Text span fw={500} size="sm">
          {original.name}
        </Text>
      </Link>
    ),
  }),
  column.accessor('channel', {
    header: 'Channel',
    cell: ({ getValue }) => <ChannelMark channel={getValue()} />,
  }),
  column.accessor('title', { header: 'Provider' }),
  column.accessor('health.state', {
    header: 'State',
    cell: ({ getValue }) => <StateBadge state={getValue()} />,
  }),
  column.accessor('health.sentLastHour', {
    header: 'Sent, last hour',
    meta: { align: 'right' },
    cell: ({ getValue }) => whole(getValue()),
  }),
  column.accessor('health.failedLastHour', {
    header: 'Failed, last hour',
    meta: { align: 'right' },
    cell: ({ getValue }) => whole(getValue()),
  }),
  column.accessor('rateLimit', {
    header: 'Limit',
    cell: ({ getValue }) => {
      const limit = getValue();
      return limit ? limitWords(limit) : 'none';
    },
  }),
  column.accessor('position', {
    header: 'Order',
    meta: { align: 'right' },
    cell: ({ row: { original } }) =>
      original.weight === 1 ? original.position : `${original.position} × ${original.weight}`,
  }),
];

export const Accounts = () => {
  const accounts = useQuery(accountsQuery);
  const providers = useQuery(providersQuery);
  const mayWrite = useCan('accounts:write');
  const titleOf = (account: ProviderAccount) =>
    providers.data?.find(({ channel, name }) => channel === account.channel && name === account.provider)
      ?.title ?? account.provider;
  const create = mayWrite && (
    <ButtonLink to="/accounts/new" leftSection={<IconPlus size={15} />}>
      New account
    </ButtonLink>
  );
  return (
    <>
      <PageHeader
        title="Provider accounts"
        lead="Credentials and limits at the providers that carry your messages. Secrets go in and never come out."
        actions={create}
      />
      <div className="card" style={{ overflow: 'hidden' }}>
        {accounts.isError && !accounts.data ? (
          <Failure error={accounts.error} retry={() => void accounts.refetch()} />
        ) : !accounts.data ? (
          <RowsPending rows={4} />
        ) : accounts.data.length === 0 ? (
          <Empty icon={IconPlugConnected} title="No provider accounts yet" action={create}>
            Without one, deliveries fail with the reason “no account”. Add one per channel you want to send
            on.
          </Empty>
        ) : (
          <DataTable
            label="Provider accounts"
            rows={accounts.data.map((account) => ({ ...account, title: titleOf(account) }))}
            columns={columns}
            rowId={(row) => row.id}
            goesTo={(row) => ({ to: '/accounts/$id', params: { id: row.id } })}
            narrow={(row) => (
              <Link to="/accounts/$id" params={{ id: row.id }} className="row-link">
                <Group justify="space-between" wrap="nowrap">
                  <Text fw={500} className="clip">
                    {row.name}
                  </Text>
                  <StateBadge state={row.health.state} />
                </Group>
                <Group gap="2px 12px" mt={4} c="dimmed" fz="xs">
                  <ChannelMark channel={row.channel} />
                  {row.title}
                  <span className="numbers">
                    {whole(row.health.sentLastHour)} sent, {whole(row.health.failedLastHour)} failed last hour
                  </span>
                </Group>
              </Link>
            )}
          />
        )}
      </div>
    </>
  );
};
