/** Where steps stand when they are drawn: from top to bottom, worked out anew after each change. Pure. */
import { Graph, layout } from '@dagrejs/dagre';
import type { JourneyDefinition } from '@carillon/contracts';
import { waysOf, type Place } from './document.js';
import { ENTRY } from './layout-names.js';

export const WIDTH = 256;
export interface Drawn {
  nodes: Map<string, { x: number; y: number; width: number; height: number }>;
  edges: { id: string; from: string; to: string; way: string; at: Place; ends: boolean; gone?: boolean }[];
}

/**
 * `height`: of a step, by what stands in it. Where a way ends there is a small node of its own. `gone`: ways that are no more,
 * drawn all the same.
 */
export function arrange(
  document: JourneyDefinition,
  height: (key: string) => number,
  gone: readonly { from: string | null; to: string }[] = [],
): Drawn {
  const graph = new Graph<object, Drawn['nodes'] extends Map<string, infer N> ? N : never, object>({
    multigraph: true,
  });
  graph.setGraph({ rankdir: 'TB', nodesep: 44, ranksep: 62 });
  const edges: Drawn['edges'] = [];
  const size = (id: string, width: number, tall: number) =>
    graph.setNode(id, { width, height: tall, x: 0, y: 0 });
  size(ENTRY, WIDTH, height(ENTRY));
  for (const key of Object.keys(document.steps)) size(key, WIDTH, height(key));
  const join = (from: string, way: string, at: Place, next: string | null) => {
    const id = `${from} ${at.join('.')}`;
    const ends = next === null || !document.steps[next];
    const to = ends ? `:end ${id}` : next;
    if (ends) size(to, 20, 20);
    graph.setEdge(from, to, {}, id);
    edges.push({ id, from, to, way, at, ends });
  };
  join(ENTRY, '', [], document.start);
  for (const [key, step] of Object.entries(document.steps))
    for (const { way, next, at } of waysOf(step)) join(key, way, at, next);
  for (const { from, to } of gone) {
    const id = `:gone ${from ?? ''} ${to}`;
    graph.setEdge(from ?? ENTRY, to, {}, id);
    edges.push({ id, from: from ?? ENTRY, to, way: '', at: [], ends: false, gone: true });
  }
  layout(graph);
  return {
    edges,
    nodes: new Map(
      graph.nodes().map((id: string) => {
        const { x, y, width, height: tall } = graph.node(id);
        return [id, { x: x - width / 2, y: y - tall / 2, width, height: tall }];
      }),
    ),
  };
}

/** The step an arrow key leads to: along the ways up and down, to the nearest beside it left and right. */
export function neighbour(
  { nodes, edges }: Drawn,
  from: string,
  key: 'ArrowDown' | 'ArrowUp' | 'ArrowLeft' | 'ArrowRight',
): string | undefined {
  const here = nodes.get(from);
  if (!here) return undefined;
  const middle = (id: string) => {
    const it = nodes.get(id) ?? here;
    return { x: it.x + it.width / 2, y: it.y + it.height / 2 };
  };
  const own = middle(from);
  const nearest = (ids: readonly string[]): string | undefined =>
    ids.length === 0
      ? undefined
      : ids.reduce((best, id) =>
          Math.hypot(middle(id).x - own.x, middle(id).y - own.y) <
          Math.hypot(middle(best).x - own.x, middle(best).y - own.y)
            ? id
            : best,
        );
  const step = (id: string) => !id.startsWith(':end');
  if (key === 'ArrowDown')
    return nearest(
      edges.filter((e) => e.from === from && step(e.to) && middle(e.to).y > own.y).map((e) => e.to),
    );
  if (key === 'ArrowUp')
    return nearest(edges.filter((e) => e.to === from && middle(e.from).y < own.y).map((e) => e.from));
  const side = key === 'ArrowLeft' ? -1 : 1;
  const beside = [...nodes.keys()].filter((id) => step(id) && (middle(id).x - own.x) * side > WIDTH / 4);
  const level = beside.filter((id) => Math.abs(middle(id).y - own.y) < 90);
  return nearest(level.length > 0 ? level : beside);
}
