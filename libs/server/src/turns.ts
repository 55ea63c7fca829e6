/** Lets so many at once; the others wait, in the order in which they came. */
export class Turns {
  private taken = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly most: number) {}

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.taken < this.most) this.taken += 1;
    else await new Promise<void>((go) => this.waiting.push(go));
    try {
      return await work();
    } finally {
      // Whoever is next has the turn of who ends.
      const next = this.waiting.shift();
      if (next) next();
      else this.taken -= 1;
    }
  }
}
