/** The workspace's rules: what no record means, when soft bounces suppress, whether complaints stop receipts. */
import { Button, Group, NumberInput, SegmentedControl, Stack, Switch, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { ConsentPolicy } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';

export const ConsentRules = () => {
  const mayRead = useCan('accounts:read');
  const policy = useQuery({
    queryKey: ['consent-policy'],
    queryFn: () => api.consents.policy(),
    enabled: mayRead,
  });
  if (!mayRead) return <Text c="dimmed">Your role does not show them.</Text>;
  if (policy.isError && !policy.data)
    return <Failure small error={policy.error} retry={() => void policy.refetch()} />;
  return policy.data ? <Form policy={policy.data} /> : <RowsPending rows={2} />;
};

const Form = ({ policy }: { policy: ConsentPolicy }) => {
  const mayWrite = useCan('accounts:write');
  const client = useQueryClient();
  const [changes, setChanges] = useState<Partial<ConsentPolicy>>({});
  const shown = { ...policy, ...changes };
  const set = (part: Partial<ConsentPolicy>) => setChanges((before) => ({ ...before, ...part }));
  const save = useMutation({
    mutationFn: () => api.consents.setPolicy(shown),
    onSuccess: (saved) => {
      client.setQueryData(['consent-policy'], saved);
      setChanges({});
      notifications.show({ message: 'Saved. It holds from the next message.' });
    },
  });
  const bounce = (part: Partial<ConsentPolicy['softBounce']>) =>
    set({ softBounce: { ...shown.softBounce, ...part } });
  return (
    <Stack>
      <div>
        <Text fw={550}>Who never said anything</Text>
        <Text size="sm" c="dimmed" mb={6}>
          For marketing, where the topic does not say.
        </Text>
        <SegmentedControl
          aria-label="Who never said anything"
          disabled={!mayWrite}
          value={shown.noConsentMeans}
          onChange={(value) => set({ noConsentMeans: value as 'in' | 'out' })}
          data={[
            { value: 'in', label: 'May be written to' },
            { value: 'out', label: 'May not' },
          ]}
        />
      </div>
      <Group align="flex-end">
        <NumberInput
          label="Soft bounces that suppress"
          min={1}
          max={20}
          w={220}
          disabled={!mayWrite}
          value={shown.softBounce.threshold}
          onChange={(value) => bounce({ threshold: Number(value) || 1 })}
        />
        <NumberInput
          label="Counted at most once in"
          suffix=" hours"
          min={0}
          max={720}
          w={220}
          disabled={!mayWrite}
          value={shown.softBounce.spacingHours}
          onChange={(value) => bounce({ spacingHours: Number(value) || 0 })}
        />
      </Group>
      <Switch
        label="Transactional messages reach people who complained"
        description="Receipts and codes only, and only where the complaint is the one reason."
        disabled={!mayWrite}
        checked={shown.transactionalIgnoresComplaints}
        onChange={(event) => set({ transactionalIgnoresComplaints: event.currentTarget.checked })}
      />
      {save.isError && (
        <Text role="alert" size="sm" c="var(--status-failed)">
          {messageOf(save.error)}
        </Text>
      )}
      {mayWrite && (
        <Group>
          <Button
            disabled={Object.keys(changes).length === 0}
            loading={save.isPending}
            onClick={() => save.mutate()}
          >
            Save rules
          </Button>
        </Group>
      )}
    </Stack>
  );
};
