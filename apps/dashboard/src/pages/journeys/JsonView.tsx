/** The same document as text: changed here, or compared line by line. */
import { Skeleton, Stack, Text } from '@mantine/core';
import type { JourneyDefinition } from '@carillon/contracts';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { lineDifferences, textOf, waysOf, type Line } from './document.js';
import classes from './Journeys.module.css';
import { entryWords, stepWords } from './looks.js';

const CodeEditor = lazy(() => import('../../parts/CodeEditor.js'));

/** Enough of a document to be drawn; the rest is for the linter to say. */
const drawable = (value: unknown): value is JourneyDefinition => {
  const { entry, steps, exits } = (value ?? {}) as JourneyDefinition;
  try {
    entryWords(entry);
    for (const step of Object.values(steps)) if (!stepWords(step) || !waysOf(step)) return false;
    return typeof entry.kind === 'string' && !Array.isArray(steps) && Array.isArray(exits ?? []);
  } catch {
    return false;
  }
};

export const JsonView = ({
  document,
  onChange,
  readOnly,
}: {
  document: JourneyDefinition;
  onChange: (document: JourneyDefinition) => void;
  readOnly: boolean;
}) => {
  const [text, setText] = useState(() => textOf(document));
  const [fault, setFault] = useState<string>();
  // What was changed elsewhere (undo); not the echo of what was typed.
  useEffect(() => {
    setText((typed) => {
      try {
        if (textOf(JSON.parse(typed) as JourneyDefinition) === textOf(document)) return typed;
      } catch {
        return typed;
      }
      return textOf(document);
    });
  }, [document]);
  return (
    <Stack gap="xs" p="md">
      <Suspense fallback={<Skeleton h={400} />}>
        <CodeEditor
          value={text}
          language="json"
          label="Journey as JSON"
          minHeight={400}
          maxHeight={640}
          readOnly={readOnly}
          onChange={(next) => {
            setText(next);
            try {
              const read = JSON.parse(next) as unknown;
              if (!drawable(read)) {
                setFault('A journey has an entry, a first step (start) and steps, each with its kind.');
                return;
              }
              setFault(undefined);
              if (textOf(read) !== textOf(document)) onChange({ ...read, exits: read.exits ?? [] });
            } catch (error) {
              setFault(`This is not JSON yet: ${error instanceof Error ? error.message : String(error)}`);
            }
          }}
        />
      </Suspense>
      {fault && (
        <Text role="alert" size="sm" c="var(--status-failed)">
          {fault}
        </Text>
      )}
    </Stack>
  );
};

const AROUND = 3;
/** Only what differs, with a few lines around it. */
export const JsonDifferences = ({
  before,
  after,
  beforeName,
  afterName,
}: {
  before: JourneyDefinition;
  after: JourneyDefinition;
  beforeName: string;
  afterName: string;
}) => {
  const lines = useMemo(() => lineDifferences(textOf(before), textOf(after)), [before, after]);
  const near = useMemo(() => {
    const seen = new Set<number>();
    lines.forEach(({ mark }, at) => {
      if (mark !== 'same') for (let n = at - AROUND; n <= at + AROUND; n++) seen.add(n);
    });
    return seen;
  }, [lines]);
  if (lines.every(({ mark }) => mark === 'same'))
    return (
      <Text p="md" c="dimmed">
        {afterName} says the same as {beforeName}.
      </Text>
    );
  return (
    <div
      className={classes.differences}
      role="figure"
      aria-label={`From ${beforeName} to ${afterName}`}
      tabIndex={0}
    >
      {lines.map(({ mark, text }, at) =>
        near.has(at) ? (
          <div key={at} data-mark={mark}>
            <span aria-hidden>{signs[mark]}</span>
            {mark !== 'same' && (
              <span className={classes.hidden}>{mark === 'added' ? 'new: ' : 'gone: '}</span>
            )}
            {text}
          </div>
        ) : (
          near.has(at - 1) && (
            <div key={at} data-mark="gap">
              ⋯
            </div>
          )
        ),
      )}
    </div>
  );
};
const signs: Record<Line['mark'], string> = { same: '  ', added: '+ ', removed: '− ' };
