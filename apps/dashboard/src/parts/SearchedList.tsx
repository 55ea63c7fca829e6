/** A list that is paged through, and mostly searched: the box above it, its states, and the way to the next page. */
import { Button, Group } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { LinkProps } from '@tanstack/react-router';
import type { ColumnDef } from '@tanstack/react-table';
import { IconChevronRight } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { DataTable } from './DataTable.js';
import { ListSearch } from './ListSearch.js';
import { Failure, RowsPending } from './PageStates.js';

/** What the address of such a list holds. */
export interface ListAddress {
  search?: string;
  cursor?: string;
}
interface SearchedListProps<Row> {
  /** In the plural: names the table, and what is searched. */
  label: string;
  /** What can be searched for; without, there is nothing to search by. */
  placeholder?: string;
  at: ListAddress;
  go: (to: ListAddress, how?: { replace: boolean }) => void;
  page: Pick<
    UseQueryResult<{ items: Row[]; nextCursor: string | null }>,
    'data' | 'isError' | 'error' | 'refetch' | 'isFetching'
  >;
  columns: ColumnDef<Row, never>[];
  rowId: (row: Row) => string;
  goesTo?: (row: Row) => { to: LinkProps['to']; params?: Record<string, string> };
  narrow: (row: Row) => ReactNode;
  /** When there are no rows. */
  empty: ReactNode;
}
export function SearchedList<Row>({
  label,
  placeholder,
  at: { search, cursor },
  go,
  page,
  columns,
  rowId,
  goesTo,
  narrow,
  empty,
}: SearchedListProps<Row>) {
  const rows = page.data?.items;
  const next = page.data?.nextCursor;
  return (
    <>
      {placeholder !== undefined && (
        <ListSearch
          label={`Search ${label.toLowerCase()}`}
          placeholder={placeholder}
          value={search}
          onSearch={(text) => go({ search: text }, { replace: true })}
        />
      )}
      <div className="card" style={{ overflow: 'hidden' }} aria-busy={page.isFetching}>
        {page.isError && !rows ? (
          <Failure error={page.error} retry={() => void page.refetch()} />
        ) : !rows ? (
          <RowsPending />
        ) : rows.length === 0 ? (
          empty
        ) : (
          <DataTable
            label={label}
            rows={rows}
            columns={columns}
            rowId={rowId}
            goesTo={goesTo}
            narrow={narrow}
          />
        )}
      </div>
      {(next || cursor) && (
        <Group justify="flex-end" mt="md" gap="xs">
          {cursor && (
            <Button variant="default" onClick={() => go({ search })}>
              First page
            </Button>
          )}
          <Button
            variant="default"
            disabled={!next}
            rightSection={<IconChevronRight size={15} />}
            onClick={() => next && go({ search, cursor: next })}
          >
            Next
          </Button>
        </Group>
      )}
    </>
  );
}
