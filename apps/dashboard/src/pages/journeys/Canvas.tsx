/**
 * A journey, drawn. Everything a pointer does here the keyboard does too: one step has the focus, arrows move it along the
 * ways. Steps are buttons, so that screen readers read the canvas as a list of them.
 */
import '@xyflow/react/dist/base.css';
import { VisuallyHidden } from '@mantine/core';
import { useReducedMotion } from '@mantine/hooks';
import type { JourneyDefinition, JourneyFinding, JourneyNumbers } from '@carillon/contracts';
import {
  BaseEdge,
  Controls,
  EdgeLabelRenderer,
  getSmoothStepPath,
  Handle,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  type Edge,
  type EdgeProps,
  type Node,
  type NodeProps,
} from '@xyflow/react';
import { IconAlertTriangle, IconCircleX, IconLogin2, IconPlus, IconTargetArrow } from '@tabler/icons-react';
import {
  createContext,
  memo,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
} from 'react';
import { whole } from '../home/tally.js';
import classes from './Canvas.module.css';
import { goneWays, leadsInto, theStart, together, waysOf, type Lead, type Mark } from './document.js';
import { arrange, neighbour, WIDTH, type Drawn } from './layout.js';
import { ENTRY } from './layout-names.js';
import { entryWords, kindLooks, stepWords, wayLabel } from './looks.js';

export interface CanvasProps {
  document: JourneyDefinition;
  /** Compared with: what is not in `document` any more is drawn too. */
  before?: JourneyDefinition | undefined;
  marks?: ReadonlyMap<string, Mark> | undefined;
  findings: readonly JourneyFinding[];
  numbers?: JourneyNumbers | undefined;
  /** Steps one person went through. */
  path?: ReadonlySet<string> | undefined;
  readOnly: boolean;
  opened: string | null;
  onOpen: (key: string) => void;
  /** Which step has the focus: another one is focused when this changes. */
  focus: { key: string; at: number } | null;
  onInsert: (where: Lead) => void;
  onReplace: (key: string) => void;
  onRemove: (key: string) => void;
}

interface StepData extends Record<string, unknown> {
  id: string;
  height: number;
}
type StepNode = Node<StepData, 'step' | 'end'>;
interface WayData extends Record<string, unknown> {
  lead: Lead;
  label: string;
  count: number | undefined;
  place: 'source' | 'target' | 'middle' | 'aside';
  walked: boolean;
  gone: boolean;
}
type WayEdge = Edge<WayData, 'way'>;

interface Shared extends CanvasProps {
  drawn: JourneyDefinition;
  roving: string;
  setRoving: (key: string) => void;
  onKey: (event: KeyboardEvent, id: string) => void;
}
const Shared = createContext<Shared | null>(null);
const useShared = (): Shared => {
  const shared = useContext(Shared);
  if (!shared) throw new Error('A step is drawn outside of its canvas.');
  return shared;
};

const findingsOf = (findings: readonly JourneyFinding[], id: string): JourneyFinding[] =>
  findings.filter(({ step }) => (id === ENTRY ? step === null : step === id));
const markWords: Record<Mark, string> = { added: 'New', removed: 'Taken out', changed: 'Changed' };

const StepBox = memo(({ data: { id, height } }: NodeProps<StepNode>) => {
  const shared = useShared();
  const { drawn, findings, numbers, opened, roving, marks, path, readOnly } = shared;
  const step = drawn.steps[id];
  const own = findingsOf(findings, id);
  const worst = own.find(({ level }) => level === 'error') ?? own[0];
  const counts = id === ENTRY ? undefined : numbers?.steps.find((one) => one.step === id);
  const mark = marks?.get(id);
  const look = step ? kindLooks[step.kind] : undefined;
  const Mark = look?.icon ?? IconLogin2;
  const title = step ? (step.name ?? look?.label ?? '') : 'Entry';
  const words = step ? stepWords(step) : entryWords(drawn.entry);
  const tally =
    id === ENTRY
      ? numbers && `${whole(numbers.entered)} entered, ${whole(numbers.inside)} inside`
      : counts &&
        `${whole(counts.entered)} entered, ${whole(counts.waiting)} waiting, ${whole(counts.entered - counts.waiting)} exited, ${whole(counts.errors)} ${counts.errors === 1 ? 'error' : 'errors'}`;
  return (
    <>
      {id !== ENTRY && <Handle type="target" position={Position.Top} isConnectable={false} />}
      <button
        type="button"
        className={`${classes.step} nopan nodrag`}
        style={{ '--tone': look?.color ?? 'var(--ink-soft)', width: WIDTH, height }}
        data-step={id}
        data-opened={opened === id || undefined}
        data-mark={mark}
        data-walked={path?.has(id) || undefined}
        tabIndex={roving === id ? 0 : -1}
        aria-pressed={opened === id}
        aria-keyshortcuts={readOnly || id === ENTRY ? 'Enter' : 'Enter Delete I R'}
        onFocus={() => shared.setRoving(id)}
        onClick={() => shared.onOpen(id)}
        onKeyDown={(event) => shared.onKey(event, id)}
      >
        <span className={classes.head}>
          <Mark size={15} stroke={1.8} aria-hidden />
          <span className={classes.kind}>{step && step.name ? look?.label : step ? '' : 'Who enters'}</span>
          {mark && <span className={classes.mark}>{markWords[mark]}</span>}
          {step && <span className={`${classes.key} clip`}>{id}</span>}
        </span>
        <span className={`${classes.title} clip`}>{title}</span>
        <span className={classes.words}>{words}</span>
        {id === ENTRY && (drawn.goal || drawn.exits.length > 0) && (
          <span className={`${classes.words} clip`}>
            <IconTargetArrow size={12} aria-hidden />{' '}
            {[
              drawn.goal && `Goal: ${drawn.goal.name}`,
              drawn.exits.length > 0 && `leaves early: ${drawn.exits.map(({ name }) => name).join(', ')}`,
            ]
              .filter(Boolean)
              .join(' · ')}
          </span>
        )}
        {worst && (
          <span className={classes.finding} data-level={worst.level}>
            {worst.level === 'error' ? (
              <IconCircleX size={13} aria-label="Error:" />
            ) : (
              <IconAlertTriangle size={13} aria-label="Warning:" />
            )}
            <span>
              {worst.message}
              {own.length > 1 && ` And ${own.length - 1} more.`}
            </span>
          </span>
        )}
        {tally && (
          <span className={classes.counts}>
            <VisuallyHidden>{tally}</VisuallyHidden>
            {id === ENTRY
              ? numbers && (
                  <span aria-hidden>
                    <b>{whole(numbers.entered)}</b> entered <b>{whole(numbers.inside)}</b> inside
                  </span>
                )
              : counts && (
                  <span aria-hidden>
                    <b>{whole(counts.entered)}</b> in <b>{whole(counts.waiting)}</b> waiting{' '}
                    <b>{whole(counts.entered - counts.waiting)}</b> out
                    {counts.errors > 0 && (
                      <span className={classes.errors}>
                        {' '}
                        <b>{whole(counts.errors)}</b> {counts.errors === 1 ? 'error' : 'errors'}
                      </span>
                    )}
                  </span>
                )}
          </span>
        )}
      </button>
      {(id === ENTRY || (step && step.kind !== 'end')) && (
        <Handle type="source" position={Position.Bottom} isConnectable={false} />
      )}
    </>
  );
});
StepBox.displayName = 'StepBox';
const EndDot = memo(() => (
  <>
    <Handle type="target" position={Position.Top} isConnectable={false} />
    <span className={classes.end} title="It ends here" />
  </>
));
EndDot.displayName = 'EndDot';

const WayLine = memo(
  ({ sourceX, sourceY, targetX, targetY, sourcePosition, targetPosition, data }: EdgeProps<WayEdge>) => {
    const { readOnly, onInsert } = useShared();
    const [line, middleX, middleY] = getSmoothStepPath({
      sourceX,
      sourceY,
      targetX,
      targetY,
      sourcePosition,
      targetPosition,
      borderRadius: 10,
    });
    if (!data) return null;
    const { place, label, count, walked, gone } = data;
    // Back to the step it comes from: round its right side.
    const right = sourceX + WIDTH / 2 + 26;
    const round = `M${sourceX} ${sourceY} v14 H${right} V${targetY - 14} H${targetX} V${targetY}`;
    const x =
      place === 'aside' ? right : place === 'target' ? targetX : place === 'source' ? sourceX : middleX;
    const y =
      place === 'aside'
        ? (sourceY + targetY) / 2
        : place === 'target'
          ? targetY - 25
          : place === 'source'
            ? sourceY + 25
            : middleY;
    const text = [label, count !== undefined && whole(count)].filter(Boolean).join(' · ');
    const mayInsert = !readOnly && !gone;
    return (
      <>
        <BaseEdge
          path={place === 'aside' ? round : line}
          className={walked ? classes.walked : gone ? classes.gone : classes.line}
          markerEnd="url(#way-end)"
        />
        {(text || mayInsert) && (
          <EdgeLabelRenderer>
            <div
              className={`${classes.way} nopan nodrag`}
              // Beside the step it comes back to, it begins where the step ends.
              style={{
                transform: `translate(${place === 'aside' ? '-14px' : '-50%'}, -50%) translate(${x}px, ${y}px)`,
              }}
            >
              {text && <span className={`${classes.wayLabel} clip`}>{text}</span>}
              {mayInsert && (
                <button
                  type="button"
                  tabIndex={-1}
                  className={classes.plus}
                  aria-label={`Add a step ${label ? `at ${label}` : 'here'}`}
                  title="Add a step"
                  onClick={() => onInsert(data.lead)}
                >
                  <IconPlus size={12} stroke={2.4} aria-hidden />
                </button>
              )}
            </div>
          </EdgeLabelRenderer>
        )}
      </>
    );
  },
);
WayLine.displayName = 'WayLine';
const nodeTypes = { step: StepBox, end: EndDot };
const edgeTypes = { way: WayLine };

const arrows = ['ArrowDown', 'ArrowUp', 'ArrowLeft', 'ArrowRight'] as const;

const Drawing = (props: CanvasProps) => {
  const { document, before, findings, numbers, path, marks, opened, focus, readOnly } = props;
  const { onOpen, onInsert, onReplace, onRemove } = props;
  const flow = useReactFlow();
  const still = useReducedMotion();
  const frame = useRef<HTMLDivElement>(null);
  const drawn = useMemo(() => (before ? together(before, document) : document), [before, document]);
  const tall = useCallback(
    (id: string): number =>
      78 +
      (id === ENTRY && (drawn.goal || drawn.exits.length > 0) ? 18 : 0) +
      (findingsOf(findings, id).length > 0 ? 40 : 0) +
      (numbers ? 24 : 0),
    [drawn, findings, numbers !== undefined], // eslint-disable-line react-hooks/exhaustive-deps -- counts change often, their place does not
  );
  const layout: Drawn = useMemo(
    () => arrange(drawn, tall, before && goneWays(before, document)),
    [drawn, tall, before, document],
  );
  const [chosen, setRoving] = useState(ENTRY);
  const roving = chosen === ENTRY || drawn.steps[chosen] ? chosen : ENTRY;

  const nodes = useMemo<StepNode[]>(
    () =>
      [...layout.nodes].map(([id, { x, y, width, height }]) => ({
        id,
        type: id.startsWith(':end') ? 'end' : 'step',
        position: { x, y },
        width,
        height,
        data: { id, height },
      })),
    [layout],
  );
  const edges = useMemo<WayEdge[]>(() => {
    const into = new Map<string, number>();
    const out = new Map<string, number>();
    for (const { from, to } of layout.edges) {
      into.set(to, (into.get(to) ?? 0) + 1);
      out.set(from, (out.get(from) ?? 0) + 1);
    }
    return layout.edges.map(({ id, from, to, way, at, ends, gone }) => ({
      id,
      type: 'way',
      source: from,
      target: to,
      data: {
        lead: from === ENTRY ? theStart : { from, at },
        label: wayLabel(way),
        count:
          from === ENTRY
            ? undefined
            : numbers?.steps.find(({ step }) => step === from)?.ways.find((one) => one.way === way)?.count,
        place:
          from === to ? 'aside' : into.get(to) === 1 ? 'target' : out.get(from) === 1 ? 'source' : 'middle',
        walked: !ends && (path?.has(to) ?? false) && (from === ENTRY || (path?.has(from) ?? false)),
        gone: gone ?? (!document.steps[from] && from !== ENTRY),
      },
    }));
  }, [layout, numbers, path, document]);

  const show = useCallback(
    (id: string) => {
      const place = layout.nodes.get(id);
      const box = frame.current?.getBoundingClientRect();
      if (!place || !box) return;
      const { x, y, zoom } = flow.getViewport();
      const left = place.x * zoom + x;
      const top = place.y * zoom + y;
      if (
        left >= 0 &&
        top >= 0 &&
        left + place.width * zoom <= box.width &&
        top + place.height * zoom <= box.height
      )
        return;
      void flow.setCenter(place.x + place.width / 2, place.y + place.height / 2, {
        zoom,
        duration: still ? 0 : 160,
      });
    },
    [layout, flow, still],
  );
  const focusOn = useCallback(
    (id: string) => {
      setRoving(id);
      show(id);
      frame.current
        ?.querySelector<HTMLElement>(`[data-step="${CSS.escape(id)}"]`)
        ?.focus({ preventScroll: true });
    },
    [show],
  );
  // Asked from outside: a step that was just put in, or the one whose panel was closed.
  const asked = useRef(focus);
  useEffect(() => {
    if (focus && focus !== asked.current) {
      asked.current = focus;
      const id = focus.key;
      const frameId = requestAnimationFrame(() => focusOn(id));
      return () => cancelAnimationFrame(frameId);
    }
    return undefined;
  }, [focus, focusOn]);

  useEffect(() => {
    if (opened) show(opened);
  }, [opened]); // eslint-disable-line react-hooks/exhaustive-deps -- once, when it is opened

  // Readable at first: as much of it as fits without getting too small, the entry at the top.
  const placed = useRef(false);
  const place = useCallback(() => {
    const box = frame.current?.getBoundingClientRect();
    if (placed.current || !box || box.width === 0) return;
    placed.current = true;
    const all = [...layout.nodes.values()];
    const left = Math.min(...all.map(({ x }) => x));
    const right = Math.max(...all.map(({ x, width }) => x + width));
    const zoom = Math.min(1, Math.max(0.6, (box.width - 48) / (right - left)));
    const entry = layout.nodes.get(ENTRY);
    const middle = (right - left) * zoom <= box.width ? (left + right) / 2 : (entry?.x ?? 0) + WIDTH / 2;
    void flow.setViewport({ x: box.width / 2 - middle * zoom, y: 24 - (entry?.y ?? 0) * zoom, zoom });
  }, [layout, flow]);

  const onKey = useCallback(
    (event: KeyboardEvent, id: string) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = arrows.find((key) => key === event.key);
      const at = arrow && neighbour(layout, id, arrow);
      const write = !readOnly && id !== ENTRY;
      if (arrow) {
        if (at) focusOn(at);
      } else if (event.key === 'Home') focusOn(ENTRY);
      else if (event.key === 'End')
        focusOn([...layout.nodes.keys()].filter((one) => !one.startsWith(':')).at(-1) ?? ENTRY);
      else if ((event.key === 'Delete' || event.key === 'Backspace') && write) onRemove(id);
      else if (event.key === 'r' && write) onReplace(id);
      else if (event.key === 'i' && !readOnly) {
        const step = document.steps[id];
        const way = step && (waysOf(step).find(({ next }) => next === null) ?? waysOf(step)[0]);
        if (id === ENTRY) onInsert(theStart);
        else if (way) onInsert({ from: id, at: way.at });
      } else if (event.key === 'I' && write) {
        const into = leadsInto(document, id)[0];
        if (into) onInsert(into);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    },
    [layout, readOnly, document, focusOn, onInsert, onRemove, onReplace],
  );
  const shared = useMemo<Shared>(
    () => ({ ...props, drawn, roving, setRoving, onKey }),
    [drawn, roving, onKey, findings, numbers, path, marks, opened, readOnly, onOpen, onInsert], // eslint-disable-line react-hooks/exhaustive-deps -- what the boxes read of the props
  );
  return (
    <div
      ref={frame}
      className={classes.canvas}
      role="group"
      aria-label="Canvas of the journey"
      aria-description="Arrows move between steps, Enter opens one."
    >
      <svg width="0" height="0" aria-hidden style={{ position: 'absolute' }}>
        <defs>
          <marker
            id="way-end"
            viewBox="0 0 10 10"
            refX="9"
            refY="5"
            markerWidth="7"
            markerHeight="7"
            orient="auto-start-reverse"
          >
            <path d="M1 1 L9 5 L1 9" fill="none" stroke="var(--line-end)" strokeWidth="1.6" />
          </marker>
        </defs>
      </svg>
      <Shared.Provider value={shared}>
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={nodeTypes}
          edgeTypes={edgeTypes}
          onInit={place}
          minZoom={0.15}
          maxZoom={1.5}
          nodesDraggable={false}
          nodesConnectable={false}
          nodesFocusable={false}
          edgesFocusable={false}
          elementsSelectable={false}
          disableKeyboardA11y
          panOnScroll
          zoomOnDoubleClick={false}
          deleteKeyCode={null}
          onlyRenderVisibleElements={nodes.length > 150}
        >
          <Controls showInteractive={false} position="bottom-left" />
        </ReactFlow>
      </Shared.Provider>
    </div>
  );
};

export default function Canvas(props: CanvasProps) {
  return (
    <ReactFlowProvider>
      <Drawing {...props} />
    </ReactFlowProvider>
  );
}
