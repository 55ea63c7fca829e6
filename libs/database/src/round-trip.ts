/**
 * Several statements in one trip to PostgreSQL: written to the socket at once, answered at once. Between processes on one
 * machine a trip costs more than most statements do. Without BEGIN among them they are one transaction (the protocol
 * commits at its Sync); the first that fails ends the trip, and nothing behind it is looked at.
 */
import pg from 'pg';

export interface Statement {
  text: string;
  /** Kept by the connection under this name, so that it is read, and may be planned, once (kept.ts). */
  name?: string;
  params?: readonly unknown[];
}

/** @returns one result per statement, when all have been answered. Rejects with the first failure. */
export function roundTrip(
  client: pg.PoolClient,
  statements: readonly Statement[],
  types: pg.CustomTypesConfig,
): Promise<pg.Result[]> {
  return new Promise<pg.Result[]>((resolve, reject) => {
    client.query(new RoundTrip(statements, types, resolve, reject));
  }).catch((error: Error) => {
    // The stack of a failure leads to the socket; whoever asked is of more interest.
    Error.captureStackTrace(error);
    throw error;
  });
}

/** The parts of pg's connection and of its queries' life that a query of one's own may use, as pg-cursor does. */
interface Wire {
  stream: { cork(): void; uncork(): void };
  parse(message: { text: string; name?: string }): void;
  bind(message: { values: readonly unknown[]; statement?: string }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
}
/** What pg's own queries fill in. */
interface Filling extends pg.Result {
  addFields(fields: unknown): void;
  parseRow(fields: unknown): object;
  addRow(row: object): void;
  addCommandComplete(message: unknown): void;
}
const { prepareValue } = (pg as unknown as { utils: { prepareValue(value: unknown): unknown } }).utils;

/** A connection keeps what it has read and planned for so long: plans follow tables that grow, and days that are over are forgotten. */
const KEPT_MS = 60_000;
/** What a connection keeps, by name. */
const keeping = new WeakMap<Wire, { names: Set<string>; until: number }>();
function namesOf(wire: Wire): Set<string> {
  let own = keeping.get(wire);
  if (!own || own.until <= performance.now()) {
    for (const name of own?.names ?? []) wire.close({ type: 'S', name });
    keeping.set(wire, (own = { names: new Set(), until: performance.now() + KEPT_MS }));
  }
  return own.names;
}

class RoundTrip implements pg.Submittable {
  private readonly bound: { text: string; name: string; values: unknown[] }[];
  private readonly results: Filling[];
  private at = 0;
  private broken: Error | undefined;
  private names: Set<string> | undefined;

  constructor(
    statements: readonly Statement[],
    types: pg.CustomTypesConfig,
    private readonly resolve: (results: pg.Result[]) => void,
    private readonly reject: (error: Error) => void,
  ) {
    // A value that cannot be written is found here, before anything has left.
    this.bound = statements.map(({ text, name = '', params = [] }) => ({
      text,
      name,
      values: params.map(prepareValue),
    }));
    this.results = statements.map(() => new pg.Result('', types as typeof pg.types) as Filling);
  }

  submit(connection: unknown): void {
    const wire = connection as Wire;
    wire.stream.cork();
    try {
      const names = (this.names = namesOf(wire));
      for (const { text, name, values } of this.bound) {
        if (!names.has(name)) {
          // One of that name may be there from a trip that failed after it was read.
          if (name) wire.close({ type: 'S', name });
          wire.parse({ text, name });
        }
        wire.bind({ values, statement: name });
        wire.describe({ type: 'P', name: '' });
        wire.execute({ portal: '', rows: 0 });
      }
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
  }

  handleRowDescription({ fields }: { fields: unknown }): void {
    this.results[this.at]?.addFields(fields);
  }
  handleDataRow({ fields }: { fields: unknown }): void {
    const result = this.results[this.at];
    try {
      result?.addRow(result.parseRow(fields));
    } catch (error) {
      this.broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  handleCommandComplete(message: unknown): void {
    this.results[this.at]?.addCommandComplete(message);
    this.at += 1;
  }
  handleEmptyQuery(): void {
    this.at += 1;
  }
  handleError(error: Error): void {
    this.reject(error);
  }
  handleReadyForQuery(): void {
    // Only now: where a statement before it fails, nobody has looked at it.
    if (this.at === this.bound.length) for (const { name } of this.bound) if (name) this.names?.add(name);
    if (this.broken) this.reject(this.broken);
    else this.resolve(this.results);
  }
}
