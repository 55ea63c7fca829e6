/**
 * Calls that journeys make to servers of their owners: through the guarded way out, after the commit that says that one is on
 * its way, and recorded in another. A call whose answer was never recorded is made again; `carillon-call` is the same then.
 */
import { config } from '@carillon/config';
import type { StepOf } from '@carillon/contracts';
import { createHttpOut, DeadlineExceeded, hostsOfTenants, HttpOutError } from '@carillon/http-out';
import { durationMs, type Done } from '@carillon/scheduling-rules';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

const MOST_ANSWER_BYTES = 64 * 1024;
const USER_AGENT = 'Carillon-Journeys/1';

@Injectable()
export class JourneyCalls implements OnApplicationShutdown {
  private readonly out = createHttpOut({
    ...hostsOfTenants(config().out.allowPrivateNetworks),
    deadlineMs: 30_000,
    maxBytes: MOST_ANSWER_BYTES,
    connections: 64,
  });

  /** Never throws for what a server does. @param id the same for each try of the same step */
  async call(
    { url, method, headers, timeout }: StepOf<'call'>,
    id: string,
    body: unknown,
  ): Promise<Done & { again: boolean }> {
    const began = performance.now();
    const ms = () => Math.round(performance.now() - began);
    try {
      const answer = await this.out.request({
        method,
        url,
        headers: {
          accept: 'application/json',
          'user-agent': USER_AGENT,
          'carillon-call': id,
          ...headers,
          ...(method === 'GET' ? {} : { 'content-type': 'application/json' }),
        },
        ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
        deadlineMs: Math.min(durationMs(timeout), 30_000),
      });
      const { status } = answer;
      if (status >= 200 && status < 300)
        return { ok: true, again: false, saved: json(answer.body), detail: { status, ms: ms() } };
      return {
        ok: false,
        // What the caller did wrong stays wrong; what the server could not do it may do later.
        again: status >= 500 || status === 429 || status === 408,
        reason: `It answered ${status}.`,
        detail: { status, ms: ms() },
      };
    } catch (error) {
      if (!(error instanceof HttpOutError)) throw error;
      return {
        ok: false,
        again: true,
        late: error instanceof DeadlineExceeded,
        reason: error.message,
        detail: { status: null, ms: ms() },
      };
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.out.close();
  }
}

/** What is no JSON is kept as nothing: a journey asks for values. */
function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return null;
  }
}
