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

/** What a statement answered. */
export interface Answer {
  command: string;
  rows: object[];
  rowCount: number;
}

/** @returns one answer per statement, when all are there. Rejects with the first failure. */
export function roundTrip(
  client: pg.PoolClient,
  statements: readonly Statement[],
  types: pg.CustomTypesConfig,
): Promise<Answer[]> {
  return new Promise<Answer[]>((resolve, reject) => {
    client.query(new RoundTrip(statements, types, resolve, reject));
  }).catch((error: Error) => {
    // The stack of a failure leads to the socket; whoever asked is of more interest.
    Error.captureStackTrace(error);
    throw error;
  });
}

/** The parts of pg's connection that a query of one's own may use, as pg-cursor does. */
interface Wire {
  stream: { cork(): void; uncork(): void };
  parse(message: { text: string; name?: string }): void;
  bind(message: { values: readonly unknown[]; statement?: string }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  close(message: { type: 'S'; name: string }): void;
  sync(): void;
}
const { prepareValue } = (pg as unknown as { utils: { prepareValue(value: unknown): unknown } }).utils;

/** What the rows of a statement are made of. */
class Shape {
  private readonly names: string[];
  private readonly parsers: ((text: string) => unknown)[];
  /** Rows are copies of it: so all are of one kind to V8. */
  private readonly empty: Record<string, unknown>;

  constructor(fields: readonly { name: string; dataTypeID: number }[], types: pg.CustomTypesConfig) {
    this.names = fields.map(({ name }) => name);
    this.parsers = fields.map(({ dataTypeID }) => types.getTypeParser(dataTypeID, 'text'));
    this.empty = Object.fromEntries(this.names.map((name) => [name, null]));
  }

  read(values: readonly (string | null)[]): object {
    const row = { ...this.empty };
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value !== null) row[this.names[i]!] = this.parsers[i]!(value);
    }
    return row;
  }
}
const ROWLESS = new Shape([], pg.types);

/** A connection keeps what it has read and planned for so long: plans follow tables that grow, and days that are over are forgotten. */
const KEPT_MS = 60_000;
/** What a connection keeps, by name: it need not say again what its rows look like, and would refuse to change it. */
type Keeping = Map<string, Shape>;
const keeping = new WeakMap<Wire, { kept: Keeping; until: number }>();
function keptOn(wire: Wire): Keeping {
  let own = keeping.get(wire);
  if (!own || own.until <= performance.now()) {
    for (const name of own?.kept.keys() ?? []) wire.close({ type: 'S', name });
    keeping.set(wire, (own = { kept: new Map(), until: performance.now() + KEPT_MS }));
  }
  return own.kept;
}

class RoundTrip implements pg.Submittable {
  private readonly bound: { text: string; name: string; values: unknown[] }[];
  private readonly answers: Answer[];
  private readonly shapes: Shape[];
  private at = 0;
  private broken: Error | undefined;
  private kept: Keeping | undefined;

  constructor(
    statements: readonly Statement[],
    private readonly types: pg.CustomTypesConfig,
    private readonly resolve: (answers: Answer[]) => void,
    private readonly reject: (error: Error) => void,
  ) {
    // A value that cannot be written is found here, before anything has left.
    this.bound = statements.map(({ text, name = '', params = [] }) => ({
      text,
      name,
      values: params.map(prepareValue),
    }));
    this.answers = statements.map(() => ({ command: '', rows: [], rowCount: 0 }));
    this.shapes = statements.map(() => ROWLESS);
  }

  submit(connection: unknown): void {
    const wire = connection as Wire;
    wire.stream.cork();
    try {
      const kept = (this.kept = keptOn(wire));
      for (const [i, { text, name, values }] of this.bound.entries()) {
        const shape = kept.get(name);
        if (shape) this.shapes[i] = shape;
        else {
          // One of that name may be there from a trip that failed after it was read.
          if (name) wire.close({ type: 'S', name });
          wire.parse({ text, name });
        }
        wire.bind({ values, statement: name });
        if (!shape) wire.describe({ type: 'P', name: '' });
        wire.execute({ portal: '', rows: 0 });
      }
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.shapes[this.at] = new Shape(fields, this.types);
  }
  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.answers[this.at]!.rows.push(this.shapes[this.at]!.read(fields));
    } catch (error) {
      this.broken ??= error instanceof Error ? error : new Error(String(error));
    }
  }
  /** `INSERT 0 3`, `SELECT 5`, `COMMIT`. */
  handleCommandComplete({ text }: { text: string }): void {
    const answer = this.answers[this.at]!;
    answer.command = text.split(' ', 1)[0]!;
    answer.rowCount = Number(/\d+$/.exec(text)?.[0] ?? 0);
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
    if (this.at === this.bound.length)
      for (const [i, { name }] of this.bound.entries()) if (name) this.kept?.set(name, this.shapes[i]!);
    if (this.broken) this.reject(this.broken);
    else this.resolve(this.answers);
  }
}
