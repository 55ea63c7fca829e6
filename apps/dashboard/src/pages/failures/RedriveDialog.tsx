/** Before anything is sent again: how many, why they failed, who may get it twice, who will not get it any more. */
import { Button, Checkbox, Group, Modal, Skeleton, Stack, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { RedriveFilter, RedrivePreview } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Notice } from '../../parts/Notice.js';
import { Failure } from '../../parts/PageStates.js';
import { whole } from '../home/tally.js';
import classes from './Failures.module.css';

const messages = (count: number) => (count === 1 ? '1 message' : `${whole(count)} messages`);

export const RedriveDialog = ({
  filter,
  title,
  onClose,
}: {
  filter: RedriveFilter;
  title: string;
  onClose: () => void;
}) => {
  const [includeUnknown, setIncludeUnknown] = useState(false);
  const queryClient = useQueryClient();
  const preview = useQuery({
    queryKey: ['redrive-preview', filter, includeUnknown],
    queryFn: () => api.redrives.preview(filter, { includeUnknown }),
    // What is started is what was seen: it must not change under the reader.
    staleTime: Infinity,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  const start = useMutation({
    mutationFn: (fingerprint: string) => api.redrives.start(fingerprint),
    onSuccess: async ({ preview: { total } }) => {
      await queryClient.invalidateQueries({ queryKey: ['redrives'] });
      notifications.show({ message: `${messages(total)} on the way again.` });
      onClose();
    },
  });
  const shown = preview.data;
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Send again: {title.toLowerCase()}</Text>} size="lg">
      <Stack>
        {preview.isError ? (
          <Failure small error={preview.error} retry={() => void preview.refetch()} />
        ) : !shown ? (
          <Stack gap={8} aria-busy="true">
            <Skeleton h={16} w="50%" />
            <Skeleton h={14} w="80%" />
            <Skeleton h={14} w="70%" />
          </Stack>
        ) : (
          <Shown preview={shown.preview} />
        )}
        <Checkbox
          label="Include what may have arrived already"
          description="People may get it twice. Those messages are marked as possible duplicates."
          checked={includeUnknown}
          onChange={(event) => setIncludeUnknown(event.currentTarget.checked)}
        />
        {start.isError && (
          <Text role="alert" c="var(--status-failed)" size="sm">
            {messageOf(start.error)}
          </Text>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Send nothing
          </Button>
          <Button
            disabled={!shown || shown.preview.total === 0}
            loading={start.isPending}
            onClick={() => shown && start.mutate(shown.fingerprint)}
          >
            {shown && shown.preview.total > 0 ? `Send ${messages(shown.preview.total)} again` : 'Send again'}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
};

const Shown = ({ preview }: { preview: RedrivePreview }) => {
  const { total, risky, suppressedNow, leftOut, truncated } = preview;
  const notes = [
    [suppressedNow, 'have opted out or been suppressed since, and will not get it'],
    [leftOut.unknown, 'may have arrived and are left out'],
    [leftOut.delivered, 'had arrived and are left out'],
    [leftOut.reached, 'were reached by another step of their route and are left out'],
    [leftOut.expired, 'are past their expiry and are left out'],
  ] as const;
  return (
    <Stack gap="sm">
      <Text fw={550} aria-live="polite">
        {total === 0 ? 'Nothing would be sent again.' : `${messages(total)} would be sent again.`}
      </Text>
      {risky > 0 && (
        <Notice tone="warning" title={`${whole(risky)} of them may arrive twice`}>
          Their provider never answered, so they may have arrived the first time.
        </Notice>
      )}
      {notes.some(([count]) => count > 0) && (
        <ul className={classes.notes}>
          {notes.map(
            ([count, note]) =>
              count > 0 && (
                <li key={note}>
                  {whole(count)} {note}
                </li>
              ),
          )}
        </ul>
      )}
      {truncated && <Text size="sm">There are more than one re-drive takes: do these, then look again.</Text>}
    </Stack>
  );
};
