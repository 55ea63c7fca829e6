/**
 * Renders messages where a template can do no harm: compiled templates here, a few at a time; the others in processes with
 * a small heap, no secrets, and a limit on the time a message may take (docs/decisions/0007-render-in-a-process.md, 0009).
 * Batches share the processes in turns. Called by whoever renders content that others wrote: the dispatcher, previews, the
 * log's look at a message.
 */
import { availableParallelism } from 'node:os';
import { setImmediate as others, setTimeout as pause } from 'node:timers/promises';
import type { Channel as ChannelName } from '@carillon/contracts';
import type { RenderInput, RenderResult } from '@carillon/delivery-rules';
import { Logger, type OnApplicationShutdown } from '@nestjs/common';
import { RenderHere } from './render-here.js';
import { RENDER_MS, RenderProcess, type Death } from './render-process.js';
import type { RenderAnswer } from './render-worker.js';

/** Messages a process is given at a time, so that a code does not wait for a campaign's page. */
const AT_A_TIME = 25;

/** How long messages are rendered here before others have their turn. */
const SLICE_MS = 5;

/** A machine short of memory may soon have some again: starting is tried for some 15 seconds. */
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 8_000;

/** The same place seen from sources and from the build: only the compiled file can be started. */
const WORKER = new URL('../dist/render-worker.js', import.meta.url);

interface Job {
  channel: ChannelName;
  inputs: readonly RenderInput[];
  results: RenderResult<unknown>[];
  missing: number;
  resolve(results: RenderResult<unknown>[]): void;
  reject(error: Error): void;
}
/** Some messages of a job, by their places in it. */
interface Turn {
  job: Job;
  places: number[];
  atATime: number;
}

export class RenderPool implements OnApplicationShutdown {
  private readonly log = new Logger('RenderPool');
  private readonly waiting: Turn[] = [];
  private readonly idle: RenderProcess[] = [];
  private readonly processes = new Set<RenderProcess>();
  private starting = 0;
  private closed = false;

  /** @param most processes at once; one is started with the first work or `warm`, others when all are busy */
  constructor(
    private readonly most = Math.min(2, availableParallelism()),
    private readonly worker = WORKER,
    private readonly here: Pick<RenderHere, 'knows' | 'learn' | 'render'> = new RenderHere(),
  ) {}

  /** Starts a process now, so that the first message does not wait for it. Returns at once. */
  warm(): void {
    if (this.processes.size === 0 && !this.closed) void this.serve(this.start());
  }

  /**
   * The results in the order of the inputs. A message that takes too much of time or memory gets a result that says so;
   * the others are not affected. Rejects when no process can be started, and when the pool is closed.
   */
  async render(channel: ChannelName, inputs: readonly RenderInput[]): Promise<RenderResult<unknown>[]> {
    if (this.closed) throw closedError();
    const results: RenderResult<unknown>[] = [];
    let left = await this.renderHere(channel, inputs, [...inputs.keys()], results);
    // Of a template that nobody knows, one message goes ahead.
    const first = this.firstOfEach(channel, inputs, left);
    if (first.length > 0 && first.length < left.length) {
      await this.renderApart(channel, inputs, first, results);
      const gone = new Set(first);
      left = await this.renderHere(
        channel,
        inputs,
        left.filter((place) => !gone.has(place)),
        results,
      );
    }
    await this.renderApart(channel, inputs, left, results);
    return results;
  }

  /** In slices, so that nobody waits long. Returns the places of what needs a process. */
  private async renderHere(
    channel: ChannelName,
    inputs: readonly RenderInput[],
    places: readonly number[],
    results: RenderResult<unknown>[],
  ): Promise<number[]> {
    const left: number[] = [];
    let until = performance.now() + SLICE_MS;
    for (const place of places) {
      const input = inputs[place] as RenderInput;
      const result = this.here.knows(channel, input) ? this.here.render(channel, input) : undefined;
      if (result) results[place] = result;
      else left.push(place);
      if (!result || performance.now() < until) continue;
      await others();
      until = performance.now() + SLICE_MS;
    }
    return left;
  }

  private firstOfEach(
    channel: ChannelName,
    inputs: readonly RenderInput[],
    places: readonly number[],
  ): number[] {
    const first = new Map<string, number>();
    for (const place of places) {
      const input = inputs[place] as RenderInput;
      if (this.here.knows(channel, input) !== undefined || first.has(input.cacheKey)) continue;
      first.set(input.cacheKey, place);
    }
    return [...first.values()];
  }

  private async renderApart(
    channel: ChannelName,
    inputs: readonly RenderInput[],
    places: readonly number[],
    results: RenderResult<unknown>[],
  ): Promise<void> {
    const apart = await this.inProcesses(
      channel,
      places.map((place) => inputs[place] as RenderInput),
    );
    for (const [i, place] of places.entries()) results[place] = apart[i] as RenderResult<unknown>;
  }

  private inProcesses(
    channel: ChannelName,
    inputs: readonly RenderInput[],
  ): Promise<RenderResult<unknown>[]> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(closedError());
      if (inputs.length === 0) return resolve([]);
      const job = { channel, inputs, results: [], missing: inputs.length, resolve, reject };
      this.waiting.push({ job, places: [...inputs.keys()], atATime: AT_A_TIME });
      this.wake();
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.close();
  }

  /** Ends all processes, and what is still being rendered with an error. */
  async close(): Promise<void> {
    this.closed = true;
    for (const { job } of this.waiting.splice(0)) job.reject(closedError());
    await Promise.all([...this.processes].map((process) => (process.kill(), process.gone)));
  }

  private wake(): void {
    if (this.waiting.length === 0) return;
    const idle = this.idle.pop();
    if (idle) void this.serve(idle);
    else if (this.starting === 0 && this.processes.size < this.most) void this.serve(this.start());
  }

  private start(): RenderProcess {
    const process = new RenderProcess(this.worker);
    this.processes.add(process);
    void process.gone.then(() => {
      const at = this.idle.indexOf(process);
      if (at === -1) return;
      this.idle.splice(at, 1);
      this.processes.delete(process);
    });
    return process;
  }

  /** A process that can render, in the end; null when none could be started, after all that waited was told. */
  private async started(process: RenderProcess, retry?: Turn): Promise<RenderProcess | null> {
    this.starting++;
    try {
      for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
        const failure = await process.ready.then(
          () => null,
          (error: Error) => error,
        );
        if (!failure) return process;
        this.processes.delete(process);
        if (!this.closed) this.log.error(failure.message);
        if (pauseMs <= LAST_PAUSE_MS && !this.closed) await pause(pauseMs, undefined, { ref: false });
        if (pauseMs > LAST_PAUSE_MS || this.closed) return this.giveUp(failure, retry);
        process = this.start();
      }
    } finally {
      this.starting--;
    }
  }

  private giveUp(failure: Error, retry: Turn | undefined): null {
    retry?.job.reject(failure);
    // Another process may be there to do the rest.
    if (this.processes.size === 0) for (const { job } of this.waiting.splice(0)) job.reject(failure);
    return null;
  }

  /**
   * Works until nothing waits. Never rejects.
   * @param retry what to do first, in a new process
   */
  private async serve(given: RenderProcess, retry?: Turn): Promise<void> {
    const process = await this.started(given, retry);
    if (!process) return;

    for (let turn = retry ?? this.take(); turn; turn = this.take()) {
      const { job, places } = turn;
      const inputs = places.map((place) => withoutBytes(job.inputs[place] as RenderInput));
      let done = 0;
      try {
        const death = await process.render({ channel: job.channel, inputs }, (answer) => {
          const place = places[done++] as number;
          if (!('bug' in answer)) this.here.learn(job.channel, job.inputs[place] as RenderInput);
          this.settle(job, place, answer);
        });
        if (death)
          return this.replace(process, death, { ...turn, places: places.slice(done) }, turn === retry);
      } catch (error) {
        this.unsendable(turn, error);
      }
    }
    this.idle.push(process);
  }

  /** The next few messages; what is left of their batch queues up again behind the others. */
  private take(): Turn | undefined {
    const turn = this.waiting.shift();
    if (!turn) return undefined;
    const { places, atATime } = turn;
    if (places.length > atATime) this.waiting.push({ ...turn, places: places.slice(atATime) });
    this.wake();
    return { ...turn, places: places.slice(0, atATime) };
  }

  /**
   * A process died over the first of these messages. Unless it had done nothing else before, it may have been full of
   * other things: then that message is tried once more, as the first one of a new process. The others go one by one.
   */
  private replace(
    process: RenderProcess,
    death: Death,
    { job, places }: Turn,
    wasRetry: boolean,
  ): Promise<void> | void {
    this.processes.delete(process);
    if (this.closed) return job.reject(closedError());
    const [suspect, ...others] = places as [number, ...number[]];
    if (others.length > 0) this.waiting.push({ job, places: others, atATime: 1 });
    const certain = wasRetry || (process.answered === 0 && death !== 'unknown');
    if (!certain) return this.serve(this.start(), { job, places: [suspect], atATime: 1 });
    this.log.warn(`a message was given up (${death}), with the template ${job.inputs[suspect]?.cacheKey}`);
    this.settle(job, suspect, failed(job.channel, sentenceOf[death]));
    return this.serve(this.start());
  }

  /** JSON may be nested more deeply than what can be handed to another process. */
  private unsendable({ job, places }: Turn, error: unknown): void {
    if (places.length > 1) return void this.waiting.push({ job, places, atATime: 1 });
    const [place] = places as [number];
    this.log.warn(`a message could not be handed over: ${error instanceof Error ? error.name : 'unknown'}`);
    this.settle(job, place, failed(job.channel, 'Its data is nested too deeply to be rendered.'));
  }

  private settle(job: Job, place: number, answer: RenderAnswer): void {
    const input = job.inputs[place] as RenderInput;
    if ('bug' in answer) this.log.error(`rendering with the template ${input.cacheKey} threw`, answer.bug);
    job.results[place] =
      'bug' in answer ? failed(job.channel, 'Rendering failed on our side.') : withBytes(answer, input);
    job.missing--;
    if (job.missing === 0) job.resolve(job.results);
  }
}

const sentenceOf: Record<Death, string> = {
  time: `It took more than ${RENDER_MS} ms to render. Look for loops inside loops.`,
  memory: 'It took too much memory to render. Look for texts and lists that grow.',
  unknown: 'Rendering it ended the process that did it.',
};

const failed = (channel: ChannelName, detail: string): RenderResult<never> => ({
  ok: false,
  reason: 'template_error',
  detail,
  pointer: `/content/${channel}`,
});

const closedError = () => new Error('Rendering has been shut down.');

/** Channels pass attachments through: what is in them need not be sent there and back. */
const withoutBytes = (input: RenderInput): RenderInput =>
  input.attachments.length === 0
    ? input
    : { ...input, attachments: input.attachments.map((attachment) => ({ ...attachment, content: '' })) };

function withBytes(result: RenderResult<unknown>, { attachments }: RenderInput): RenderResult<unknown> {
  if (!result.ok || attachments.length === 0) return result;
  const rendered = result.rendered as object;
  return 'attachments' in rendered ? { ...result, rendered: { ...rendered, attachments } } : result;
}
