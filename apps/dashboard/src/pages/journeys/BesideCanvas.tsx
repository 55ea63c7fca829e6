/** What stands beside the canvas: findings, counts, who is at a step, and which keys there are. */
import { ActionIcon, Group, Kbd, Popover, Stack, Text } from '@mantine/core';
import type { Journey, JourneyFinding, JourneyNumbers, JourneyVersion } from '@carillon/contracts';
import { IconAlertTriangle, IconCircleX, IconKeyboard, IconX } from '@tabler/icons-react';
import { messageOf } from '../../parts/Confirm.js';
import { whole } from '../home/tally.js';
import type { differences } from './document.js';
import classes from './Journeys.module.css';
import { ENTRY } from './layout-names.js';
import { PeopleRows } from './People.js';

export const PanelHead = ({ title, onClose }: { title: string; onClose: () => void }) => (
  <Group justify="space-between" wrap="nowrap" mb="xs">
    <Text fw={600} component="h2" className="clip">
      {title}
    </Text>
    <ActionIcon variant="subtle" color="gray" aria-label="Close the panel" onClick={onClose}>
      <IconX size={16} />
    </ActionIcon>
  </Group>
);

export const Findings = ({
  findings,
  onOpen,
}: {
  findings: readonly JourneyFinding[];
  onOpen?: (key: string) => void;
}) =>
  findings.length === 0 ? null : (
    <div className={classes.findings} role="list" aria-label="Findings">
      {findings.map((one) => (
        <div key={one.at + one.code + one.message} role="listitem" className={classes.finding}>
          {one.level === 'error' ? (
            <IconCircleX size={15} color="var(--status-failed)" aria-label="Error" />
          ) : (
            <IconAlertTriangle size={15} color="var(--status-suppressed)" aria-label="Warning" />
          )}
          <Text size="sm" className="break">
            {one.message}{' '}
            {onOpen && (
              <button
                type="button"
                className={classes.link}
                onClick={() => onOpen(one.step ?? ENTRY)}
                aria-label={`Open ${one.step ?? 'the entry'}`}
              >
                {one.step ?? 'entry'}
              </button>
            )}
          </Text>
        </div>
      ))}
    </div>
  );

/** What stands beside the canvas while no step is chosen. */
export const Overview = ({
  journey,
  findings,
  linted,
  lintError,
  isDraft,
  version,
  numbers,
  compared,
  onOpen,
}: {
  journey: Journey;
  findings: readonly JourneyFinding[];
  linted: boolean;
  lintError: unknown;
  isDraft: boolean;
  version: JourneyVersion | undefined;
  numbers: JourneyNumbers | undefined;
  compared: { name: string; marks: ReturnType<typeof differences> } | undefined;
  onOpen: (key: string) => void;
}) => (
  <Stack gap="md">
    {compared && (
      <div>
        <Text fw={600} component="h2" mb={4}>
          Since {compared.name}
        </Text>
        {compared.marks.steps.size === 0 && compared.marks.settings.length === 0 && (
          <Text size="sm" c="dimmed">
            Nothing differs.
          </Text>
        )}
        <ul className={classes.changes}>
          {[...compared.marks.steps].map(([key, mark]) => (
            <li key={key} data-mark={mark}>
              <span>{{ added: 'New', removed: 'Taken out', changed: 'Changed' }[mark]}</span>{' '}
              <span className="mono">{key}</span>
            </li>
          ))}
          {compared.marks.settings.length > 0 && (
            <li data-mark="changed">
              <span>Changed</span> <span className="mono">{compared.marks.settings.join(', ')}</span>
            </li>
          )}
        </ul>
      </div>
    )}
    {isDraft ? (
      <div>
        <Text fw={600} component="h2" mb={4}>
          {lintError
            ? 'It could not be looked through'
            : findings.length === 0
              ? linted
                ? 'Nothing would go wrong, as far as can be seen'
                : 'Looking through it …'
              : 'What would go wrong'}
        </Text>
        {lintError ? (
          <Text size="sm" c="var(--status-failed)">
            {messageOf(lintError)}
          </Text>
        ) : null}
        <Findings findings={findings} onOpen={onOpen} />
      </div>
    ) : (
      numbers && <EntryNumbers numbers={numbers} />
    )}
    {version && (
      <Text size="sm" c="dimmed">
        {version.note || `Version ${version.version}.`} By {version.createdBy}. Choose a step to see who is
        there.
      </Text>
    )}
    {isDraft && journey.description && (
      <Text size="sm" c="dimmed">
        {journey.description}
      </Text>
    )}
  </Stack>
);

export const EntryNumbers = ({ numbers }: { numbers: JourneyNumbers }) => (
  <Stack gap="sm" mb="sm">
    <dl className={classes.tallies}>
      <div>
        <dt>Entered</dt>
        <dd className="numbers">{whole(numbers.entered)}</dd>
      </div>
      <div>
        <dt>Inside</dt>
        <dd className="numbers">{whole(numbers.inside)}</dd>
      </div>
      {numbers.outcomes.map(({ outcome, count }) => (
        <div key={outcome}>
          <dt>Left: {outcome}</dt>
          <dd className="numbers">{whole(count)}</dd>
        </div>
      ))}
    </dl>
    {numbers.refused.length > 0 && (
      <div>
        <Text size="xs" c="dimmed">
          Did not enter
        </Text>
        {numbers.refused.map(({ reason, count }) => (
          <Text key={reason} size="sm">
            <span className="numbers">{whole(count)}</span> {reason.replaceAll('_', ' ')}
          </Text>
        ))}
      </div>
    )}
  </Stack>
);

/** Of a version: how many came to a step, and who is there. */
export const AtStep = ({
  journey,
  version,
  step,
  numbers,
  onFollow,
}: {
  journey: Journey;
  version: JourneyVersion;
  step: string;
  numbers: JourneyNumbers | undefined;
  onFollow: (id: string) => void;
}) => {
  const own = numbers?.steps.find((one) => one.step === step);
  return (
    <Stack gap="sm" mb="md">
      {own && (
        <dl className={classes.tallies}>
          {(
            [
              ['Entered', own.entered],
              ['Waiting', own.waiting],
              ['Exited', own.entered - own.waiting],
              ['Errors', own.errors],
            ] as const
          ).map(([label, count]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd className="numbers">{whole(count)}</dd>
            </div>
          ))}
        </dl>
      )}
      <div>
        <Text fw={550} size="sm" component="h3" mb={4}>
          Who is here
        </Text>
        <PeopleRows
          journey={journey}
          query={{ step, version: version.version }}
          followed={null}
          onFollow={onFollow}
          nobody="Nobody, just now."
        />
      </div>
    </Stack>
  );
};

const keyLines = [
  ['↑ ↓ ← →', 'Move between steps', false],
  ['Enter', 'Open the step', false],
  ['Esc', 'Close the panel', false],
  ['I', 'Put a step in after this one', true],
  ['Shift I', 'Put a step in before it', true],
  ['R', 'Exchange it for another kind', true],
  ['Delete', 'Take it out', true],
  ['Home', 'Go to the entry', false],
  ['Ctrl Z', 'Undo', true],
  ['Ctrl Shift Z', 'Redo', true],
  ['Ctrl S', 'Save', true],
] as const;
export const Keys = ({ write }: { write: boolean }) => (
  <Popover position="bottom-end" shadow="md" trapFocus>
    <Popover.Target>
      <ActionIcon variant="default" aria-label="Keys of the canvas" title="Keys">
        <IconKeyboard size={16} />
      </ActionIcon>
    </Popover.Target>
    <Popover.Dropdown>
      <ul className={classes.keys} tabIndex={0} aria-label="Keys of the canvas">
        {keyLines
          .filter(([, , writes]) => write || !writes)
          .map(([key, means]) => (
            <li key={key}>
              <span>{means}</span>
              <Kbd size="xs">{key}</Kbd>
            </li>
          ))}
      </ul>
    </Popover.Dropdown>
  </Popover>
);
