/** Passwords: argon2id (RFC 9106) at the strength OWASP asks for, and a brake on guessing. */
import { Algorithm, hash, verify } from '@node-rs/argon2';
import { ProblemException } from './problem.js';

const strength = { algorithm: Algorithm.Argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** @returns a PHC string: algorithm, cost, salt and hash */
export const hashPassword = (password: string): Promise<string> => hash(password, strength);

let nobody: Promise<string> | undefined;
/** @param stored null for a person who does not exist: takes as long, so that nobody can tell */
export async function isPassword(stored: string | null, password: string): Promise<boolean> {
  nobody ??= hashPassword('nobody has this password');
  const right = await verify(stored ?? (await nobody), password);
  return right && stored !== null;
}

const WINDOW_MS = 15 * 60_000;
const MOST_NAMES = 20_000;

/**
 * Counts failures per name within a quarter of an hour, in this process. With several API processes a guesser has as
 * many tries as there are processes: still far too few for a password of 12 characters.
 */
export class FailureBrake {
  private readonly failures = new Map<string, { count: number; since: number }>();

  /** @throws ProblemException rate_limited when one of the names has failed too often */
  check(limits: Readonly<Record<string, number>>): void {
    for (const [name, limit] of Object.entries(limits)) {
      const found = this.recent(name);
      if (!found || found.count < limit) continue;
      const seconds = Math.ceil((found.since + WINDOW_MS - Date.now()) / 1000);
      throw new ProblemException('rate_limited', 'Too many failed attempts to sign in: wait a few minutes.', {
        headers: { 'retry-after': String(Math.max(1, seconds)) },
      });
    }
  }

  failed(names: readonly string[]): void {
    for (const name of names) {
      const found = this.recent(name) ?? { count: 0, since: Date.now() };
      this.failures.delete(name);
      this.failures.set(name, { ...found, count: found.count + 1 });
    }
    for (const name of this.failures.keys()) {
      if (this.failures.size <= MOST_NAMES) break;
      this.failures.delete(name);
    }
  }

  succeeded(name: string): void {
    this.failures.delete(name);
  }

  private recent(name: string): { count: number; since: number } | undefined {
    const found = this.failures.get(name);
    return found && found.since + WINDOW_MS > Date.now() ? found : undefined;
  }
}
