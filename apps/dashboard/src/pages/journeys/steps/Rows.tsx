import { ActionIcon, Button, Group, Stack, Text } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useEditing } from '../editing.js';
import classes from '../Journeys.module.css';

/** Things in order that may be taken out and added. */
export const Rows = <T,>({
  items,
  label,
  add,
  least = 1,
  onChange,
  children,
}: {
  items: readonly T[];
  label: (at: number) => string;
  /** What the button says, and what it adds. */
  add: [string, () => T];
  least?: number;
  onChange: (items: T[]) => void;
  children: (item: T, set: (item: T) => void, at: number) => ReactNode;
}) => {
  const { readOnly } = useEditing();
  return (
    <>
      {items.map((item, at) => (
        <Stack key={at} gap={6} className={classes.own} role="group" aria-label={label(at)}>
          <Group justify="space-between" wrap="nowrap">
            <Text size="xs" c="dimmed">
              {label(at)}
            </Text>
            {!readOnly && items.length > least && (
              <ActionIcon
                variant="subtle"
                color="gray"
                size="sm"
                aria-label={`Remove ${label(at)}`}
                onClick={() => onChange(items.filter((_, n) => n !== at))}
              >
                <IconTrash size={14} />
              </ActionIcon>
            )}
          </Group>
          {children(item, (next) => onChange(items.map((one, n) => (n === at ? next : one))), at)}
        </Stack>
      ))}
      {!readOnly && items.length < 20 && (
        <div>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPlus size={14} />}
            onClick={() => onChange([...items, add[1]()])}
          >
            {add[0]}
          </Button>
        </div>
      )}
    </>
  );
};
