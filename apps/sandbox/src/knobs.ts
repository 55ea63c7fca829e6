/**
 * The knobs: how the sandbox misbehaves for everyone, on top of the magic addresses. One validated value, changed
 * in code (tests) or by PUT /sandbox/knobs (people). Nothing else configures a running sandbox.
 */
import type { ProblemError } from '@carillon/contracts';
import { z } from 'zod';

const number = (max: number, what: string) => {
  const error = `Write ${what} from 0 to ${max}.`;
  return z.number({ error }).min(0, { error }).max(max, { error });
};
const whole = (max: number, what: string) =>
  number(max, what).int({ error: `Write ${what} from 0 to ${max}.` });
const rate = number(1, 'a share');
const ms = whole(600_000, 'whole milliseconds');
const seconds = whole(3600, 'whole seconds');
const shared = {
  latencyMs: ms.describe('Every answer waits this long.'),
  slowMs: ms.describe('How long the magic "slow" recipients wait.'),
  failRate: rate.describe('Share of messages refused with errorCode, 0 to 1.'),
  silentRate: rate.describe('Share of messages taken but never answered, 0 to 1.'),
};

export const smsErrors = [20003, 20429, 20500, 20503, 21211, 21408, 21610, 21612, 21614] as const;
export const pushErrors = [
  'UNREGISTERED',
  'INVALID_ARGUMENT',
  'SENDER_ID_MISMATCH',
  'QUOTA_EXCEEDED',
  'UNAVAILABLE',
  'INTERNAL',
  'THIRD_PARTY_AUTH_ERROR',
] as const;

const smtpCode = 'Write an SMTP reply code from 400 to 599.';

export const Knobs = z.strictObject({
  keep: whole(100_000, 'a whole number').describe('Messages kept per channel; 0 keeps and parses none.'),
  email: z.strictObject({
    ...shared,
    errorCode: z
      .number({ error: smtpCode })
      .int({ error: smtpCode })
      .min(400, { error: smtpCode })
      .max(599, { error: smtpCode })
      .describe('SMTP reply code of failRate.'),
  }),
  sms: z.strictObject({
    ...shared,
    errorCode: z.union(smsErrors.map((code) => z.literal(code))).describe('Twilio error code of failRate.'),
    receiptMs: ms.describe('Pause before each status callback.'),
    undeliveredRate: rate.describe('Share of accepted messages whose receipt says undelivered (30003).'),
    retryAfterSeconds: seconds.describe('Retry-After of a 429.'),
  }),
  push: z.strictObject({
    ...shared,
    errorCode: z.enum(pushErrors).describe('FCM error code of failRate.'),
    retryAfterSeconds: seconds.describe('Retry-After of a 429 or 503.'),
  }),
});
export type Knobs = z.infer<typeof Knobs>;

export const KnobsChange = z.strictObject({
  keep: Knobs.shape.keep.optional(),
  email: Knobs.shape.email.partial().optional(),
  sms: Knobs.shape.sms.partial().optional(),
  push: Knobs.shape.push.partial().optional(),
});
export type KnobsChange = z.infer<typeof KnobsChange>;

const calm = { latencyMs: 0, slowMs: 3000, failRate: 0, silentRate: 0 };
const defaults = (keep: number): Knobs => ({
  keep,
  email: { ...calm, errorCode: 451 },
  sms: { ...calm, errorCode: 20503, receiptMs: 100, undeliveredRate: 0, retryAfterSeconds: 2 },
  push: { ...calm, errorCode: 'UNAVAILABLE', retryAfterSeconds: 2 },
});

/** Thrown by `set` in code; over HTTP it becomes a problem with one entry per error. */
export class KnobsError extends Error {
  override readonly name = 'KnobsError';
  constructor(readonly errors: ProblemError[]) {
    super(errors.map((e) => `${e.pointer || '/'}: ${e.message}`).join(' '));
  }
}

export class KnobsPanel {
  readonly #keep: number;
  /** Replaced as a whole at each change; the servers read it for every message. */
  current: Knobs;

  constructor(
    keep: number,
    private readonly changed: () => void,
  ) {
    this.#keep = keep;
    this.current = defaults(keep);
  }

  /** Turns the given knobs and leaves the others. Throws `KnobsError` and changes nothing when one is wrong. */
  set(change: KnobsChange): Knobs {
    const parsed = KnobsChange.safeParse(change);
    if (!parsed.success) throw new KnobsError(parsed.error.issues.flatMap(explain));
    const { keep, email, sms, push } = parsed.data;
    const { current } = this;
    this.current = {
      keep: keep ?? current.keep,
      email: { ...current.email, ...email },
      sms: { ...current.sms, ...sms },
      push: { ...current.push, ...push },
    };
    this.changed();
    return this.current;
  }

  /** Back to a sandbox that accepts everything at once. */
  reset(): Knobs {
    this.current = defaults(this.#keep);
    this.changed();
    return this.current;
  }
}

function explain(issue: z.core.$ZodIssue): ProblemError[] {
  const pointer = issue.path.map((part) => `/${String(part)}`).join('');
  if (issue.code === 'unrecognized_keys') {
    const group = issue.path[0] as 'email' | 'sms' | 'push' | undefined;
    const known = Object.keys(group ? Knobs.shape[group].shape : Knobs.shape).join(', ');
    return issue.keys.map((key) => ({
      pointer: `${pointer}/${key}`,
      code: 'unknown_knob',
      message: `There is no such knob. Use one of: ${known}.`,
    }));
  }
  if (issue.code === 'invalid_union') {
    return [{ pointer, code: 'invalid_value', message: `Write one of: ${smsErrors.join(', ')}.` }];
  }
  if (issue.code === 'invalid_value') {
    return [{ pointer, code: issue.code, message: `Write one of: ${issue.values.join(', ')}.` }];
  }
  return [{ pointer, code: issue.code, message: issue.message.replace(/\.?$/, '.') }];
}
