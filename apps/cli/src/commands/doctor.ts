/**
 * `carillon doctor`: looks at everything between this shell and a sent message, and says of each what to do about it.
 * Asks the health pages by plain HTTP, because it must also make sense of a server that is not Carillon.
 */
import { channels, scopes, type ScopeName } from '@carillon/contracts';
import { AuthenticationProblem, CarillonError, ForbiddenProblem } from '@carillon/sdk';
import type { Command } from 'commander';
import { type Context, examples } from '../command.js';
import { channelTitles, duration } from '../terminal.js';

type Verdict = 'ok' | 'warning' | 'failure' | 'skipped';
interface Finding {
  check: string;
  verdict: Verdict;
  sentence: string;
  todo?: string;
}

const PATIENCE_MS = 5000;

export function doctor(root: Command, context: Context): void {
  const command = root
    .command('doctor')
    .summary('find out why something does not work')
    .description(
      'Check the way from this shell to a sent message: address, readiness, key, clock, provider accounts, sandbox.',
    )
    .action(async () => {
      const { terminal } = context;
      const findings: Finding[] = [];
      for await (const finding of examine(context)) {
        findings.push(finding);
        if (context.json) continue;
        const mark = {
          ok: terminal.style('green', '✓'),
          warning: terminal.style('yellow', '!'),
          failure: terminal.style('red', '✗'),
          skipped: terminal.style('dim', '–'),
        }[finding.verdict];
        terminal.say(terminal.wrap(`${mark} ${finding.sentence}`, '  '));
        if (finding.todo) terminal.say(terminal.wrap(`  → ${finding.todo}`, '    '));
      }
      const failed = findings.filter(({ verdict }) => verdict === 'failure').length;
      if (failed) context.exitCode = 1;
      if (context.json) return terminal.json({ ok: failed === 0, findings });
      terminal.say();
      terminal.say(
        failed
          ? terminal.style('red', `${failed === 1 ? 'One thing is' : `${failed} things are`} wrong.`)
          : terminal.style('green', 'All is well.'),
      );
    });
  examples(command, ['carillon doctor', 'carillon doctor --url https://carillon.example.com --json']);
}

/** Later checks need what earlier ones found; what cannot be checked is not guessed. */
async function* examine(context: Context): AsyncGenerator<Finding> {
  const { settings } = context;
  const { url, key, keyFrom, sandboxUrl } = settings;

  const live = await look(`${url}/health/live`);
  if ('problem' in live || !live.ok) {
    yield {
      check: 'reachable',
      verdict: 'failure',
      sentence:
        'problem' in live
          ? `Nobody answers at ${url} (${live.problem}).`
          : `${url} answers, but not as Carillon does (HTTP ${live.status}).`,
      todo: 'Start it with `npm start`, or say where it is: --url or CARILLON_API_URL.',
    };
    return;
  }
  yield { check: 'reachable', verdict: 'ok', sentence: `Carillon answers at ${url} in ${live.ms} ms.` };

  yield* readiness(await look(`${url}/health/ready`));

  if (live.date) {
    const skew = Math.abs(Date.now() - live.ms / 2 - live.date.getTime());
    yield skew < 5000
      ? { check: 'clock', verdict: 'ok', sentence: 'The clocks of this machine and the server agree.' }
      : {
          check: 'clock',
          verdict: 'warning',
          sentence: `The clocks of this machine and the server are ${duration(skew / 1000)} apart: sendAt and expiresAt would be off.`,
          todo: 'Set both by NTP.',
        };
  }

  if (!key) {
    yield {
      check: 'key',
      verdict: 'failure',
      sentence: 'There is no API key.',
      todo: `Make one at ${url} under API keys, and set CARILLON_API_KEY.`,
    };
  } else yield* workspace(context, keyFrom);

  if (sandboxUrl) {
    const sandbox = await look(sandboxUrl);
    yield 'problem' in sandbox || !sandbox.ok
      ? {
          check: 'sandbox',
          verdict: 'failure',
          sentence: `The sandbox does not answer at ${sandboxUrl}.`,
          todo: 'Stop `npm start` and start it again.',
        }
      : {
          check: 'sandbox',
          verdict: 'ok',
          sentence: `The sandbox answers: what is sent arrives at ${sandboxUrl}`,
        };
  }
}

function* readiness(answer: Looked): Generator<Finding> {
  if ('problem' in answer || answer.status === 401 || answer.status === 403) {
    yield {
      check: 'ready',
      verdict: 'skipped',
      sentence: 'Readiness is told only to the machine itself or with a token.',
    };
    return;
  }
  const {
    checks = {},
    sentences = [],
    ready,
  } = (answer.body ?? {}) as { ready?: boolean; checks?: Record<string, string>; sentences?: string[] };
  const todo: Record<string, string> = {
    database: 'See the log of PostgreSQL; DATABASE_URL says where it is looked for.',
    migrations:
      'Run the migrations: they are applied by `npm start`, or by the one-shot `migrate` container.',
    durability: 'Change what the next lines name: accepted messages could be lost.',
    open: 'It is stopping: ask again in a moment.',
    queue: 'See the log; QUEUE_URL says where Redis is looked for, without it PostgreSQL carries the queues.',
  };
  for (const [name, state] of Object.entries(checks)) {
    if (name === 'open' && state === 'ok') continue;
    yield state === 'ok'
      ? { check: name, verdict: 'ok', sentence: `${name.charAt(0).toUpperCase()}${name.slice(1)}: ready.` }
      : {
          check: name,
          verdict: 'failure',
          sentence: `${name.charAt(0).toUpperCase()}${name.slice(1)}: not ready.`,
          ...(todo[name] ? { todo: todo[name] } : {}),
        };
  }
  for (const sentence of sentences) yield { check: 'stores', verdict: 'warning', sentence };
  if (Object.keys(checks).length === 0 && !(ready ?? answer.ok))
    yield {
      check: 'ready',
      verdict: 'failure',
      sentence: 'It is not ready.',
      todo: 'See the log of the service.',
    };
}

async function* workspace({ carillon, stop, settings }: Context, keyFrom: string): AsyncGenerator<Finding> {
  const options = { signal: stop, maxRetries: 0 };
  let held: readonly string[];
  try {
    const me = await carillon.me(options);
    held = me.scopes;
    yield {
      check: 'key',
      verdict: 'ok',
      sentence: `The key from ${keyFrom} is valid, for the workspace ${me.workspace.name}.`,
    };
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error;
    yield {
      check: 'key',
      verdict: 'failure',
      sentence:
        error instanceof AuthenticationProblem
          ? `The key from ${keyFrom} is not accepted: it is wrong, expired or revoked.`
          : error.message,
      todo: `Make one at ${settings.url} under API keys, and set CARILLON_API_KEY.`,
    };
    return;
  }
  const missing = (Object.keys(scopes) as ScopeName[]).filter((scope) => !held.includes(scope));
  yield missing.length === 0
    ? { check: 'scopes', verdict: 'ok', sentence: 'The key may do everything.' }
    : {
        check: 'scopes',
        verdict: held.includes('messages:write') ? 'ok' : 'warning',
        sentence: `The key may not ${missing.map((scope) => `${scopes[scope]} (${scope})`).join('; ')}.`,
      };

  try {
    const accounts = await carillon.accounts.list(options);
    for (const channel of channels) {
      const own = accounts.filter((account) => account.channel === channel);
      const working = own.filter(({ health }) => health.state !== 'paused' && health.state !== 'failing');
      const title = channelTitles[channel];
      if (own.length === 0) {
        // In-app needs no provider: it is stored and streamed by Carillon itself.
        if (channel === 'in-app') continue;
        yield {
          check: `account ${channel}`,
          verdict: 'warning',
          sentence: `There is no provider account for ${title}: nothing can be sent by it.`,
          todo: 'Make one in the dashboard under provider accounts.',
        };
      } else if (working.length === 0) {
        const [first] = own;
        yield {
          check: `account ${channel}`,
          verdict: 'failure',
          sentence: `No provider account for ${title} works. ${first?.name}: ${first?.health.sentence}`,
          todo: 'See the dashboard under provider accounts; what is due waits meanwhile.',
        };
      } else {
        const sentences = own.map(({ name, health }) => `${name}: ${health.sentence}`);
        yield {
          check: `account ${channel}`,
          verdict: working.some(({ health }) => health.state === 'degraded') ? 'warning' : 'ok',
          sentence: `${title}: ${sentences.join(' ')}`,
        };
      }
    }
  } catch (error) {
    if (!(error instanceof ForbiddenProblem)) throw error;
    yield {
      check: 'accounts',
      verdict: 'skipped',
      sentence: 'The key may not see provider accounts (accounts:read).',
    };
  }
}

type Looked =
  { problem: string } | { ok: boolean; status: number; ms: number; date: Date | undefined; body: unknown };

async function look(url: string): Promise<Looked> {
  const started = performance.now();
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: 'manual' });
    const ms = Math.round(performance.now() - started);
    const text = await response.text();
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      body = undefined; // A page, not a report.
    }
    const date = response.headers.get('date');
    return { ok: response.ok, status: response.status, ms, date: date ? new Date(date) : undefined, body };
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
    return { problem: code || (error instanceof Error ? error.message : 'no connection') };
  }
}
