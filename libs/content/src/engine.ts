/**
 * Liquid for messages: source and data in, text out. Strict (a missing variable is an error, not a hole in the mail),
 * bounded in length, time and memory, without files, includes or access to anything but its data.
 * The limits here are liquidjs' own and stop a runaway template between two steps, not inside one; a process that renders
 * other people's templates puts a worker with a hard cap around it. Pure but for the clock of the time limit.
 */
import { Context, Liquid, LiquidError, toValueSync, type Template } from 'liquidjs';
import { compileProgram, type Outside } from './compiled.js';
import { liquidPath, TemplateError } from './errors.js';
import { counted, FilterMisuse, registerFilters, type Impl } from './filters.js';
import { BoundedOutput, OutputTooLong } from './output.js';
import { refuseUnsafePlaces } from './places.js';
import './positions.js';
import type { Segments } from './segments.js';
import { readSteps, scalarAt, type Step } from './steps.js';
import { readVariables, type TemplateVariable } from './variables.js';

/**
 * What a template may cost: characters, milliseconds of the processor, and liquidjs' own count of characters and list
 * members made.
 */
export const LIMITS = { source: 600_000, output: 2_000_000, milliseconds: 250, memory: 5_000_000 } as const;

export interface RenderContext {
  /** BCP 47, for dates and numbers. `en` when left out. */
  locale?: string;
  /** IANA name of the reader's zone. `UTC` when left out. */
  timeZone?: string;
  /** What "now" means in `{{ "now" | date }}`; the clock when left out. */
  now?: Date;
}

export interface Compiled {
  /** The text. Throws TemplateError `missing_variable`, `template_limit` or `template_filter`. Never changes `data`. */
  render(data: Readonly<Record<string, unknown>>, context?: RenderContext): string;
  /**
   * The same text in pieces, by the compiled template and in bounded time and memory whatever template and data are; or
   * undefined when only `render` can say. Safe in the caller's own process.
   */
  segments(data: Readonly<Record<string, unknown>>, context?: RenderContext): Segments | undefined;
  /** What keeps the template from being compiled, or undefined when nothing does. */
  readonly outside: Outside | undefined;
  /** Paths that the template reads from its data, such as `order.id`, sorted. */
  readonly variables: string[];
  /** Those without which rendering certainly fails: not inside a condition or loop, no default. */
  readonly required: string[];
}

const engines = { html: createEngine(true), text: createEngine(false) };

/**
 * Reads a template once, to be rendered many times.
 * @param options.html whether the text is HTML: then values are escaped, and unsafe URLs become `#`
 * @throws TemplateError `template_syntax`, `template_limit` or `template_unsafe`
 */
export function compileTemplate(source: string, { html }: { html: boolean }): Compiled {
  const engine = html ? engines.html : engines.text;
  const templates = parse(engine, source);
  if (html) refuseUnsafePlaces(source);
  const steps = readSteps(templates, engine.options.outputEscape);
  const compiled = compileProgram(templates, engine, engine.options.outputEscape, html);
  const program = 'run' in compiled ? compiled : undefined;
  // Rendering asks for neither, and finding them takes longer than it.
  let found: TemplateVariable[] | undefined;
  const variables = () => (found ??= readVariables(templates));
  return {
    get variables() {
      return variables().map(({ path }) => path);
    },
    get required() {
      return variables().flatMap(({ path, required }) => (required ? path : []));
    },
    render: (data, context = {}) => render(engine, steps, data, html, context),
    segments: (data, context = {}) => program?.run(data, limitsOf(engine, context)),
    outside: program ? undefined : (compiled as Outside),
  };
}

/**
 * What a template reads from its data, for generated types, preview forms and checks before anything is sent. Finds all
 * that `compileTemplate` would refuse.
 * @throws TemplateError `template_syntax`, `template_limit` or `template_unsafe`
 */
export function variablesOf(source: string, { html = false }: { html?: boolean } = {}): TemplateVariable[] {
  const templates = parse(html ? engines.html : engines.text, source);
  if (html) refuseUnsafePlaces(source);
  return readVariables(templates);
}

function createEngine(html: boolean): Liquid {
  const liquid = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    // `{% if x %}` and `{{ x | default: "" }}` are how authors say that a variable may be missing.
    lenientIf: true,
    // Fragments will live in this map; while it is set, the file system is never asked.
    templates: {},
    cache: false,
    parseLimit: LIMITS.source,
    memoryLimit: LIMITS.memory,
    locale: 'en',
    timezoneOffset: 'UTC',
    outputEscape: (html ? escape : counted) as (value: unknown) => string,
  });
  for (const tag of ['include', 'render', 'layout', 'block']) delete liquid.tags[tag];
  registerFilters(liquid, html);
  return liquid;
}

function escape(this: Impl, value: unknown): string {
  const text = (this.context.getRegister('output') as BoundedOutput).escape(value);
  this.context.memoryLimit.use(text.length);
  return text;
}

function parse(engine: Liquid, source: string): Template[] {
  try {
    return engine.parse(source);
  } catch (error) {
    throw explained(error);
  }
}

function render(
  engine: Liquid,
  steps: readonly Step[],
  data: Readonly<Record<string, unknown>>,
  html: boolean,
  { locale = 'en', timeZone = 'UTC', now }: RenderContext,
): string {
  const output = new BoundedOutput(LIMITS.output, html);
  // A copy without prototype: `{% increment %}` writes into it, and nothing can be inherited from it.
  const scope = Object.assign(Object.create(null) as object, data);
  const context = contextFor(engine, scope, { locale, timeZone, ...(now && { now }) });
  context.renderLimit.check = timeLimit();
  context.setRegister('output', output);
  try {
    for (const step of steps) {
      if (typeof step === 'string') {
        output.write(step);
        continue;
      }
      if (!Array.isArray(step)) {
        // What `assign` and `capture` have named hides data of the same name; liquidjs knows.
        const value = (step.keys[0] ?? '') in context.bottom() ? undefined : scalarAt(scope, step.keys);
        if (value !== undefined) {
          const printedValue = html ? output.escape(value) : value;
          counted.call({ context }, printedValue);
          output.write(printedValue);
          continue;
        }
      }
      const rest = Array.isArray(step) ? step : [step.template];
      toValueSync(engine.renderer.renderTemplates(rest, context, output as never));
      // `{% break %}` outside of a loop ends the template.
      if (context.breakCalled || context.continueCalled) break;
    }
  } catch (error) {
    throw explained(error);
  }
  return output.buffer;
}

function contextFor(
  engine: Liquid,
  scope: object,
  { locale = 'en', timeZone = 'UTC', now }: RenderContext,
): Context {
  const options = { ...engine.options, locale, timezoneOffset: timeZone };
  const context = new Context(scope, options, { sync: true }, { liquid: engine });
  context.setRegister('now', now ?? new Date());
  return context;
}

const limitsOf = (engine: Liquid, context: RenderContext) => ({
  context: () => contextFor(engine, {}, context),
  output: LIMITS.output,
  memory: LIMITS.memory,
});

/** A rendering took too long. */
class TooSlow extends Error {}

/**
 * Called by liquidjs between two steps with the time. A template that only waited for its turn on a busy machine has done
 * no harm, and failing it would lose a message: past the limit, what the process has used of the processor counts.
 */
function timeLimit(): (now: number) => void {
  const used = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const before = used();
  let deadline = performance.now() + LIMITS.milliseconds;
  return (now) => {
    if (now <= deadline) return;
    const left = LIMITS.milliseconds - (used() - before);
    if (left <= 0) throw new TooSlow();
    deadline = now + left;
  };
}

/** Turns what liquidjs throws into our error. Anything it did not wrap is a bug, and passes as it is. */
function explained(error: unknown): unknown {
  if (!LiquidError.is(error)) return limitHit(error) ? tooMuch(error, {}) : error;
  const [line, column] = error.token.getPosition();
  const at = { line, column };
  const origin: unknown = error.originalError ?? error;
  if (error.name === 'UndefinedVariableError') {
    const keys = ((origin as { variableName?: string }).variableName ?? '').split('.');
    const name = liquidPath(keys);
    return new TemplateError(
      'missing_variable',
      `The template uses ${name}, which the data does not hold. Add it, or write {{ ${name} | default: "" }}.`,
      { ...at, keys },
    );
  }
  if (limitHit(origin)) return tooMuch(origin, at);
  if (origin instanceof FilterMisuse) return new TemplateError('template_filter', origin.message, at);
  const [sentence = ''] = error.message.split(/, (?:file:|line:)/);
  if (error.name === 'RenderError') {
    return new TemplateError('template_filter', `This step of the template failed: ${sentence}.`, at);
  }
  return new TemplateError('template_syntax', syntaxSentence(sentence), at);
}

function limitHit(error: unknown): boolean {
  const { name, message } = error as { name?: string; message?: string };
  return (
    error instanceof OutputTooLong ||
    error instanceof TooSlow ||
    (name === 'AssertionError' && / limit exceeded$/.test(message ?? '')) ||
    // V8 when a string or list outgrows what it can hold, or recursion the stack.
    name === 'RangeError'
  );
}

function tooMuch(cause: unknown, at: { line?: number; column?: number }): TemplateError {
  const seconds = LIMITS.milliseconds / 1000;
  return new TemplateError(
    'template_limit',
    `The template is too long, makes too long a text or takes more than ${seconds} s. Look for loops inside loops.`,
    { ...at, cause },
  );
}

function syntaxSentence(message: string): string {
  const unknown = /^(?:tag "(.+)" not found|undefined filter: (.+))$/.exec(message);
  if (unknown?.[1]) return `There is no tag {% ${unknown[1]} %} here.`;
  if (unknown?.[2]) return `There is no filter | ${unknown[2]} here.`;
  return `This is not valid Liquid: ${message}.`;
}
