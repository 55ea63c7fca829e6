/** Topics in the order of the preference page, each below the one above it. Pure. */
import type { Topic } from '@carillon/contracts';

/** @returns every topic once; one whose parent is away or leads back to it stands at the top */
export function inTree(topics: readonly Topic[]): { topic: Topic; depth: number }[] {
  const keys = new Set(topics.map(({ key }) => key));
  const rows: { topic: Topic; depth: number }[] = [];
  const placed = new Set<string>();
  const place = (topic: Topic, depth: number): void => {
    if (placed.has(topic.key)) return;
    placed.add(topic.key);
    rows.push({ topic, depth });
    for (const below of topics) if (below.parent === topic.key) place(below, depth + 1);
  };
  for (const topic of topics) if (topic.parent === null || !keys.has(topic.parent)) place(topic, 0);
  for (const topic of topics) place(topic, 0);
  return rows;
}

/** Topics that may stand above one: not itself, and nothing below it. */
export function possibleParents(topics: readonly Topic[], key: string | undefined): Topic[] {
  const below = new Set(key === undefined ? [] : [key]);
  for (let size = 0; size < below.size;) {
    size = below.size;
    for (const topic of topics) if (topic.parent !== null && below.has(topic.parent)) below.add(topic.key);
  }
  return topics.filter((topic) => !below.has(topic.key));
}

export const nameOf = ({ name, key }: Topic): string => name.en ?? Object.values(name)[0] ?? key;
