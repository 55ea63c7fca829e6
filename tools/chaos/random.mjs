/** Random numbers that are the same for the same seed (mulberry32): a run that failed can be had again. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
/** A whole number from `low` to `high`, both included. */
export const between = (random, low, high) => low + Math.floor(random() * (high - low + 1));
