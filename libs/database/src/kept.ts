/**
 * Statements whose plans PostgreSQL keeps, per connection: where lists are short, planning takes longer than running. A kept plan
 * knows no values and may have been made when its tables were empty, so it is only ever made along indexes, whatever the tables
 * hold by then. A connection forgets them all once a minute (round-trip.ts), and PostgreSQL itself when a table changes.
 *
 * Of the log there is one per day, with the day in its text, so that the plan knows its partition. It names the rows by their
 * ids, `day = … AND id = ANY(…)`, also where they are joined with what belongs to them: that join is always a hash. Their workspace
 * IS NOT DISTINCT FROM the one that is asked for, which no index takes: with `=`, the index of people, which ends in an id as well,
 * looks cheap to PostgreSQL 18 (it skips), and is everybody of that workspace.
 */
import type { Statement } from './round-trip.js';

export interface Kept extends Statement {
  readonly name: string;
  readonly planning: 'kept' | 'log';
}

/** About tables that are not partitioned, or that are only inserted into. */
export const kept = (name: string, text: string): Kept => ({ name: once(name), text, planning: 'kept' });

/** Days of one statement that a process remembers: those of today and of what is tried again. */
const REMEMBERED_DAYS = 16;

/**
 * About one day of the log.
 * @param text given the day as a literal
 */
export function keptByDay(name: string, text: (day: string) => string): (day: string) => Kept {
  once(name);
  const days = new Map<string, Kept>();
  return (day) => {
    let statement = days.get(day);
    if (!statement) {
      if (!/^\d{4}-\d\d-\d\d$/.test(day)) throw new TypeError('not a day');
      statement = { name: `${name} ${day}`, text: text(`DATE '${day}'`), planning: 'log' };
      if (days.size >= REMEMBERED_DAYS) days.clear();
      days.set(day, statement);
    }
    return statement;
  };
}

/** A connection knows a statement by its name alone. */
const taken = new Set<string>();
function once(name: string): string {
  if (taken.has(name)) throw new Error(`two kept statements are called ${name}`);
  taken.add(name);
  return name;
}

export type Planning = Kept['planning'] | 'each';
/** `each`: with the values at hand. Of statements without a name PostgreSQL does that by itself. */
const settings: Record<Planning, Record<string, string>> = {
  each: {
    plan_cache_mode: 'auto',
    enable_seqscan: 'on',
    enable_mergejoin: 'on',
    enable_nestloop: 'on',
  },
  kept: {
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    enable_mergejoin: 'off',
    enable_nestloop: 'on',
  },
  log: {
    plan_cache_mode: 'force_generic_plan',
    enable_seqscan: 'off',
    enable_mergejoin: 'off',
    enable_nestloop: 'off',
  },
};
/** Calls of set_config that lead from one way of planning to another, until the transaction ends. */
export const toPlan = (planning: Planning, from: Planning): string[] =>
  Object.entries(settings[planning])
    .filter(([name, value]) => settings[from][name] !== value)
    .map(([name, value]) => `set_config('${name}', '${value}', true)`);
export const planningOf = (statement: Statement | undefined): Planning =>
  (statement as Partial<Kept> | undefined)?.planning ?? 'each';
