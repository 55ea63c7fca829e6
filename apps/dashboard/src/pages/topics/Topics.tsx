/** Topics: what people can subscribe to, in a tree; and what silence, bounces and complaints mean here. */
import { Button, Group, Text } from '@mantine/core';
import type { Topic } from '@carillon/contracts';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { IconPlus, IconTags } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Confirm } from '../../parts/Confirm.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';
import { ConsentRules } from './ConsentRules.js';
import { TopicDialog } from './TopicDialog.js';
import classes from './Topics.module.css';
import { inTree, nameOf } from './tree.js';

export const Topics = () => {
  const mayWrite = useCan('profiles:write');
  const client = useQueryClient();
  const topics = useQuery({ queryKey: ['topics'], queryFn: () => api.topics.list() });
  const [edited, setEdited] = useState<Topic | 'new'>();
  const [leaving, setLeaving] = useState<Topic>();
  const changed = () => client.invalidateQueries({ queryKey: ['topics'] });
  const create = mayWrite && (
    <Button leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
      New topic
    </Button>
  );
  return (
    <>
      <PageHeader
        title="Topics"
        lead="What people can subscribe to, as the preference page shows it. Who leaves a topic leaves those below it."
        actions={create}
      />
      <div className="card" style={{ overflow: 'hidden', marginBottom: 24 }}>
        {topics.isError && !topics.data ? (
          <Failure error={topics.error} retry={() => void topics.refetch()} />
        ) : !topics.data ? (
          <RowsPending rows={3} />
        ) : topics.data.length === 0 ? (
          <Empty icon={IconTags} title="No topics yet" action={create}>
            Without topics people can leave all marketing of a channel, or nothing. With them they choose.
          </Empty>
        ) : (
          <div className="rows" role="list" aria-label="Topics">
            {inTree(topics.data).map(({ topic, depth }) => (
              <div key={topic.key} role="listitem" className={classes.row} style={{ '--depth': depth }}>
                <div style={{ minWidth: 0 }}>
                  <Text fw={550} className="break">
                    {nameOf(topic)}
                  </Text>
                  <Text size="sm" c="dimmed" className="break">
                    <span className="mono">{topic.key}</span> · {meaning(topic)}
                  </Text>
                </div>
                {mayWrite && (
                  <Group gap="xs" wrap="nowrap" style={{ flex: 'none' }}>
                    <Button size="compact-sm" variant="default" onClick={() => setEdited(topic)}>
                      Change
                    </Button>
                    <Button size="compact-sm" variant="default" onClick={() => setLeaving(topic)}>
                      Archive
                    </Button>
                  </Group>
                )}
              </div>
            ))}
          </div>
        )}
      </div>
      <Section title="Rules of consent">
        <ConsentRules />
      </Section>
      {edited && (
        <TopicDialog
          topic={edited === 'new' ? undefined : edited}
          all={topics.data ?? []}
          onClose={() => setEdited(undefined)}
          onDone={changed}
        />
      )}
      <Confirm
        opened={leaving !== undefined}
        onClose={() => setLeaving(undefined)}
        title={`Archive ${leaving ? nameOf(leaving) : ''}?`}
        action="Archive"
        onConfirm={async () => {
          if (leaving) await api.topics.archive(leaving.key);
          await changed();
        }}
      >
        It leaves the preference page. What people said about it stays and counts.
      </Confirm>
    </>
  );
};

const meaning = ({ class: kind, byDefault, doubleOptIn, parent }: Topic): string =>
  [
    kind === 'transactional' ? 'transactional: people may leave it, and need not join' : 'marketing',
    byDefault === null
      ? `silence means what ${parent ? 'the topic above' : 'the workspace'} says`
      : `silence means ${byDefault}`,
    ...(doubleOptIn ? [`confirmed by ${doubleOptIn.template}`] : []),
  ].join(' · ');
