/**
 * Rendering in the process that asks, for templates that are compiled: bounded by construction, so nothing has to be
 * killed (libs/content/src/compiled.ts). Reading a template is not bounded in that way. Therefore a process for rendering
 * goes first: only a template that it has read and rendered within its limits is read here. Called by render-pool.ts.
 */
import type { Channel as ChannelName } from '@carillon/contracts';
import { NotHere, type RenderInput, type RenderResult } from '@carillon/delivery-rules';
import { channelShapes } from './channels.js';

/** Templates remembered; a forgotten one is tried out again. */
const REMEMBERED = 10_000;

export class RenderHere {
  /** Template versions that a process has rendered, and whether they can be rendered here. */
  private readonly tried = new Map<ChannelName, Map<string, boolean>>();

  /** Undefined until a process has rendered the template; afterwards whether it is worth trying here. */
  knows(channel: ChannelName, { cacheKey }: RenderInput): boolean | undefined {
    return this.tried.get(channel)?.get(cacheKey);
  }

  /** A process has given an answer, so that the template is harmless to read. */
  learn(channel: ChannelName, input: RenderInput): void {
    if (this.knows(channel, input) !== undefined) return;
    this.remember(channel, input, true);
  }

  /** @returns undefined when this message needs a process */
  render(channel: ChannelName, input: RenderInput): RenderResult<unknown> | undefined {
    try {
      return channelShapes[channel].render(input, true);
    } catch (error) {
      if (!(error instanceof NotHere)) throw error;
      if (error.always) this.remember(channel, input, false);
      return undefined;
    }
  }

  private remember(channel: ChannelName, { cacheKey }: RenderInput, here: boolean): void {
    const tried = this.tried.get(channel) ?? new Map<string, boolean>();
    if (tried.size >= REMEMBERED) tried.clear();
    this.tried.set(channel, tried.set(cacheKey, here));
  }
}
