/** Things to be done at their times, in order; of one time in the order in which they were added. A heap. */
interface Task {
  at: number;
  no: number;
  run: () => void;
}
const sooner = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.no < b.no);

export class TimedTasks {
  private readonly heap: Task[] = [];
  private no = 0;

  add(at: number, run: () => void): void {
    const { heap } = this;
    const task = { at, no: this.no++, run };
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!sooner(task, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = task;
  }

  get nextAt(): number | null {
    return this.heap[0]?.at ?? null;
  }

  /** Takes out the first one that is due by then. */
  next(until: number): Task | undefined {
    const { heap } = this;
    const first = heap[0];
    if (!first || first.at > until) return undefined;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && sooner(heap[child + 1]!, heap[child]!)) child += 1;
      if (!sooner(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}
