/**
 * The draft of a journey while somebody changes it: what can be undone, what is not saved, what another person saved meanwhile,
 * and what would not work.
 */
import type { Journey, JourneyDefinition, JourneyFinding } from '@carillon/contracts';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { api } from '../../api.js';
import { begin, put, redo, textOf, undo, type Past } from './document.js';

const nothing: readonly JourneyFinding[] = [];

/** @param say what is read out */
export function useDraft(
  journey: Journey,
  {
    shown,
    say,
    onSaved,
  }: { shown: boolean; say: (what: string) => void; onSaved: (saved: Journey) => Promise<void> },
) {
  const [past, setPast] = useState<Past<JourneyDefinition>>(() => begin(journey.definition));
  const [base, setBase] = useState({ revision: journey.revision, text: textOf(journey.definition) });
  const draft = past.now;
  const dirty = useMemo(() => textOf(draft) !== base.text, [draft, base]);
  const elsewhere = journey.revision > base.revision;
  // What another person saved is taken over as long as nothing was changed here.
  useEffect(() => {
    if (!elsewhere || dirty) return;
    setPast(begin(journey.definition));
    setBase({ revision: journey.revision, text: textOf(journey.definition) });
  }, [elsewhere, dirty, journey]);

  const save = useMutation({
    mutationFn: () =>
      api.journeys.save(journey.key, {
        name: journey.name,
        description: journey.description,
        definition: draft,
        ifRevision: base.revision,
      }),
    onSuccess: async (saved) => {
      setBase({ revision: saved.revision, text: textOf(saved.definition) });
      setPast((now) => ({ ...now, now: saved.definition, tag: null }));
      say('Saved.');
      await onSaved(saved);
    },
  });

  const [checked] = useDebouncedValue(draft, 350);
  const lint = useQuery({
    queryKey: ['journeys', 'lint', checked],
    queryFn: () => api.journeys.lint(checked),
    enabled: shown,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    gcTime: 10_000,
    retry: false,
  });
  const findings = shown ? (lint.data ?? nothing) : nothing;
  const theirs = () => setBase({ revision: journey.revision, text: textOf(journey.definition) });

  return {
    draft,
    dirty,
    elsewhere,
    save,
    findings,
    errors: findings.filter(({ level }) => level === 'error').length,
    linted: !shown || lint.data !== undefined,
    lintError: shown ? lint.error : null,
    mayUndo: past.past.length > 0,
    mayRedo: past.future.length > 0,
    /** @param tag of what is typed, so that one undo takes it all back */
    edit: (next: JourneyDefinition, tag?: string) => setPast((now) => put(now, next, tag ?? null)),
    back: () => {
      setPast(undo);
      say('Undone.');
    },
    forth: () => {
      setPast(redo);
      say('Done again.');
    },
    takeTheirs: () => {
      setPast((now) => put(now, journey.definition));
      theirs();
    },
    keepMine: theirs,
  };
}
export type Draft = ReturnType<typeof useDraft>;
