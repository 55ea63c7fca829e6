/**
 * JSON of any shape. What was parsed from JSON always is that, so it is looked over by hand, in a tenth of zod's time and
 * without a copy; only what does not pass is given to zod, which says in its words what is wrong.
 */
import { z } from 'zod';

/** Still zod's own schema, for those who describe it: only its way of judging is preceded by ours. */
export const AnyJson = z.json();
const careful = AnyJson._zod.run.bind(AnyJson._zod);
AnyJson._zod.run = (payload, context) => (isJson(payload.value) ? payload : careful(payload, context));

function isJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object': {
      if (value === null) return true;
      if (Array.isArray(value)) return value.every(isJson);
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) return false;
      for (const key of Object.keys(value))
        if (key === '__proto__' || !isJson((value as Record<string, unknown>)[key])) return false;
      return true;
    }
    default:
      return false;
  }
}
