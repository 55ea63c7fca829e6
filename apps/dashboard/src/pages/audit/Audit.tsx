/** The audit log: who erased, exported, released and decided what, and whether the log is as it was written. */
import { Button, Group, Text } from '@mantine/core';
import type { AuditEntry } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { createColumnHelper, type ColumnDef } from '@tanstack/react-table';
import { IconHistory, IconShieldCheck } from '@tabler/icons-react';
import { api } from '../../api.js';
import { Copyable } from '../../parts/Facts.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure } from '../../parts/PageStates.js';
import { SearchedList } from '../../parts/SearchedList.js';
import { When } from '../../parts/Times.js';
import { useMe } from '../../session.js';
import { sentenceCase } from '../../words.js';
import { whole } from '../home/tally.js';

const route = getRouteApi('/app/audit');
const column = createColumnHelper<AuditEntry>();

/** `profile.erased` → Profile erased, `caps.reset` → Caps reset. */
const deedOf = (action: string) => sentenceCase(action.replace(/[.-]/g, '_'));
/** Ids are told apart by their ends. */
const shortOf = (id: string) => (id.length > 24 ? `…${id.slice(-8)}` : id);
const detailOf = (detail: AuditEntry['detail']) =>
  Object.entries(detail)
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' · ');

export const Audit = () => {
  const { cursor } = route.useSearch();
  const navigate = route.useNavigate();
  const page = useQuery({
    queryKey: ['audit', { cursor }],
    queryFn: () => api.privacy.audit({ cursor }).page(),
    placeholderData: keepPreviousData,
  });
  const check = useMutation({ mutationFn: () => api.privacy.verifyAudit() });
  const nameOf = useNames();
  const columns = [
    column.accessor('at', {
      header: 'When',
      cell: ({ getValue }) => <When at={getValue()} show="compact" />,
    }),
    column.accessor('by', { header: 'Who', cell: ({ getValue }) => nameOf(getValue()) }),
    column.accessor('action', {
      header: 'What',
      cell: ({ getValue }) => (
        <Text span size="sm" fw={500}>
          {deedOf(getValue())}
        </Text>
      ),
    }),
    column.accessor('subject', {
      header: 'Of',
      cell: ({ getValue }) => (
        <Copyable value={getValue()} label={`Copy ${getValue()}`}>
          {shortOf(getValue())}
        </Copyable>
      ),
    }),
    column.accessor('detail', {
      header: 'Details',
      cell: ({ getValue }) => (
        <Text span size="sm" c="dimmed" className="break">
          {detailOf(getValue()) || '—'}
        </Text>
      ),
    }),
  ];
  return (
    <>
      <PageHeader
        title="Audit log"
        lead="Who erased, exported, released and decided what. Lines are only ever added, each sealed with the one before it; they name ids, no addresses."
        actions={
          <Button
            variant="default"
            leftSection={<IconShieldCheck size={15} />}
            loading={check.isPending}
            onClick={() => check.mutate()}
          >
            Check the log
          </Button>
        }
      />
      {check.isError && <Failure error={check.error} small />}
      {check.data &&
        (check.data.intact ? (
          <Notice
            tone="good"
            alert
            between
            title={`All ${whole(check.data.lines)} lines are as they were written.`}
          >
            {check.data.head && (
              <>
                Keep the seal of the last one elsewhere, to see later that none was cut off:{' '}
                <Copyable
                  value={`${check.data.head.seq} ${check.data.head.hash}`}
                  label="Copy the seal of the last line"
                />
              </>
            )}
          </Notice>
        ) : (
          <Notice
            tone="bad"
            alert
            between
            title={`The log was changed: line ${whole(check.data.brokenAt ?? 0)} does not follow from the one before it.`}
          >
            Compare it with a backup of the database.
          </Notice>
        ))}
      <SearchedList
        label="Audit log"
        at={{ cursor }}
        go={(to, how) => void navigate({ search: to, ...how })}
        page={page}
        columns={columns as ColumnDef<AuditEntry, never>[]}
        rowId={(row) => row.id}
        empty={
          <Empty icon={IconHistory} title="Nothing yet">
            Erasures, exports, releases, consent recorded by hand, approvals and changes of rules will stand
            here.
          </Empty>
        }
        narrow={(row) => (
          <div className="row-link">
            <Group justify="space-between" wrap="nowrap">
              <Text fw={500}>{deedOf(row.action)}</Text>
              <Text size="sm" c="dimmed" style={{ flex: 'none' }}>
                <When at={row.at} />
              </Text>
            </Group>
            <Text size="sm" c="dimmed" className="break">
              {nameOf(row.by)}
              {detailOf(row.detail) && ` · ${detailOf(row.detail)}`}
            </Text>
          </div>
        )}
      />
    </>
  );
};

/** The log keeps ids, which stay true: what they are called today is looked up. */
function useNames(): (by: string) => string {
  const { user } = useMe();
  const keys = useQuery({ queryKey: ['keys'], queryFn: () => api.keys.list() });
  return (by) => {
    const [kind, id = ''] = by.split(':');
    if (kind === 'user') return id === user?.id ? `${user.name} (you)` : `User ${shortOf(id)}`;
    const key = keys.data?.find((one) => one.id === id);
    return key ? `Key “${key.name}”` : `Key ${shortOf(id)}`;
  };
}
