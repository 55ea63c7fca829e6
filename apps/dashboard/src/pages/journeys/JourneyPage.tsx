/**
 * One journey: its draft to be changed, its versions to be watched; drawn, as JSON, and by the people in it. The canvas is
 * loaded when it is shown.
 */
import { Skeleton, Stack, VisuallyHidden } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import type { Journey, JourneyDefinition, JourneyStepKind } from '@carillon/contracts';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react';
import { api } from '../../api.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';
import { whole } from '../home/tally.js';
import { LeaveGuard } from '../templates/LeaveGuard.js';
import { EntryNumbers, Findings, Overview, PanelHead } from './BesideCanvas.js';
import { change, differences, insert, leadsTo, remove, rename, replace, type Lead } from './document.js';
import { EditingContext } from './editing.js';
import classes from './Journeys.module.css';
import { JsonDifferences, JsonView } from './JsonView.js';
import { KindPicker } from './KindPicker.js';
import { ENTRY } from './layout-names.js';
import { LifeActions } from './LifeActions.js';
import { entryWords, JourneyMark, kindLooks } from './looks.js';
import { Notices } from './Notices.js';
import { PeoplePage, useWay, WayOfOne } from './People.js';
import { SettingsForm } from './SettingsForm.js';
import { Simulate } from './Simulate.js';
import { StepPanel } from './StepPanel.js';
import { Toolbar } from './Toolbar.js';
import { useChoices } from './use-choices.js';
import { useDraft } from './use-draft.js';

const Canvas = lazy(() => import('./Canvas.js'));
const route = getRouteApi('/app/journeys/$key');

export const JourneyPage = () => {
  const { key } = route.useParams();
  const journey = useQuery({
    queryKey: ['journeys', 'one', key],
    queryFn: () => api.journeys.get(key),
    refetchInterval: (query) => (query.state.data?.state === 'live' ? 5000 : false),
  });
  if (journey.isError && !journey.data)
    return <Failure error={journey.error} retry={() => void journey.refetch()} />;
  if (!journey.data) return <PagePending />;
  return <Shown key={key} journey={journey.data} />;
};

type Picking = { what: 'insert'; where: Lead } | { what: 'replace'; key: string };

const Shown = ({ journey }: { journey: Journey }) => {
  const { key, state, version } = journey;
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const go = (to: Partial<typeof search>) =>
    void navigate({ search: { ...search, ...to }, replace: true, resetScroll: false });
  const mayWrite = useCan('journeys:write');
  const queryClient = useQueryClient();
  const choices = useChoices();

  const versions = useQuery({
    queryKey: ['journeys', 'versions', key, journey.newest],
    queryFn: () => api.journeys.versions(key),
    enabled: journey.newest > 0,
    placeholderData: keepPreviousData,
  });
  const asked = search.version ?? (version !== null && !journey.changed ? version : 'draft');
  const looking = asked === 'draft' ? undefined : versions.data?.find((one) => one.version === asked);
  const isDraft = asked === 'draft';

  const [said, say] = useState('');
  const adopt = async (changed: Journey) => {
    queryClient.setQueryData(['journeys', 'one', key], changed);
    await queryClient.invalidateQueries({ queryKey: ['journeys'] });
  };
  const drafting = useDraft(journey, { shown: isDraft, say, onSaved: adopt });
  const { draft, dirty, edit, findings, errors } = drafting;
  const document = isDraft ? draft : (looking?.definition ?? journey.definition);
  const readOnly = !isDraft || !mayWrite;

  const numbers = useQuery({
    queryKey: ['journeys', 'numbers', key, looking?.version],
    queryFn: () => api.journeys.numbers(key, looking ? { version: looking.version } : {}),
    enabled: looking !== undefined,
    refetchInterval: state === 'live' || state === 'closed' ? 2000 : false,
    placeholderData: keepPreviousData,
  });

  // ── comparing ──
  const withWhat = search.with;
  const compared: { name: string; definition: JourneyDefinition } | undefined =
    withWhat === undefined || withWhat === asked
      ? undefined
      : withWhat === 'draft'
        ? { name: 'the draft', definition: draft }
        : (() => {
            const one = versions.data?.find((each) => each.version === withWhat);
            return one && { name: `version ${one.version}`, definition: one.definition };
          })();
  const marks = useMemo(
    () => compared && differences(compared.definition, document),
    [compared?.definition, document], // eslint-disable-line react-hooks/exhaustive-deps -- the document counts, not its name
  );

  // ── the canvas ──
  const [opened, setOpened] = useState<string | null>(null);
  const [picking, setPicking] = useState<Picking | null>(null);
  const [focus, setFocus] = useState<{ key: string; at: number } | null>(null);
  const [followed, setFollowed] = useState<string | null>(null);
  const way = useWay(journey, followed);
  const path = useMemo(() => {
    if (!followed || !way.data) return undefined;
    const { enrollment, lines } = way.data;
    return new Set([ENTRY, ...lines.map(({ step }) => step), ...(enrollment.step ? [enrollment.step] : [])]);
  }, [followed, way.data]);
  const focusOn = (at: string) => setFocus({ key: at, at: Date.now() });
  const panel = useRef<HTMLDivElement>(null);
  const show = (at: string) => {
    setOpened(at);
    setFollowed(null);
    requestAnimationFrame(() => {
      panel.current?.focus({ preventScroll: true });
      panel.current?.scrollIntoView({ block: 'nearest' });
    });
  };
  const close = () => {
    const at = opened;
    setOpened(null);
    if (at) focusOn(at);
  };
  const nameOf = (at: string | null): string => {
    const step = at === null ? undefined : document.steps[at];
    return step ? (step.name ?? kindLooks[step.kind].label) : 'the entry';
  };
  const pick = (kind: JourneyStepKind) => {
    if (picking?.what === 'insert') {
      const { document: next, key: made } = insert(draft, picking.where, kind);
      edit(next);
      say(`${kindLooks[kind].label} added after ${nameOf(picking.where.from)}.`);
      setOpened(made);
      setFollowed(null);
      focusOn(made);
    } else if (picking) {
      edit(replace(draft, picking.key, kind));
      say(`${nameOf(picking.key)} is now: ${kindLooks[kind].label}.`);
      focusOn(picking.key);
    }
    setPicking(null);
  };
  const takeOut = (at: string) => {
    const taken = remove(draft, at);
    if (!taken) {
      notifications.show({ message: 'A journey needs one step at least: exchange this one instead.' });
      return;
    }
    edit(taken.document);
    const others = taken.gone.length - 1;
    const sentence =
      others === 0
        ? `${nameOf(at)} is taken out.`
        : `${nameOf(at)} is taken out, with ${others === 1 ? 'the step' : `the ${others} steps`} that only it led to: ${taken.gone.slice(1).join(', ')}.`;
    say(sentence);
    if (others > 0) notifications.show({ message: `${sentence} Undo brings them back.` });
    setOpened(null);
    const before = Object.keys(draft.steps).find(
      (one) =>
        leadsTo(taken.document, { from: one, at: ['next'] }) === leadsTo(draft, { from: at, at: ['next'] }),
    );
    focusOn(before && taken.document.steps[before] ? before : ENTRY);
  };
  const as = search.as ?? 'canvas';
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey)) return;
      const typing = (event.target as HTMLElement).closest(
        'input, textarea, [contenteditable=true], .cm-editor',
      );
      if (event.key === 's' && !readOnly) {
        event.preventDefault();
        if (dirty && !drafting.save.isPending) drafting.save.mutate();
      } else if (!typing && !readOnly && event.key.toLowerCase() === 'z') {
        event.preventDefault();
        (event.shiftKey ? drafting.forth : drafting.back)();
      } else if (!typing && !readOnly && event.key === 'y') {
        event.preventDefault();
        drafting.forth();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });

  const hindrance = dirty
    ? 'Save the draft first.'
    : errors > 0
      ? `${errors === 1 ? 'One thing has' : `${errors} things have`} to be mended first.`
      : undefined;
  const openedStep = opened !== null && opened !== ENTRY ? document.steps[opened] : undefined;
  const views = [
    ...(mayWrite || version === null || journey.changed
      ? [
          {
            value: 'draft',
            label: dirty ? 'Draft, not saved' : journey.changed ? 'Draft' : 'Draft, same as live',
          },
        ]
      : []),
    ...(versions.data ?? []).map((one) => ({
      value: String(one.version),
      label: `Version ${one.version}${one.version === version ? (state === 'live' || state === 'paused' ? ', live' : ', newest') : ''}${one.inside > 0 ? ` · ${whole(one.inside)} inside` : ''}`,
    })),
  ];
  return (
    <>
      <PageHeader
        title={journey.name}
        parent={{ label: 'Journeys', to: '/journeys' }}
        beside={<JourneyMark state={state} large />}
        lead={
          <>
            {entryWords(document.entry)}. <span className="mono">{key}</span>
            {version !== null && ` · version ${version} · ${whole(journey.inside)} inside`}
          </>
        }
        actions={
          mayWrite && (
            <LifeActions
              journey={journey}
              looking={looking}
              current={versions.data?.find((one) => one.version === version)}
              hindrance={hindrance}
              onDone={(changed) => void adopt(changed)}
            />
          )
        }
      />
      <Stack gap="sm">
        <Notices journey={journey} isDraft={isDraft} drafting={drafting} />
        <div className="card" style={{ overflow: 'hidden' }}>
          <Toolbar
            journey={journey}
            views={views}
            asked={asked}
            as={as}
            compareWith={withWhat}
            readOnly={readOnly}
            drafting={drafting}
            onGo={(to) => {
              if ('version' in to) setOpened(null);
              go(to);
            }}
          />
          <EditingContext.Provider value={{ ...choices, document, findings, readOnly }}>
            {as === 'people' ? (
              <PeoplePage journey={journey} followed={followed} onFollow={setFollowed} />
            ) : versions.isError && !isDraft && !looking ? (
              <Failure error={versions.error} retry={() => void versions.refetch()} />
            ) : !isDraft && !looking ? (
              <Skeleton h={520} m="md" />
            ) : as === 'simulation' ? (
              <Simulate
                journey={journey}
                document={document}
                version={isDraft ? undefined : looking?.version}
                mayRun={mayWrite}
              />
            ) : as === 'json' ? (
              compared ? (
                <JsonDifferences
                  before={compared.definition}
                  after={document}
                  beforeName={compared.name}
                  afterName={isDraft ? 'the draft' : `version ${asked}`}
                />
              ) : (
                <>
                  <JsonView document={document} readOnly={readOnly} onChange={(next) => edit(next, 'json')} />
                  {findings.length > 0 && (
                    <div className={classes.side}>
                      <Findings findings={findings} />
                    </div>
                  )}
                </>
              )
            ) : (
              <div className={classes.work}>
                <div className={classes.canvas}>
                  <Suspense fallback={<Skeleton h="100%" radius={0} />}>
                    <Canvas
                      key={String(asked)}
                      document={document}
                      before={compared?.definition}
                      marks={marks?.steps}
                      findings={findings}
                      numbers={looking && numbers.data}
                      path={path}
                      readOnly={readOnly}
                      opened={opened}
                      onOpen={show}
                      focus={focus}
                      onInsert={(where) => setPicking({ what: 'insert', where })}
                      onReplace={(at) => setPicking({ what: 'replace', key: at })}
                      onRemove={takeOut}
                    />
                  </Suspense>
                </div>
                <div
                  ref={panel}
                  className={classes.side}
                  role="region"
                  aria-label={opened === ENTRY ? 'Entry' : openedStep ? nameOf(opened) : 'About this journey'}
                  tabIndex={-1}
                  onKeyDown={(event) => {
                    if (event.key === 'Escape' && opened && !event.defaultPrevented) close();
                  }}
                >
                  {followed ? (
                    <>
                      <PanelHead title="Their way" onClose={() => setFollowed(null)} />
                      <WayOfOne journey={journey} id={followed} />
                    </>
                  ) : opened === ENTRY ? (
                    <>
                      <PanelHead title="Entry and exits" onClose={close} />
                      {looking && numbers.data && <EntryNumbers numbers={numbers.data} />}
                      <SettingsForm onChange={edit} />
                    </>
                  ) : openedStep && opened ? (
                    <StepPanel
                      key={opened}
                      journey={journey}
                      name={opened}
                      title={nameOf(opened)}
                      step={openedStep}
                      looking={looking}
                      numbers={numbers.data}
                      onClose={close}
                      onFollow={setFollowed}
                      onExchange={() => setPicking({ what: 'replace', key: opened })}
                      onTakeOut={() => takeOut(opened)}
                      onChange={(step, tag) => edit(change(draft, opened, step), tag)}
                      onRename={(to) => {
                        if (to === opened) return;
                        edit(rename(draft, opened, to));
                        setOpened(to);
                      }}
                    />
                  ) : (
                    <Overview
                      journey={journey}
                      findings={findings}
                      linted={drafting.linted}
                      lintError={drafting.lintError}
                      isDraft={isDraft}
                      version={looking}
                      numbers={looking && numbers.data}
                      compared={compared && marks && { name: compared.name, marks }}
                      onOpen={show}
                    />
                  )}
                </div>
              </div>
            )}
          </EditingContext.Provider>
        </div>
      </Stack>
      <VisuallyHidden role="status">{said}</VisuallyHidden>
      <KindPicker
        opened={picking !== null}
        title={picking?.what === 'replace' ? `Exchange ${nameOf(picking.key)} for` : 'Which step comes here?'}
        onwards={picking?.what === 'insert' && leadsTo(draft, picking.where) !== null}
        onPick={pick}
        onClose={() => {
          if (picking) focusOn(picking.what === 'replace' ? picking.key : (picking.where.from ?? ENTRY));
          setPicking(null);
        }}
      />
      <LeaveGuard what="journey" dirty={() => dirty} within />
    </>
  );
};
