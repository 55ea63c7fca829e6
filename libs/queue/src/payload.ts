/** Payloads as they travel: stamped with a version when sent, judged by the contract when they arrive. Pure. */
import { queues, type PayloadOf, type QueueName } from '@carillon/contracts';
import { z } from 'zod';

/** What a sender writes: the version is stamped by {@link stamp}. */
export type Unstamped<Q extends QueueName> = WithoutVersion<PayloadOf<Q>>;
/** Of each shape by itself: a queue may know several. */
type WithoutVersion<P> = P extends { v: unknown } ? Omit<P, 'v'> : never;

/** Queues that know a payload of one list of ids, so that several offers can travel as one job. */
export type ListQueue = {
  [Q in QueueName]: Extract<Unstamped<Q>, Record<string, string[]>> extends never ? never : Q;
}[QueueName];

const shapes = new Map(Object.entries(queues).map(([name, { payload }]) => [name, shapeOf(name, payload)]));

/**
 * @throws {z.ZodError} when it is not what the contract says: a bug in the sender
 */
export function stamp<Q extends QueueName>(queue: Q, payload: Unstamped<Q>): PayloadOf<Q> {
  return queues[queue].payload.parse({ ...payload, v: shapeOfQueue(queue).newest }) as PayloadOf<Q>;
}

export type Judged<Q extends QueueName> = { ok: true; payload: PayloadOf<Q> } | { ok: false; why: string };

/** A payload of a newer build, or of none, is not handled by guess: it is parked with the sentence in `why`. */
export function judge<Q extends QueueName>(queue: Q, data: unknown): Judged<Q> {
  const result = queues[queue].payload.safeParse(data);
  if (result.success) return { ok: true, payload: result.data as PayloadOf<Q> };
  const version = (data as { v?: unknown } | null)?.v;
  const { versions } = shapeOfQueue(queue);
  if (!versions.includes(version))
    return {
      ok: false,
      why: `unknown payload version ${String(version)}; this build knows ${versions.join(', ')}`,
    };
  const at = result.error.issues[0];
  return {
    ok: false,
    why: `the payload is not what the contract says: ${at?.path.join('.')} ${at?.message}`,
  };
}

/** The payload of a list of ids. */
export const listPayload = <Q extends ListQueue>(queue: Q, ids: readonly string[]): Unstamped<Q> =>
  ({ [shapeOfQueue(queue).list ?? '']: ids }) as Unstamped<Q>;

interface Shape {
  versions: readonly unknown[];
  newest: unknown;
  /** Name of the one list of ids, where a shape holds nothing else. */
  list: string | undefined;
}

function shapeOf(name: string, payload: z.ZodType): Shape {
  // Of several shapes the first is the one that lists are sent in.
  const known = payload instanceof z.ZodUnion ? payload.options : [payload];
  const [first, ...more] = known.map((shape) => oneShape(name, shape as z.ZodType));
  const shapes = [first!, ...more];
  const versions = shapes.flatMap((shape) => shape.versions);
  return { ...first!, versions: [...new Set(versions)] };
}

function oneShape(name: string, payload: z.ZodType): Shape {
  const shape = payload instanceof z.ZodObject ? payload.shape : {};
  if (!(shape.v instanceof z.ZodLiteral))
    throw new Error(`The payload of the queue "${name}" needs a version: add v: z.literal(1) to its schema.`);
  const versions = [...shape.v.values];
  const [list, ...others] = Object.keys(shape).filter((key) => key !== 'v');
  return { versions, newest: versions.at(-1), list: others.length ? undefined : list };
}

function shapeOfQueue(queue: QueueName): Shape {
  const shape = shapes.get(queue);
  if (!shape) throw new Error(`There is no queue "${queue}".`);
  return shape;
}
