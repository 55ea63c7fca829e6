/** Who wrote what of a campaign, and when; what was written before can be brought back. */
import { Button, Group, Text } from '@mantine/core';
import type { Campaign, CampaignEdit } from '@carillon/contracts';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { More } from '../../parts/More.js';
import { Notice } from '../../parts/Notice.js';
import { Section } from '../../parts/PageHeader.js';
import { Failure } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import classes from './Campaigns.module.css';
import { ChangeTable } from './Changes.js';

export const Edits = ({ campaign, mayChange }: { campaign: Campaign; mayChange: boolean }) => {
  const { id, version } = campaign;
  const queryClient = useQueryClient();
  const [shown, setShown] = useState<number>();
  const edits = useInfiniteQuery({
    queryKey: ['campaigns', 'edits', id, version],
    queryFn: ({ pageParam }) => api.campaigns.edits(id, { limit: 10, ...pageParam }).page(),
    initialPageParam: {} as { cursor?: string },
    getNextPageParam: (page) => (page.nextCursor === null ? undefined : { cursor: page.nextCursor }),
  });
  const bringBack = useMutation({
    mutationFn: ({ name, definition }: CampaignEdit) =>
      api.campaigns.save(id, { name, definition, ifVersion: version }),
    onSuccess: (changed) => queryClient.setQueryData(['campaigns', 'one', id], changed),
  });
  const all = edits.data?.pages.flatMap((page) => page.items) ?? [];
  if (edits.isError && all.length === 0)
    return <Failure small error={edits.error} retry={() => void edits.refetch()} />;
  if (all.length === 0) return null;
  return (
    <Section title="How it was written" pad={false}>
      {bringBack.error && (
        <Notice tone="bad" alert between>
          {messageOf(bringBack.error)}
        </Notice>
      )}
      <div role="list" aria-label="Edits">
        {all.map((edit, n) => {
          const open = shown === edit.version;
          const first = edit.changes.length === 0 && n === all.length - 1;
          return (
            <div key={edit.version} role="listitem" className={classes.edit}>
              <div className={classes.editLine}>
                <Text size="sm">
                  <b>Version {edit.version}</b> by {edit.by} <When at={edit.at} show="both" />
                  <Text span size="sm" c="dimmed" display="block">
                    {first ? 'As it was written first.' : changeWords(edit)}
                  </Text>
                </Text>
                <Group gap={8} wrap="nowrap">
                  {edit.changes.length > 0 && (
                    <Button
                      size="compact-xs"
                      variant="default"
                      aria-expanded={open}
                      aria-label={`What version ${edit.version} changed`}
                      onClick={() => setShown(open ? undefined : edit.version)}
                    >
                      {open ? 'Hide' : 'Show'}
                    </Button>
                  )}
                  {mayChange && edit.version !== version && (
                    <Button
                      size="compact-xs"
                      variant="default"
                      aria-label={`Bring back version ${edit.version}`}
                      loading={bringBack.isPending && bringBack.variables.version === edit.version}
                      onClick={() => bringBack.mutate(edit)}
                    >
                      Bring back
                    </Button>
                  )}
                </Group>
              </div>
              {open && <ChangeTable changes={edit.changes} />}
            </div>
          );
        })}
      </div>
      {edits.hasNextPage && (
        <div className={classes.edit}>
          <More loading={edits.isFetchingNextPage} onClick={() => void edits.fetchNextPage()} />
        </div>
      )}
    </Section>
  );
};

/** `rate, start`: the parts that are not as before. */
function changeWords({ changes }: CampaignEdit): string {
  const parts = [...new Set(changes.map(({ at }) => at.split('/')[1] ?? ''))];
  return parts.length === 0 ? 'Nothing is not as before.' : `Changed: ${parts.join(', ')}.`;
}
