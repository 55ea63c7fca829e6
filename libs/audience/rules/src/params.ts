/** The parameters of one statement. A value that is asked for twice is sent once. */
export class Params {
  readonly values: unknown[] = [];
  private readonly known = new Map<string, string>();

  /** @returns the placeholder, with its type */
  add(value: unknown, type: string): string {
    const key = `${type} ${JSON.stringify(value)}`;
    const known = this.known.get(key);
    if (known) return known;
    const placeholder = `$${this.values.push(value)}::${type}`;
    this.known.set(key, placeholder);
    return placeholder;
  }
}
