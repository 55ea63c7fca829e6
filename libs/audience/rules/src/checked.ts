/** The shape of every answer here: a value fit to be stored, or a code and a sentence that says what to write instead. */
export type Checked<T, Extra = unknown> =
  ({ ok: true; value: T; original: string } & Extra) | { ok: false; code: AddressProblem; sentence: string };

export type AddressProblem =
  | 'empty'
  | 'too_long'
  | 'control_character'
  | 'display_name'
  | 'not_an_email'
  | 'local_part'
  | 'domain'
  | 'not_a_phone'
  | 'no_country'
  | 'extension'
  | 'time_zone'
  | 'locale'
  | 'value';

/** A refusal, ready to be returned. */
export function refuse(
  code: AddressProblem,
  sentence: string,
): { ok: false; code: AddressProblem; sentence: string } {
  return { ok: false, code, sentence };
}
