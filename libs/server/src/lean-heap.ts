/**
 * While very much is read or moved, the heap stays near what is alive in it. Left alone, V8 lets it grow to a multiple of that before
 * it looks at all of it, and a million rows that each live for a moment fill whatever it may have.
 */
import v8 from 'node:v8';
import vm from 'node:vm';

/** How much the heap may grow, in percent of what was alive when it was last looked at. */
const GROWTH = 15;
let wanted = 0;

/** From now on; several may want it. @returns what ends it, to be called once */
export function leanHeap(): () => void {
  if (wanted++ === 0) {
    v8.setFlagsFromString(`--heap-growing-percent=${GROWTH}`);
    // How far it may grow now was decided when it was last collected, or at the start of the process.
    collect();
  }
  return () => {
    if (--wanted === 0) v8.setFlagsFromString('--heap-growing-percent=0');
  };
}

/** Runs `work` so. */
export async function withLeanHeap<T>(work: () => Promise<T>): Promise<T> {
  const end = leanHeap();
  try {
    return await work();
  } finally {
    end();
  }
}

function collect(): void {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc') as () => void;
  v8.setFlagsFromString('--no-expose-gc');
  gc();
}
