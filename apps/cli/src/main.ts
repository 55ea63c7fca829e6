/**
 * The `carillon` command: reads arguments, runs one command, turns failures into a sentence and a next step. Everything
 * it does goes through the SDK. Called by bin/carillon.mjs and by the specs.
 */
import {
  ApiProblem,
  AuthenticationProblem,
  CarillonError,
  ConnectionError,
  ForbiddenProblem,
  NotFoundProblem,
  TimeoutError,
} from '@carillon/sdk';
import { Command, CommanderError } from 'commander';
import { Context, examples, type GlobalOptions } from './command.js';
import { deliveries } from './commands/deliveries.js';
import { demo } from './demo.js';
import { doctor } from './commands/doctor.js';
import { explain } from './commands/explain.js';
import { journeys } from './commands/journeys.js';
import { failures, redrive } from './commands/failures.js';
import { accounts } from './commands/accounts.js';
import { audience } from './commands/audience.js';
import { audit } from './commands/audit.js';
import { campaign } from './commands/campaign.js';
import { gate } from './commands/gate.js';
import { importFile } from './commands/import.js';
import { keys } from './commands/keys.js';
import { outbox } from './commands/outbox.js';
import { policies } from './commands/policies.js';
import { queue } from './commands/queue.js';
import { profiles } from './commands/profiles.js';
import { send } from './commands/send.js';
import { tail } from './commands/tail.js';
import { track } from './commands/track.js';
import { templates } from './commands/templates.js';
import { types } from './commands/types.js';
import { webhooks } from './commands/webhooks.js';
import { UsageError } from './settings.js';
import { type Env, type Output, printable, Terminal } from './terminal.js';

export interface Surroundings {
  out?: Output;
  err?: Output;
  /** Where `.data` is looked for and files are read from. */
  folder?: string;
  stop?: AbortSignal;
}

/**
 * @param argv the words after `carillon`
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrongly called
 */
export async function main(argv: readonly string[], env: Env, around: Surroundings = {}): Promise<number> {
  const terminal = new Terminal(around.out ?? process.stdout, around.err ?? process.stderr, env);
  const stop = around.stop ?? interrupted();
  const context = new Context(terminal, env, around.folder ?? process.cwd(), stop);
  try {
    const root = program(context);
    if (argv.length === 0) root.outputHelp();
    else await root.parseAsync(argv, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (stop.aborted) {
      terminal.complain('Stopped.');
      return 130;
    }
    report(error, context);
    return error instanceof UsageError ? 2 : 1;
  }
}

function program(context: Context): Command {
  const { terminal } = context;
  const root = new Command('carillon')
    .description('Send messages by email, SMS, push and in-app, and see what became of them.')
    .option(
      '--url <address>',
      'where Carillon answers (or CARILLON_API_URL; default: the stack of this folder)',
    )
    .option('--key <key>', 'API key (or CARILLON_API_KEY, which keeps it out of the shell history)')
    .option('--json', 'print results as JSON, for scripts')
    .option('--allow-http', 'allow plain http to another machine')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.say(text.replace(/\n$/, '')),
      writeErr: (text) => terminal.complain(text.replace(/\n$/, '')),
      outputError: (text, write) =>
        write(
          `${terminal.style('red', '✗')} ${text.replace(/^error: (.)/, (_, first: string) => first.toUpperCase())}`,
        ),
      getOutHelpWidth: () => Math.min(terminal.width, 100),
      getErrHelpWidth: () => Math.min(terminal.width, 100),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .hook('preAction', (_, action) => {
      context.options = action.optsWithGlobals<GlobalOptions>();
    });
  examples(root, [
    '# Beside a running `npm start` nothing has to be set up',
    'carillon doctor',
    'carillon send --to ada@example.com --subject Hello --text "The first message."',
    'carillon tail',
    'carillon explain 0193a1b2-7c4d-7e5f-8a9b-0c1d2e3f4a5b',
  ]).addHelpText('after', '\nEvery command explains itself: carillon send --help');
  for (const add of [
    send,
    tail,
    explain,
    deliveries,
    failures,
    redrive,
    profiles,
    importFile,
    audience,
    audit,
    campaign,
    journeys,
    track,
    templates,
    types,
    accounts,
    policies,
    gate,
    webhooks,
    outbox,
    keys,
    queue,
    doctor,
    demo,
  ])
    add(root, context);
  for (const command of everyCommand(root))
    command.helpCommand(false).showHelpAfterError(`  See: ${path(command)} --help`);
  return root;
}

function* everyCommand(command: Command): Generator<Command> {
  for (const child of command.commands) {
    yield child;
    yield* everyCommand(child);
  }
}
const path = (command: Command): string =>
  command.parent ? `${path(command.parent)} ${command.name()}` : command.name();

/** One sentence and what to do next. Never a stack: who needs one runs the SDK in a debugger. */
function report(error: unknown, context: Context): void {
  const { terminal } = context;
  const { message, next } = inWords(error, context);
  if (context.json) {
    const facts =
      error instanceof ApiProblem ? { code: error.code, status: error.status, errors: error.errors } : {};
    terminal.complain(JSON.stringify({ error: { message, ...facts, next } }));
    return;
  }
  terminal.complain(terminal.wrap(`${terminal.style('red', '✗')} ${printable(message, true)}`, '  '));
  if (next) terminal.complain(terminal.wrap(`  ${next}`, '  '));
  if (error instanceof ApiProblem && error.requestId && error.status >= 500)
    terminal.complain(
      terminal.style('dim', `  Request ${error.requestId}: the operator finds it in the log.`),
    );
}

function inWords(error: unknown, context: Context): { message: string; next?: string | undefined } {
  const { url, keyFrom } = context.settings;
  if (error instanceof UsageError) return { message: error.message, next: error.hint };
  if (error instanceof AuthenticationProblem)
    return {
      message: `The API key from ${keyFrom} is not accepted by ${url}: it is wrong, expired or revoked.`,
      next: 'Make a new one in the dashboard under API keys, and set CARILLON_API_KEY.',
    };
  if (error instanceof ForbiddenProblem)
    return {
      message: error.detail,
      next: 'See what the key may do: carillon doctor. Scopes are chosen when a key is made.',
    };
  if (error instanceof NotFoundProblem && error.code !== 'unexpected_answer')
    return {
      message: error.detail,
      next: 'A key sees its own workspace only: is it the right one? carillon doctor',
    };
  if (error instanceof ConnectionError || error instanceof TimeoutError)
    return {
      message: error.message.replace(', and is baseUrl right', ''),
      next: 'Start it with `npm start`, or say where it is: --url or CARILLON_API_URL.',
    };
  if (error instanceof CarillonError)
    return {
      message: error.message
        .replaceAll('baseUrl', '--url')
        .replace('set allowHttp: true', 'give --allow-http'),
    };
  // By its code alone: an error of Node itself may be of another realm.
  const { code, path: file } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' && file !== undefined) return { message: `There is no file ${file}.` };
  return { message: error instanceof Error ? error.message : String(error) };
}

/** Ctrl-C lets a command finish its sentence; a second one ends at once, as Node does by itself. */
function interrupted(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}
