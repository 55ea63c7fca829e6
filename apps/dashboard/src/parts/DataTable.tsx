/**
 * A list of rows: a table on wide screens, a stack of links on narrow ones. Each row leads somewhere; the first cell
 * holds the real link, so that keyboard, middle click and screen readers work as anywhere on the web.
 */
import { Table } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useNavigate, type LinkProps } from '@tanstack/react-router';
import { flexRender, getCoreRowModel, useReactTable, type ColumnDef } from '@tanstack/react-table';
import type { MouseEvent, ReactNode } from 'react';

interface DataTableProps<Row> {
  label: string;
  rows: Row[];
  /** Cells of different types: `never`, because nothing here reads a cell's value. */
  columns: ColumnDef<Row, never>[];
  rowId: (row: Row) => string;
  /** Where a click on the row leads. */
  goesTo?: (row: Row) => { to: LinkProps['to']; params?: Record<string, string> };
  /** The row on a narrow screen. */
  narrow: (row: Row) => ReactNode;
  /** Ids of rows that have just changed: they glow once. */
  changed?: ReadonlySet<string>;
}
export const useNarrow = (): boolean => useMediaQuery('(max-width: 48em)') ?? false;

export function DataTable<Row>({
  label,
  rows,
  columns,
  rowId,
  goesTo,
  narrow,
  changed,
}: DataTableProps<Row>) {
  const isNarrow = useNarrow();
  const navigate = useNavigate();
  const table = useReactTable({ data: rows, columns, getRowId: rowId, getCoreRowModel: getCoreRowModel() });
  if (isNarrow)
    return (
      <div role="list" aria-label={label} className="rows">
        {rows.map((row) => (
          <div role="listitem" key={rowId(row)} className={changed?.has(rowId(row)) ? 'changed' : undefined}>
            {narrow(row)}
          </div>
        ))}
      </div>
    );
  const open = (row: Row) => (event: MouseEvent) => {
    const interactive = (event.target as Element).closest('a, button, input, [role=menuitem]');
    if (!goesTo || interactive || getSelection()?.toString()) return;
    const { to, params } = goesTo(row);
    void navigate({ to, params } as Parameters<typeof navigate>[0]);
  };
  return (
    <Table.ScrollContainer type="native" minWidth={640}>
      <Table className="grid-table" aria-label={label}>
        <Table.Thead>
          {table.getHeaderGroups().map((group) => (
            <Table.Tr key={group.id}>
              {group.headers.map((header) => (
                <Table.Th
                  key={header.id}
                  style={{ textAlign: alignOf(header.column.columnDef.meta) }}
                  scope="col"
                >
                  {flexRender(header.column.columnDef.header, header.getContext())}
                </Table.Th>
              ))}
            </Table.Tr>
          ))}
        </Table.Thead>
        <Table.Tbody>
          {table.getRowModel().rows.map((row) => (
            <Table.Tr
              key={row.id}
              className={[goesTo && 'goes', changed?.has(row.id) && 'changed'].filter(Boolean).join(' ')}
              onClick={open(row.original)}
            >
              {row.getVisibleCells().map((cell) => (
                <Table.Td key={cell.id} style={{ textAlign: alignOf(cell.column.columnDef.meta) }}>
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
const alignOf = (meta: unknown): 'right' | undefined => (meta as { align?: 'right' } | undefined)?.align;
