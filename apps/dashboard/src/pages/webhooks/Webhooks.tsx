/** Webhook endpoints: which of the workspace's own systems are told what happens, and how they fare. */
import { Button, Modal, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { WebhookEndpoint } from '@carillon/contracts';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ColumnDef } from '@tanstack/react-table';
import { IconPlus, IconWebhook } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Pill } from '../../parts/Badges.js';
import { DataTable } from '../../parts/DataTable.js';
import { TextLink } from '../../parts/links.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { ShowOnce } from '../../parts/ShowOnce.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { EndpointForm } from './EndpointForm.js';
import { endpointState } from './looks.js';

const typesOf = ({ types: [first, ...rest] }: WebhookEndpoint) =>
  first === undefined ? 'All events' : rest.length > 0 ? `${rest.length + 1} types` : first;

const columns: ColumnDef<WebhookEndpoint, never>[] = [
  {
    id: 'url',
    header: 'Address',
    cell: ({ row: { original: it } }) => (
      <>
        <TextLink to="/webhooks/$id" params={{ id: it.id }} fw={500} size="sm" className="break">
          {it.url}
        </TextLink>
        {it.description && (
          <Text size="xs" c="dimmed" className="clip">
            {it.description}
          </Text>
        )}
      </>
    ),
  },
  { id: 'state', header: 'State', cell: ({ row }) => <Pill {...endpointState(row.original)} /> },
  { id: 'types', header: 'Told of', cell: ({ row }) => typesOf(row.original) },
  { id: 'pending', header: 'Waiting', cell: ({ row }) => row.original.pending, meta: { align: 'right' } },
  {
    id: 'created',
    header: 'Created',
    cell: ({ row }) => <When at={row.original.createdAt} show="date" />,
  },
];

export const Webhooks = () => {
  const mayWrite = useCan('webhooks:write');
  const endpoints = useQuery({ queryKey: ['webhooks'], queryFn: () => api.webhooks.list() });
  const [opened, create] = useDisclosure(false);
  const [secret, setSecret] = useState<string>();
  const queryClient = useQueryClient();
  const add = mayWrite && (
    <Button leftSection={<IconPlus size={15} />} onClick={create.open}>
      New endpoint
    </Button>
  );
  return (
    <>
      <PageHeader
        title="Webhooks"
        lead="Endpoints of yours that are told what becomes of deliveries: signed, retried for a day, replayable."
        actions={add}
      />
      <div className="card" style={{ overflow: 'hidden' }}>
        {endpoints.isError && !endpoints.data ? (
          <Failure error={endpoints.error} retry={() => void endpoints.refetch()} />
        ) : !endpoints.data ? (
          <RowsPending rows={3} />
        ) : endpoints.data.length === 0 ? (
          <Empty icon={IconWebhook} title="No webhook endpoints yet" action={add}>
            Give an address of your own, and it is told when messages are delivered, bounce, are opened, or
            somebody unsubscribes.
          </Empty>
        ) : (
          <DataTable
            label="Webhook endpoints"
            rows={endpoints.data}
            columns={columns}
            rowId={(it) => it.id}
            goesTo={(it) => ({ to: '/webhooks/$id', params: { id: it.id } })}
            narrow={(it) => (
              <div style={{ padding: '12px 14px' }}>
                <TextLink to="/webhooks/$id" params={{ id: it.id }} fw={500} size="sm" className="break">
                  {it.url}
                </TextLink>
                <div style={{ marginTop: 6 }}>
                  <Pill {...endpointState(it)} />
                </div>
                <Text size="xs" c="dimmed" mt={4}>
                  {typesOf(it)} · {it.pending} waiting
                </Text>
              </div>
            )}
          />
        )}
      </div>
      <Modal
        opened={opened}
        onClose={create.close}
        size="lg"
        title={<Text fw={600}>New webhook endpoint</Text>}
      >
        <EndpointForm
          onClose={create.close}
          action="Create endpoint"
          save={async (values) => {
            const made = await api.webhooks.create(values);
            create.close();
            setSecret(made.secret);
            await queryClient.invalidateQueries({ queryKey: ['webhooks'] });
          }}
        />
      </Modal>
      <ShowOnce
        title="The secret of this endpoint"
        what="secret"
        value={secret}
        onClose={() => setSecret(undefined)}
      >
        Copy it now: it is not shown again. Your endpoint needs it to verify that events come from here.
      </ShowOnce>
    </>
  );
};
