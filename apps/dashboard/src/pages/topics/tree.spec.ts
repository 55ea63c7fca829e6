import { describe, expect, it } from '@jest/globals';
import type { Topic } from '@carillon/contracts';
import { inTree, possibleParents } from './tree.js';

const topic = (key: string, parent: string | null = null) =>
  ({ key, parent, name: { en: key } }) as unknown as Topic;
const topics = [
  topic('offers'),
  topic('news.weekly', 'news'),
  topic('news'),
  topic('news.events', 'news'),
  topic('lost', 'gone'),
];

describe('topics', () => {
  it('stand below their parents, in their order', () =>
    expect(inTree(topics).map(({ topic: { key }, depth }) => `${depth} ${key}`)).toEqual([
      '0 offers',
      '0 news',
      '1 news.weekly',
      '1 news.events',
      '0 lost',
    ]));
  it('that lead back to each other are all shown', () =>
    expect(inTree([topic('a', 'b'), topic('b', 'a')])).toHaveLength(2));
  it('never stand below themselves', () =>
    expect(possibleParents(topics, 'news').map(({ key }) => key)).toEqual(['offers', 'lost']));
});
