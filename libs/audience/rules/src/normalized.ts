/** A value made comparable, or a sentence that follows the name of the field: `email` + `is not …`. */
export type Normalized<More = unknown> =
  ({ ok: true; value: string; original: string } & More) | { ok: false; code: string; sentence: string };
