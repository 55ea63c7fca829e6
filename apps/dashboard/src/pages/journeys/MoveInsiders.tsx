/** Has people of an older version go over to what newcomers take: each to the step that stands for theirs, seen before it is done. */
import { Group, Select, Skeleton, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { Journey, JourneyVersion } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { IconArrowRight } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm } from '../../parts/DialogForm.js';
import { whole } from '../home/tally.js';
import { kindLooks, peopleWords } from './looks.js';

export const MoveInsiders = ({
  journey,
  from,
  to,
  onClose,
  onDone,
}: {
  journey: Journey;
  from: JourneyVersion;
  to: JourneyVersion;
  onClose: () => void;
  onDone: (journey: Journey) => void;
}) => {
  const [steps, setSteps] = useState<Record<string, string>>({});
  const asked = { from: from.version, to: to.version, steps };
  const seen = useQuery({
    queryKey: ['journeys', 'moving', journey.key, asked],
    queryFn: () => api.journeys.moveInsiders(journey.key, asked),
    placeholderData: keepPreviousData,
  });
  const rows = seen.data?.steps ?? [];
  const going = rows.filter((one) => one.to !== null).reduce((sum, one) => sum + one.people, 0);
  const staying = rows.filter((one) => one.to === null).reduce((sum, one) => sum + one.people, 0);
  const move = useMutation({
    mutationFn: () => api.journeys.moveInsiders(journey.key, { ...asked, apply: true }),
    onSuccess: () => {
      notifications.show({ message: `${peopleWords(going)} go over to version ${to.version}.` });
      onDone(journey);
      onClose();
    },
  });
  const nameOf = (version: JourneyVersion, key: string): string => {
    const step = version.definition.steps[key];
    return step ? `${step.name ?? kindLooks[step.kind].label} (${key})` : key;
  };
  const places = Object.keys(to.definition.steps).map((key) => ({ value: key, label: nameOf(to, key) }));
  return (
    <DialogForm
      action={going === 0 ? 'Move them' : `Move ${peopleWords(going)}`}
      busy={move.isPending}
      error={move.error ?? seen.error}
      onClose={onClose}
      onSubmit={() => going > 0 && move.mutate()}
    >
      <Text c="dimmed">
        Each goes to the step that stands for theirs in version {to.version}. At the same step, what was
        waited counts.
      </Text>
      {!seen.data ? (
        <Skeleton h={80} />
      ) : rows.length === 0 ? (
        <Text>Nobody is inside version {from.version} any more.</Text>
      ) : (
        <Stack gap="sm" role="list" aria-label="Where they go">
          {rows.map((one) => (
            <Group key={one.step} role="listitem" wrap="nowrap" gap="xs" align="center">
              <div style={{ flex: 1, minWidth: 0 }}>
                <Text size="sm" fw={500} className="clip">
                  {nameOf(from, one.step)}
                </Text>
                <Text size="xs" c="dimmed">
                  {peopleWords(one.people)}
                </Text>
              </div>
              <IconArrowRight size={16} aria-hidden />
              <Select
                style={{ flex: 1, minWidth: 0 }}
                size="xs"
                aria-label={`Where people at ${one.step} go`}
                searchable
                placeholder={one.people === 1 ? 'Finishes theirs' : 'Finish theirs'}
                data={places}
                value={one.to}
                onChange={(place) => place && setSteps({ ...steps, [one.step]: place })}
              />
            </Group>
          ))}
        </Stack>
      )}
      {staying > 0 && (
        <Text size="sm">
          For {whole(staying)} of them nothing stands there: they finish version {from.version}.
        </Text>
      )}
    </DialogForm>
  );
};
