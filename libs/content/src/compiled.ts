/// <reference lib="es2024.string" />
/**
 * The part of Liquid that most templates keep to, compiled: outputs, conditions, loops, assignments and the filters below,
 * as a list of functions that append fixed text and values. It needs no generators, no clock and no process of its own,
 * because what it does is bounded by construction: every step, every loop and every character that passes a filter is paid
 * from one budget, and none of its steps takes longer than what it pays for.
 *
 * It says yes or nothing. Whatever is not plainly what liquidjs would print (a missing variable, an object to be printed,
 * a spent budget, a filter used wrongly) makes it return undefined, and liquidjs decides: there is one place that words
 * errors. Parsed by liquidjs too, and filters are the very same functions. Called by engine.ts.
 */
import {
  AssignTag,
  CaseTag,
  CommentTag,
  Context,
  Drop,
  ForTag,
  IfTag,
  InlineCommentTag,
  Output,
  RawTag,
  Tag,
  TokenKind,
  toValueSync,
  TypeGuards,
  UnlessTag,
  type Liquid,
  type Template,
  type Token,
} from 'liquidjs';
import { escapeHtml, LONGEST_ENTITY } from './output.js';
import { mayBeginUrl, Place, TAIL } from './place.js';
import { Escaped, Literal, Segments, type Segment } from './segments.js';

/** What a compiled template may cost: steps (a filter that formats counts for more), or 16 characters of text each. */
const BUDGET = 40_000;

/**
 * Filters whose time grows with the text they are given and with nothing else, and what each costs besides. Left to
 * liquidjs: what makes lists or longer texts out of short ones.
 */
const FILTERS: Readonly<Record<string, number>> = {
  ...{ append: 1, prepend: 1, upcase: 1, downcase: 1, capitalize: 1, strip: 1, lstrip: 1, rstrip: 1 },
  ...{ strip_newlines: 1, newline_to_br: 1, truncate: 1, url_encode: 4, default: 1, raw: 1 },
  ...{ escape: 1, escape_once: 1, xml_escape: 1 },
  ...{ plus: 1, minus: 1, times: 1, divided_by: 1, modulo: 1, abs: 1, ceil: 1, floor: 1, round: 1 },
  ...{ at_least: 1, at_most: 1 },
  ...{ date: 50, time: 50, number: 50, currency: 50 },
};
/** A pattern of the date filter that cannot make a long text out of a short one: no widths. */
const PLAIN_PATTERN = /^(?:[^%]|%[-^_]?[A-Za-z%])*$/;

/** Why a template is not compiled: what it uses, as an author would call it, and where. */
export interface Outside {
  what: string;
  line: number;
}

export interface CompiledContext {
  /** With liquidjs' own limit of memory, for filters. */
  context: () => Context;
  output: number;
  memory: number;
}

export interface Program {
  /**
   * The text in pieces, or undefined when liquidjs has to decide. Never throws, never changes `data`. What is undefined
   * in it is missing.
   */
  run(data: Readonly<Record<string, unknown>>, limits: CompiledContext): Segments | undefined;
}

type Op = (run: Run) => void;
/** Undefined: the variable is missing. */
type Get = (run: Run) => unknown;

/** Thrown while compiling and running, caught in this file. */
class NotHere extends Error {
  constructor(
    readonly what: string,
    readonly token?: Token,
  ) {
    super(what);
  }
}
const undecided = new NotHere('undecided');

/** @param escape what the engine does with every value it prints unless its last filter is raw */
export function compileProgram(
  templates: readonly Template[],
  engine: Liquid,
  escape: unknown,
  html: boolean,
): Program | Outside {
  try {
    const compiler = new Compiler(engine, escape, html, assignedIn(templates));
    const ops = compiler.list(templates, []);
    // As many pieces as last time, as a rule: room that grows with them is made, and copied, eight times for a long mail.
    let usual = 0;
    return {
      run(data, limits) {
        const run = new Run(data, limits, compiler.repeated, usual);
        try {
          runAll(ops, run);
        } catch {
          // Not lost: liquidjs meets the same, and what it says is thrown to whoever asked.
          return undefined;
        }
        const parts = run.pieces();
        usual = parts.length;
        return new Segments(parts, run.most);
      },
    };
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
    return { what: error.what, line: error.token?.getPosition()[0] ?? 0 };
  }
}

/** One rendering. */
class Run {
  readonly place = new Place(() => this.tail());
  /** Values of loops that are running, by their depth, and how far each is. */
  readonly loops: { item: unknown; index: number; length: number }[] = [];
  assigned: Record<string, unknown> | undefined;
  /** What values that the template prints more than once look like, by their number. */
  readonly known: (string | Escaped | undefined)[];
  /** Bytes that all of it takes at most. */
  most = 0;
  private left = BUDGET;
  private length = 0;
  private memory = 0;
  private readonly parts: Segment[];
  private count = 0;
  private filters: { context: Context; liquid: Liquid } | undefined;

  constructor(
    readonly data: Readonly<Record<string, unknown>>,
    private readonly limits: CompiledContext,
    repeated: number,
    /** How many pieces there is room for before it grows. */
    room: number,
  ) {
    this.known = new Array<string | Escaped | undefined>(repeated);
    this.parts = new Array<Segment>(room);
  }

  add(part: Segment): void {
    this.parts[this.count++] = part;
  }

  /** What there is when all is done. */
  pieces(): Segment[] {
    this.parts.length = this.count;
    return this.parts;
  }

  pay(cost: number): void {
    this.left -= cost;
    if (this.left < 0) throw undecided;
  }

  literal(literal: Literal): void {
    this.pay(1);
    this.grow(literal.text.length);
    this.most += literal.bytes.length;
    this.add(literal);
  }

  /** What fixed texts will cost together that stand in a row with values between them. */
  literals(count: number, length: number, bytes: number): void {
    this.pay(count);
    this.grow(length);
    this.most += bytes;
  }

  /** @param text as it is to be written */
  value(text: string, counted: number): void {
    this.use(counted);
    if (text === '') return;
    this.grow(text.length);
    this.most += text.length * 3;
    this.add(text);
  }

  /** Counted as if each character were written as the longest entity: what that keeps out, liquidjs decides. */
  escaped(value: Escaped): void {
    const most = value.text.length * LONGEST_ENTITY;
    this.use(most);
    this.grow(most);
    this.most += most;
    this.add(value);
  }

  private use(counted: number): void {
    this.memory += counted;
    if (this.memory > this.limits.memory) throw undecided;
  }

  private tail(): string {
    let tail = '';
    for (let i = this.count - 1; i >= 0 && tail.length < TAIL; i--) {
      const part = this.parts[i] as Segment;
      tail = (typeof part === 'string' ? part : part.toString()) + tail;
    }
    return tail;
  }

  filterContext(liquid: Liquid): { context: Context; liquid: Liquid } {
    return (this.filters ??= { context: this.limits.context(), liquid });
  }

  private grow(length: number): void {
    this.length += length;
    if (this.length > this.limits.output) throw undecided;
  }
}

function runAll(ops: readonly Op[], run: Run): void {
  for (let i = 0; i < ops.length; i++) (ops[i] as Op)(run);
}

function assignedIn(templates: readonly Template[], names = new Set<string>()): Set<string> {
  for (const template of templates) {
    if (template instanceof AssignTag) names.add((template as unknown as { key: string }).key);
    const { children } = template as { children?: () => unknown };
    if (children) assignedIn(toValueSync(children.call(template) as never) as unknown as Template[], names);
  }
  return names;
}

/** A value to be printed. */
interface Slot {
  get: Get;
  /** By the engine, because its last filter is not raw. */
  escaped: boolean;
  /** Its place in `Run.known`, or -1 when it is printed once. */
  number: number;
}
type CompiledStep = Op | Literal | Slot;

/**
 * Fixed texts with at most one value between two of them, from the first: in HTML only where each of them says by itself
 * what place it ends at, so that nothing needs to be followed. Nearly all of a mail is such a row.
 */
function settledRow(steps: readonly CompiledStep[], from: number): (Literal | Slot)[] {
  const row: (Literal | Slot)[] = [];
  for (let at = from; at < steps.length; at++) {
    const [step, next] = [steps[at], steps[at + 1]];
    if (step instanceof Literal) {
      if (!step.place.decides || !step.place.ends) break;
      row.push(step);
    } else {
      if (typeof step === 'function' || step === undefined || row.length === 0) break;
      if (!(next instanceof Literal) || !next.place.decides || !next.place.ends) break;
      row.push(step, next);
      at++;
    }
  }
  return row;
}

/** In text there are no places. */
function textRow(steps: readonly CompiledStep[], from: number): (Literal | Slot)[] {
  const row: (Literal | Slot)[] = [];
  for (let at = from; at < steps.length && typeof steps[at] !== 'function'; at++)
    row.push(steps[at] as Literal | Slot);
  return row;
}

/** One operation for a whole row. */
function inARow(row: readonly (Literal | Slot)[], html: boolean): Op {
  const literals = row.filter((step) => step instanceof Literal);
  const length = literals.reduce((sum, { text }) => sum + text.length, 0);
  const bytes = literals.reduce((sum, literal) => sum + literal.bytes.length, 0);
  const last = literals.at(-1)?.place;
  return (run) => {
    run.literals(literals.length, length, bytes);
    let begins = false;
    for (let i = 0; i < row.length; i++) {
      const step = row[i] as Literal | Slot;
      if (step instanceof Literal) {
        run.add(step);
        begins = step.place.begins;
      } else if (html) printHtml(step, run, begins);
      else printText(step, run);
    }
    if (html && last) run.place.settle(last);
  };
}

/** @param begins whether the value is the beginning of a URL */
function printHtml({ get, escaped, number }: Slot, run: Run, begins: boolean): void {
  let part = begins || number === -1 ? undefined : run.known[number];
  if (part !== undefined) run.pay(1);
  else {
    const text = plain(get(run), run);
    if (!escaped || text === '') part = text;
    else part = begins && !mayBeginUrl(text) ? '#' : new Escaped(text);
    if (!begins && number !== -1) run.known[number] = part;
  }
  if (typeof part === 'string') run.value(part, escaped ? part.length : 0);
  else run.escaped(part);
}

function printText({ get, escaped }: Slot, run: Run): void {
  const given = get(run);
  const text = plain(given, run);
  run.value(text, escaped ? (typeof given === 'string' ? text.length : 16) : 0);
}

/** A loop around the place that is being compiled. */
interface Loop {
  variable: string;
}

interface FilterNode {
  name: string;
  handler: unknown;
  raw: boolean;
  token: Token;
  args: readonly (Token | [string, Token | undefined])[];
}
interface ValueNode {
  initial: { postfix: Token[] };
  filters: FilterNode[];
}

class Compiler {
  constructor(
    private readonly engine: Liquid,
    private readonly escape: unknown,
    private readonly html: boolean,
    /** A name that `{% assign %}` gives may hide data of the same name. */
    private readonly assigned: ReadonlySet<string>,
  ) {}

  /** Values that are printed more than once. */
  repeated = 0;
  private readonly printed = new Map<string, Slot>();

  list(templates: readonly Template[], loops: readonly Loop[]): Op[] {
    const steps = templates.flatMap((template) => this.template(template, loops) ?? []);
    const ops: Op[] = [];
    for (let at = 0; at < steps.length;) {
      const row = this.html ? settledRow(steps, at) : textRow(steps, at);
      at += row.length;
      if (row.length > 0) ops.push(inARow(row, this.html));
      else ops.push(this.alone(steps[at++] as CompiledStep));
    }
    return ops;
  }

  private template(template: Template, loops: readonly Loop[]): CompiledStep | undefined {
    if (template.token.kind === TokenKind.HTML)
      return this.fixed((template as unknown as { str: string }).str, template);
    if (template instanceof Output) return this.output(template, loops);
    if (template instanceof CommentTag || template instanceof InlineCommentTag) return undefined;
    if (template instanceof RawTag) return this.fixed(template.render() as string, template);
    return this.tag(template, loops);
  }

  private tag(template: Template, loops: readonly Loop[]): Op {
    if (template instanceof IfTag) return this.conditions(template as never, loops);
    if (template instanceof UnlessTag) return this.conditions(template as never, loops);
    if (template instanceof CaseTag) return this.cases(template as never, loops);
    if (template instanceof ForTag) return this.loop(template as never, loops);
    if (template instanceof AssignTag) return this.assign(template as never, loops);
    const name = template instanceof Tag ? template.name : '';
    throw new NotHere(`the tag {% ${name} %}`, template.token);
  }

  private fixed(text: string, { token }: Template): Literal | undefined {
    if (text === '') return undefined;
    if (!text.isWellFormed()) throw new NotHere('half a character', token);
    return new Literal(text);
  }

  private output(output: Output, loops: readonly Loop[]): Slot {
    const value = output.value as unknown as ValueNode;
    const last = value.filters.at(-1);
    const escaped = last?.handler === this.escape;
    const filters = escaped ? value.filters.slice(0, -1) : value.filters;
    const get = this.value({ ...value, filters }, loops, {
      lenient: false,
      firstLenient: value.filters[0]?.name === 'default',
    });
    const path = filters.length === 0 ? this.dataPath(value.initial.postfix, loops) : undefined;
    const slot: Slot = { get, escaped, number: -1 };
    if (path === undefined) return slot;
    // The same value is looked at, counted and escaped once.
    const same = this.printed.get(`${escaped} ${path}`);
    if (!same) this.printed.set(`${escaped} ${path}`, slot);
    else if (same.number === -1) same.number = this.repeated++;
    return same ?? slot;
  }

  /** A path that reads the same wherever it stands; undefined for all else. */
  private dataPath(postfix: readonly Token[], loops: readonly Loop[]): string | undefined {
    const [token] = postfix;
    if (postfix.length !== 1 || !token || !TypeGuards.isPropertyAccessToken(token)) return undefined;
    const keys = (token.props as { content?: unknown }[]).map(({ content }) => content);
    const [root] = keys;
    if (typeof root !== 'string' || this.assigned.has(root)) return undefined;
    if (root === 'forloop' || loops.some(({ variable }) => variable === root)) return undefined;
    return JSON.stringify(keys);
  }

  /** A step of HTML whose surroundings do not say at what place it prints. */
  private alone(step: CompiledStep): Op {
    if (typeof step === 'function') return step;
    if (step instanceof Literal) {
      const { place } = step;
      return (run) => {
        run.literal(step);
        run.place.followLiteral(place);
      };
    }
    return (run) => {
      let text = plain(step.get(run), run);
      const { place } = run;
      if (step.escaped) text = place.takes(text) ? escapeHtml(text) : '#';
      run.value(text, step.escaped ? text.length : 0);
      if (text !== '') place.follow(text);
    };
  }

  private conditions(
    tag: {
      branches: { value: ValueNode; test?: unknown; templates: Template[] }[];
      elseTemplates?: Template[];
    },
    loops: readonly Loop[],
  ): Op {
    const unless = tag instanceof UnlessTag;
    const branches = tag.branches.map(({ value, templates }, i) => ({
      when: this.value(value, loops, { lenient: true }),
      // Only the first condition of `unless` is turned round.
      wanted: !(unless && i === 0),
      ops: this.list(templates, loops),
    }));
    const otherwise = this.list(tag.elseTemplates ?? [], loops);
    return (run) => {
      for (const { when, wanted, ops } of branches) {
        run.pay(1);
        if (isTruthy(when(run)) === wanted) return runAll(ops, run);
      }
      runAll(otherwise, run);
    };
  }

  private cases(
    tag: {
      value: ValueNode;
      branches: { values: Token[]; templates: Template[] }[];
      elseTemplates: Template[];
    },
    loops: readonly Loop[],
  ): Op {
    const target = this.value(tag.value, loops, { lenient: true });
    const branches = tag.branches.map(({ values, templates }) => ({
      values: values.map((token) => this.token(token, loops, true)),
      ops: this.list(templates, loops),
    }));
    const otherwise = this.list(tag.elseTemplates, loops);
    return (run) => {
      const wanted = toPlain(target(run));
      let hit = false;
      for (const { values, ops } of branches) {
        for (const value of values) {
          run.pay(1);
          if (!equals(wanted, value(run), run)) continue;
          hit = true;
          runAll(ops, run);
          break;
        }
      }
      if (!hit) runAll(otherwise, run);
    };
  }

  private loop(
    tag: {
      variable: string;
      collection: Token;
      hash: { hash: Record<string, Token | undefined> };
      templates: Template[];
      elseTemplates: Template[];
      token: Token;
    },
    loops: readonly Loop[],
  ): Op {
    const { variable, token } = tag;
    if (variable === 'forloop') throw new NotHere('a loop over forloop', token);
    const { hash } = tag.hash;
    const odd = Object.keys(hash).find((key) => !['limit', 'offset', 'reversed'].includes(key));
    if (odd !== undefined) throw new NotHere(`${odd} in {% for %}`, token);
    const list = this.collection(tag.collection, loops);
    const modifier = (name: 'limit' | 'offset'): Get | undefined => {
      const given = hash[name];
      if (!(name in hash)) return undefined;
      if (given === undefined || given.getText() === 'continue')
        throw new NotHere(`${name}: continue`, token);
      return this.token(given, loops, false);
    };
    const [offset, limit, reversed] = [modifier('offset'), modifier('limit'), 'reversed' in hash];
    if (reversed && hash.reversed !== undefined) throw new NotHere('reversed with a value', token);
    const ops = this.list(tag.templates, [...loops, { variable }]);
    const otherwise = this.list(tag.elseTemplates, loops);
    return (run) => {
      let items = list(run);
      run.pay(1 + (items.length >> 3));
      if (items.length === 0) return runAll(otherwise, run);
      if (offset) items = items.slice(count(offset(run)));
      if (limit) items = items.slice(0, count(limit(run)));
      if (reversed) items = [...items].reverse();
      const state = { item: undefined as unknown, index: 0, length: items.length };
      run.loops.push(state);
      for (; state.index < items.length; state.index++) {
        run.pay(1);
        state.item = items[state.index];
        runAll(ops, run);
      }
      run.loops.pop();
    };
  }

  private collection(token: Token, loops: readonly Loop[]): (run: Run) => readonly unknown[] {
    if (TypeGuards.isRangeToken(token)) {
      const [low, high] = [token.lhs, token.rhs].map((end) => this.token(end, loops, false)) as [Get, Get];
      return (run) => {
        const [from, to] = [low(run), high(run)];
        if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) throw undecided;
        const size = Math.max(0, (to as number) - (from as number) + 1);
        run.pay(size);
        return Array.from({ length: size }, (_, i) => (from as number) + i);
      };
    }
    const get = this.token(token, loops, false);
    return (run) => {
      const value = get(run);
      if (value === undefined) throw undecided;
      if (Array.isArray(value)) return value as unknown[];
      if (typeof value === 'string') return value === '' ? [] : [value];
      if (value === null || typeof value !== 'object') return [];
      if (!isPlainObject(value)) throw undecided;
      const entries = Object.entries(value);
      run.pay(entries.length);
      if (entries.some(([, inner]) => inner === undefined)) throw undecided;
      return entries;
    };
  }

  private assign(tag: { key: string; value: ValueNode; token: Token }, loops: readonly Loop[]): Op {
    const { key } = tag;
    if (key === 'forloop') throw new NotHere('a variable called forloop', tag.token);
    const get = this.value(tag.value, loops, { lenient: true });
    return (run) => {
      run.pay(1);
      const value = get(run);
      if (value instanceof Drop) throw undecided;
      (run.assigned ??= Object.create(null) as Record<string, unknown>)[key] = value;
    };
  }

  /** An expression with its filters. */
  private value(
    { initial, filters }: ValueNode,
    loops: readonly Loop[],
    { lenient, firstLenient = false }: { lenient: boolean; firstLenient?: boolean },
  ): Get {
    let get = this.expression(
      initial.postfix,
      loops,
      lenient || firstLenient || filters[0]?.name === 'default',
    );
    for (const filter of filters) get = this.filter(filter, get, loops);
    return get;
  }

  private filter({ name, handler, token, args }: FilterNode, get: Get, loops: readonly Loop[]): Get {
    const cost = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
    if (cost === undefined || typeof handler !== 'function') throw new NotHere(`the filter | ${name}`, token);
    if (name === 'date' || name === 'time') {
      for (const arg of args) {
        const pattern = Array.isArray(arg) ? undefined : (arg as { content?: unknown }).content;
        if (typeof pattern !== 'string' || !PLAIN_PATTERN.test(pattern)) {
          throw new NotHere(`| ${name} with a pattern that is not plain`, token);
        }
      }
    }
    const readers = args.map((arg): Get => {
      if (!Array.isArray(arg)) return this.token(arg as Token, loops, false);
      const [key, given] = arg as [string, Token | undefined];
      const read = given && this.token(given, loops, false);
      return (run) => [key, read ? present(read(run)) : undefined];
    });
    const { engine } = this;
    return (run) => {
      const value = present(get(run));
      // Lists and objects, and Liquid's own stand-ins, are for liquidjs; `default` looks whether there is one.
      if (typeof value === 'object' && value !== null && (name !== 'default' || value instanceof Drop))
        throw undecided;
      let characters = typeof value === 'string' ? value.length : 0;
      const given = readers.map((read, i) => {
        const arg = present(read(run));
        if (typeof arg === 'string') characters += arg.length;
        else if (typeof arg === 'object' && arg !== null && !Array.isArray(args[i])) throw undecided;
        return arg;
      });
      run.pay(cost + (characters >> 4));
      const made: unknown = (handler as (...given: unknown[]) => unknown).call(
        { ...run.filterContext(engine), token },
        value,
        ...given,
      );
      return made === undefined ? null : made;
    };
  }

  private expression(postfix: readonly Token[], loops: readonly Loop[], lenient: boolean): Get {
    const [only] = postfix;
    if (postfix.length === 1 && only) return this.token(only, loops, lenient);
    const stack: Get[] = [];
    for (const token of postfix) {
      if (!TypeGuards.isOperatorToken(token)) {
        stack.push(this.token(token, loops, lenient));
        continue;
      }
      const { operator } = token;
      const right = stack.pop();
      const left = operator === 'not' ? right : stack.pop();
      const apply = OPERATORS[operator];
      if (!left || !right || !apply) throw new NotHere(`the operator ${operator}`, token);
      stack.push((run) => {
        run.pay(1);
        // Both sides, as liquidjs does: a missing variable is one wherever it stands.
        const l = present(left(run));
        return apply(l, operator === 'not' ? l : present(right(run)), run);
      });
    }
    const [whole, ...rest] = stack;
    if (!whole || rest.length > 0) throw new NotHere('this expression', postfix[0]);
    return whole;
  }

  private token(token: Token, loops: readonly Loop[], lenient: boolean): Get {
    if (TypeGuards.isPropertyAccessToken(token)) return this.path(token as never, loops, lenient);
    if ('content' in token) {
      const { content } = token as { content: unknown };
      if (typeof content === 'string' && !content.isWellFormed())
        throw new NotHere('half a character', token);
      return () => content;
    }
    throw new NotHere('this expression', token);
  }

  private path(
    token: Token & { props: Token[]; variable?: unknown },
    loops: readonly Loop[],
    lenient: boolean,
  ): Get {
    if (token.variable) throw new NotHere('this expression', token);
    const keys = token.props.map((prop) => {
      const { content } = prop as { content?: unknown };
      const fixed =
        (TypeGuards.isWordToken(prop) || TypeGuards.isQuotedToken(prop) || TypeGuards.isNumberToken(prop)) &&
        (typeof content === 'string' || typeof content === 'number');
      if (!fixed) throw new NotHere('an index that is itself a variable', token);
      return content;
    });
    const [root, ...rest] = keys;
    if (typeof root !== 'string' || ['size', 'first', 'last', '__proto__'].includes(root)) {
      throw new NotHere('this variable', token);
    }
    const read = this.root(root, rest, token, loops);
    const follow = root === 'forloop' && loops.length > 0 ? read : following(read, rest);
    if (lenient) return (run) => follow(run) ?? null;
    return (run) => {
      const value = follow(run);
      if (value === undefined) throw undecided;
      return value;
    };
  }

  private root(name: string, rest: readonly (string | number)[], token: Token, loops: readonly Loop[]): Get {
    if (name === 'forloop' && loops.length > 0) {
      const [property, ...more] = rest;
      const read =
        typeof property === 'string' && Object.hasOwn(FORLOOP, property) ? FORLOOP[property] : undefined;
      if (!read || more.length > 0) throw new NotHere('this use of forloop', token);
      const depth = loops.length - 1;
      return (run) => read(run.loops[depth] as { index: number; length: number });
    }
    const depth = loops.findLastIndex(({ variable }) => variable === name);
    if (depth !== -1) return (run) => (run.loops[depth] as { item: unknown }).item;
    const own: Get = ({ data }) => (Object.hasOwn(data, name) ? plainValue(data[name]) : undefined);
    if (!this.assigned.has(name)) return own;
    return (run) => (run.assigned && name in run.assigned ? run.assigned[name] : own(run));
  }
}

/** Nearly all paths have one or two keys. */
function following(read: Get, rest: readonly (string | number)[]): Get {
  const [first, ...more] = rest;
  if (first === undefined) return read;
  if (more.length > 0) return following(following(read, [first]), more);
  return (run) => {
    const value = read(run);
    return value === undefined ? undefined : readKey(value, first, run);
  };
}

const FORLOOP: Readonly<Record<string, (loop: { index: number; length: number }) => unknown>> = {
  index: ({ index }) => index + 1,
  index0: ({ index }) => index,
  first: ({ index }) => index === 0,
  last: ({ index, length }) => index === length - 1,
  rindex: ({ index, length }) => length - index,
  rindex0: ({ index, length }) => length - index - 1,
  length: ({ length }) => length,
};

const OPERATORS: Readonly<Record<string, (l: unknown, r: unknown, run: Run) => boolean>> = {
  '==': (l, r, run) => equals(l, r, run),
  '!=': (l, r, run) => !equals(l, r, run),
  '>': (l, r, run) => comparable(l, r, run) && (l as number) > (r as number),
  '<': (l, r, run) => comparable(l, r, run) && (l as number) < (r as number),
  '>=': (l, r, run) => comparable(l, r, run) && (l as number) >= (r as number),
  '<=': (l, r, run) => comparable(l, r, run) && (l as number) <= (r as number),
  contains(left, right, run) {
    const l = toPlain(left);
    if (typeof l === 'string') {
      run.pay(l.length >> 4);
      const r = toPlain(right);
      if (typeof r === 'object' && r !== null) throw undecided;
      return l.includes(String(r));
    }
    if (!Array.isArray(l)) return false;
    run.pay(l.length);
    return l.some((item) => equals(item, right, run));
  },
  not: (value) => !isTruthy(value),
  and: (l, r) => isTruthy(l) && isTruthy(r),
  or: (l, r) => isTruthy(l) || isTruthy(r),
};

/** Undefined is a missing variable, which only lenient readers make null of. */
function present(value: unknown): unknown {
  if (value === undefined) throw undecided;
  return value;
}

function isTruthy(value: unknown): boolean {
  const plainly = toPlain(value);
  return plainly !== false && plainly !== null && plainly !== undefined;
}

/** `nil`, `empty` and `blank` as what they stand for. */
const toPlain = (value: unknown): unknown =>
  value instanceof Drop ? (value as unknown as { valueOf(): unknown }).valueOf() : value;

/** Whether `<` and its like mean something; between lists and objects JavaScript would compare what they print. */
function comparable(l: unknown, r: unknown, run: Run): boolean {
  if (l instanceof Drop || r instanceof Drop) return false;
  if ((typeof l === 'object' && l !== null) || (typeof r === 'object' && r !== null)) throw undecided;
  if (typeof l === 'string') run.pay(l.length >> 4);
  return true;
}

function equals(l: unknown, r: unknown, run: Run): boolean {
  if (l instanceof Drop || r instanceof Drop) {
    const [drop, other] = l instanceof Drop ? [l, r] : [r, l];
    if (typeof other === 'string') run.pay(other.length >> 4);
    else if (typeof other === 'object' && other !== null && !Array.isArray(other)) throw undecided;
    return toValueSync((drop as { equals(value: unknown): never }).equals(other)) as unknown as boolean;
  }
  if (Array.isArray(l) && Array.isArray(r)) throw undecided;
  if (typeof l === 'string' && typeof r === 'string' && l.length === r.length) run.pay(l.length >> 4);
  return l === r;
}

/** A limit or offset as `slice` takes it. */
function count(value: unknown): number | undefined {
  if (value === null || value === undefined || typeof value === 'object') throw undecided;
  return value as number;
}

/** What liquidjs reads at a key with `ownPropertyOnly`. */
function readKey(value: unknown, key: string | number, run: Run): unknown {
  if (value === null) return null;
  if (typeof value === 'string') {
    if (Object.hasOwn(value as never, key)) return (value as unknown as Record<string, unknown>)[key];
    return key === 'size' ? value.length : undefined;
  }
  if (typeof value !== 'object') return undefined;
  if (Array.isArray(value)) {
    if (key === 'size') return value.length;
    if (key === 'first' || key === 'last') return value.at(key === 'first' ? 0 : -1) as unknown;
    if (typeof key === 'number') return plainValue(value.at(key));
  }
  if (Object.hasOwn(value, key)) return plainValue((value as Record<string | number, unknown>)[key]);
  if (key !== 'size') return undefined;
  if (!isPlainObject(value)) throw undecided;
  const values = Object.values(value);
  run.pay(values.length);
  if (values.includes(undefined)) throw undecided;
  return values.length;
}

/** Data has no behaviour. What has some is not for us to call. */
function plainValue(value: unknown): unknown {
  if (typeof value === 'function') throw undecided;
  return value;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** How a value prints when it is text, a number or nothing. */
function plain(value: unknown, run: Run): string {
  if (typeof value === 'string') {
    run.pay(1 + (value.length >> 4));
    if (!value.isWellFormed()) throw undecided;
    return value;
  }
  run.pay(1);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value === null) return '';
  throw undecided;
}
