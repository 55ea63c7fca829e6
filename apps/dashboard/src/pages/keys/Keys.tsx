/** API keys: list, create, rotate, revoke. A key is shown once, in the moment it is made. */
import { Button, Group, Menu, Modal, Select, Stack, Table, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { ApiKey } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  IconBan,
  IconCircleCheck,
  IconDots,
  IconHourglassOff,
  IconKey,
  IconPlus,
  IconRefresh,
  IconTrash,
} from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Pill } from '../../parts/Badges.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { useNarrow } from '../../parts/DataTable.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { ShowOnce } from '../../parts/ShowOnce.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { CreateKey } from './CreateKey.js';

const stateOf = (key: ApiKey, now = Date.now()) =>
  key.revokedAt
    ? { label: 'Revoked', icon: IconBan, color: 'var(--status-ended)' }
    : key.expiresAt && Date.parse(key.expiresAt) <= now
      ? { label: 'Expired', icon: IconHourglassOff, color: 'var(--status-ended)' }
      : { label: 'Live', icon: IconCircleCheck, color: 'var(--status-delivered)' };
const scopesOf = ({ scopes: [first, ...rest] }: ApiKey) =>
  rest.length ? `${rest.length + 1} scopes` : first;
const isLive = (key: ApiKey) => stateOf(key).label === 'Live';

export const Keys = () => {
  const mayWrite = useCan('keys:write');
  const keys = useQuery({ queryKey: ['keys'], queryFn: () => api.keys.list() });
  const [createOpened, create] = useDisclosure(false);
  const [rotating, setRotating] = useState<ApiKey>();
  const [revoking, setRevoking] = useState<ApiKey>();
  const [shown, setShown] = useState<{ name: string; key: string }>();
  const queryClient = useQueryClient();
  const narrow = useNarrow();
  const reload = () => queryClient.invalidateQueries({ queryKey: ['keys'] });
  const show = async (made: { name: string; key: string }) => {
    setShown(made);
    create.close();
    setRotating(undefined);
    await reload();
  };
  const newKey = mayWrite && (
    <Button leftSection={<IconPlus size={15} />} onClick={create.open}>
      New key
    </Button>
  );
  // Live ones first; within each, the newest.
  const rows = [...(keys.data ?? [])].sort(
    (a, b) => Number(isLive(b)) - Number(isLive(a)) || Date.parse(b.createdAt) - Date.parse(a.createdAt),
  );
  const actions = (key: ApiKey) =>
    mayWrite &&
    isLive(key) && (
      <Menu position="bottom-end" shadow="md">
        <Menu.Target>
          <Button variant="subtle" color="gray" size="compact-sm" aria-label={`Actions for ${key.name}`}>
            <IconDots size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconRefresh size={15} />} onClick={() => setRotating(key)}>
            Rotate
          </Menu.Item>
          <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => setRevoking(key)}>
            Revoke
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    );
  return (
    <>
      <PageHeader
        title="API keys"
        lead="For servers. Each key does only what its scopes say; a revoked one stops within five seconds."
        actions={newKey}
      />
      <div className="card" style={{ overflow: 'hidden' }}>
        {keys.isError && !keys.data ? (
          <Failure error={keys.error} retry={() => void keys.refetch()} />
        ) : !keys.data ? (
          <RowsPending rows={4} />
        ) : rows.length === 0 ? (
          <Empty icon={IconKey} title="No API keys yet" action={newKey}>
            Your servers need one to send messages. Give each server its own, so that you can revoke it alone.
          </Empty>
        ) : narrow ? (
          <div className="rows" role="list" aria-label="API keys">
            {rows.map((key) => (
              <div key={key.id} role="listitem" style={{ padding: '12px 14px' }}>
                <Group justify="space-between" wrap="nowrap">
                  <Text fw={500} className="clip">
                    {key.name}
                  </Text>
                  <Group gap={6} wrap="nowrap">
                    <Pill {...stateOf(key)} />
                    {actions(key)}
                  </Group>
                </Group>
                <Text size="xs" c="dimmed">
                  <span className="mono">{key.prefix}…</span> · {scopesOf(key)} · used{' '}
                  <When at={key.lastUsedAt} none="never" />
                </Text>
              </div>
            ))}
          </div>
        ) : (
          <Table.ScrollContainer type="native" minWidth={640}>
            <Table className="grid-table" aria-label="API keys">
              <Table.Thead>
                <Table.Tr>
                  {['Name', 'Key', 'State', 'Scopes', 'Last used', 'Created', 'Expires'].map((head) => (
                    <Table.Th key={head} scope="col">
                      {head}
                    </Table.Th>
                  ))}
                  {mayWrite && <Table.Th aria-label="Actions" />}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map((key) => (
                  <Table.Tr key={key.id}>
                    <Table.Td>
                      <Text span size="sm" fw={500}>
                        {key.name}
                      </Text>
                    </Table.Td>
                    <Table.Td>
                      <span className="mono">{key.prefix}…</span>
                    </Table.Td>
                    <Table.Td>
                      <Pill {...stateOf(key)} />
                    </Table.Td>
                    <Table.Td>
                      <Tooltip label={key.scopes.join(', ')} multiline maw={300}>
                        <Text span size="sm" tabIndex={0}>
                          {scopesOf(key)}
                        </Text>
                      </Tooltip>
                    </Table.Td>
                    <Table.Td>
                      <When at={key.lastUsedAt} none="never" />
                    </Table.Td>
                    <Table.Td>
                      <When at={key.createdAt} show="date" />
                    </Table.Td>
                    <Table.Td>
                      <When at={key.expiresAt} none="never" />
                    </Table.Td>
                    {mayWrite && <Table.Td style={{ textAlign: 'right' }}>{actions(key)}</Table.Td>}
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </div>
      <Modal opened={createOpened} onClose={create.close} size="lg" title={<Text fw={600}>New API key</Text>}>
        <CreateKey onCreated={show} onClose={create.close} />
      </Modal>
      <Modal
        opened={rotating !== undefined}
        onClose={() => setRotating(undefined)}
        title={<Text fw={600}>Rotate {rotating?.name}</Text>}
      >
        {rotating && <RotateKey apiKey={rotating} onRotated={show} onClose={() => setRotating(undefined)} />}
      </Modal>
      <ShowOnce
        title={`Your new key: ${shown?.name ?? ''}`}
        what="key"
        value={shown?.key}
        onClose={() => setShown(undefined)}
      >
        Copy it now. Only a fingerprint is stored: nobody can show it again.
      </ShowOnce>
      <Confirm
        opened={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={`Revoke ${revoking?.name ?? ''}?`}
        action="Revoke the key"
        onConfirm={async () => {
          if (revoking) await api.keys.revoke(revoking.id);
          await reload();
        }}
      >
        Whoever uses it is refused within five seconds. This cannot be taken back; to change a key without a
        gap, rotate it instead.
      </Confirm>
    </>
  );
};

const overlaps = [
  { value: '0', label: 'At once' },
  { value: '3600', label: 'After an hour' },
  { value: '86400', label: 'After a day' },
  { value: '604800', label: 'After a week' },
];
const RotateKey = ({
  apiKey,
  onRotated,
  onClose,
}: {
  apiKey: ApiKey;
  onRotated: (made: { name: string; key: string }) => void;
  onClose: () => void;
}) => {
  const [overlap, setOverlap] = useState('86400');
  const rotate = useMutation({
    mutationFn: () => api.keys.rotate(apiKey.id, { overlapSeconds: Number(overlap) }),
    onSuccess: onRotated,
  });
  return (
    <Stack>
      <Text c="dimmed">
        A second key with the same scopes is made now. The old one goes on working for a while, so that you
        can change it over without a gap.
      </Text>
      <Select
        label="The old key ends"
        data={overlaps}
        value={overlap}
        onChange={(value) => setOverlap(value ?? '86400')}
        error={rotate.error ? messageOf(rotate.error) : undefined}
      />
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Keep as it is
        </Button>
        <Button loading={rotate.isPending} onClick={() => rotate.mutate()}>
          Make the new key
        </Button>
      </Group>
    </Stack>
  );
};
