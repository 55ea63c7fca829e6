/** How a journey is shown, which version of it and beside which other one; and undo, redo, save. */
import { ActionIcon, Button, Group, SegmentedControl, Select, Tooltip } from '@mantine/core';
import type { Journey } from '@carillon/contracts';
import { IconArrowBackUp, IconArrowForwardUp } from '@tabler/icons-react';
import { Keys } from './BesideCanvas.js';
import classes from './Journeys.module.css';
import type { Draft } from './use-draft.js';

/** What stands in the address of the page. */
interface Search {
  as?: 'json' | 'people' | 'simulation' | undefined;
  version?: 'draft' | number | undefined;
  with?: 'draft' | number | undefined;
}

export const Toolbar = ({
  journey,
  views,
  asked,
  as,
  compareWith,
  readOnly,
  drafting,
  onGo,
}: {
  journey: Journey;
  views: { value: string; label: string }[];
  asked: 'draft' | number;
  as: string;
  compareWith: Search['with'];
  readOnly: boolean;
  drafting: Draft;
  onGo: (to: Search) => void;
}) => (
  <div className={classes.bar} role="toolbar" aria-label="Journey">
    <SegmentedControl
      size="xs"
      aria-label="How it is shown"
      value={as}
      onChange={(value) => onGo({ as: value === 'canvas' ? undefined : (value as Search['as']) })}
      data={[
        { value: 'canvas', label: 'Canvas' },
        { value: 'json', label: 'JSON' },
        ...(journey.newest > 0 ? [{ value: 'people', label: 'People' }] : []),
        { value: 'simulation', label: 'Simulate' },
      ]}
    />
    {as !== 'people' && (
      <>
        <Select
          size="xs"
          w={190}
          aria-label="Which version"
          data={views}
          value={String(asked)}
          onChange={(value) =>
            onGo({ version: value === 'draft' ? 'draft' : Number(value), with: undefined })
          }
        />
        {views.length > 1 && as !== 'simulation' && (
          <Select
            size="xs"
            w={170}
            aria-label="Compared with"
            placeholder="Compare with …"
            clearable
            data={views
              .filter(({ value }) => value !== String(asked))
              .map(({ value, label }) => ({
                value,
                label: `with ${label.split(/[,·]/)[0]?.trim()}`,
              }))}
            value={compareWith === undefined ? null : String(compareWith)}
            onChange={(value) =>
              onGo({ with: value === null ? undefined : value === 'draft' ? 'draft' : Number(value) })
            }
          />
        )}
      </>
    )}
    <Group gap={6} ml="auto" wrap="nowrap">
      {!readOnly && as !== 'people' && as !== 'simulation' && (
        <>
          <Tooltip label="Undo (Ctrl Z)">
            <ActionIcon
              variant="default"
              aria-label="Undo"
              disabled={!drafting.mayUndo}
              onClick={drafting.back}
            >
              <IconArrowBackUp size={16} />
            </ActionIcon>
          </Tooltip>
          <Tooltip label="Redo (Ctrl Shift Z)">
            <ActionIcon
              variant="default"
              aria-label="Redo"
              disabled={!drafting.mayRedo}
              onClick={drafting.forth}
            >
              <IconArrowForwardUp size={16} />
            </ActionIcon>
          </Tooltip>
        </>
      )}
      {as === 'canvas' && <Keys write={!readOnly} />}
      {!readOnly && as !== 'people' && (
        <Button
          size="xs"
          disabled={!drafting.dirty}
          loading={drafting.save.isPending}
          onClick={() => drafting.save.mutate()}
        >
          Save
        </Button>
      )}
    </Group>
  </div>
);
