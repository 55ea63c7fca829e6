import { describe, expect, it } from '@jest/globals';
import type { JourneyDefinition } from '@carillon/contracts';
import { JourneyDefinition as Shape } from '@carillon/contracts';
import {
  begin,
  differences,
  insert,
  leadsInto,
  leadsTo,
  lineDifferences,
  put,
  redo,
  remove,
  rename,
  replace,
  stepKinds,
  textOf,
  theStart,
  undo,
  walk,
  waysOf,
  withAt,
} from './document.js';
import { arrange, neighbour } from './layout.js';
import { ENTRY } from './layout-names.js';
import { blank, ready } from './ready.js';

/** As the canvas writes it: a way that leads nowhere is there, and null. */
const cart = withAt(
  ready.find(({ key }) => key === 'abandoned-cart')?.definition as JourneyDefinition,
  ['steps', 'worth-it', 'otherwise'],
  null,
);

describe('ready journeys', () => {
  it.each([...ready.map(({ key, definition }) => [key, definition] as const), ['blank', blank] as const])(
    '%s is a whole document, written as the API keeps it',
    (_, definition) => {
      expect(Shape.parse(definition)).toEqual(definition);
      expect(walk(definition).size).toBe(Object.keys(definition.steps).length);
    },
  );
});

describe('putting a step in and taking it out', () => {
  it.each(stepKinds.filter((kind) => kind !== 'end'))('%s: what came next comes after it', (kind) => {
    for (const [from, step] of Object.entries(cart.steps))
      for (const { at } of waysOf(step)) {
        const where = { from, at };
        const after = leadsTo(cart, where);
        const { document, key } = insert(cart, where, kind);
        expect(leadsTo(document, where)).toBe(key);
        expect(waysOf(document.steps[key] as never).map(({ next }) => next)).toContain(after);
        expect(textOf(remove(document, key)?.document as JourneyDefinition)).toBe(textOf(cart));
      }
  });
  it('takes steps along that only its other ways led to, and names them', () => {
    const taken = remove(cart, 'worth-it');
    expect(taken?.gone).toEqual(['worth-it']);
    expect(leadsTo(taken?.document as JourneyDefinition, { from: 'a-day', at: ['next'] })).toBe('discount');
    const winBack = ready.find(({ key }) => key === 'win-back')?.definition as JourneyDefinition;
    const without = remove(winBack, 'which');
    expect(without?.gone).toEqual(['which', 'news']);
    expect(without?.document.start).toBe('discount');
    expect(Object.keys(without?.document.steps ?? {})).toEqual([
      'discount',
      'clicked',
      'interested',
      'asleep',
    ]);
  });
  it('goes on after a listening where nothing happened, and after a condition where it holds', () => {
    const where = { from: 'remind', at: ['next'] };
    expect(insert(cart, where, 'listen').document.steps.listen).toMatchObject({ otherwise: 'a-day' });
    expect(insert(cart, where, 'condition').document.steps.condition).toMatchObject({
      branches: [{ next: 'a-day' }],
      otherwise: null,
    });
  });
  it('leaves the last step where it is', () => {
    expect(remove(blank, 'end')).toBeNull();
  });
  it('has another kind in its place lead on to the same', () => {
    const document = replace(cart, 'a-day', 'throttle');
    expect(document.steps['a-day']).toMatchObject({ kind: 'throttle', next: 'worth-it' });
    expect(leadsInto(document, 'a-day')).toEqual([{ from: 'remind', at: ['next'] }]);
  });
  it('renames a step wherever it is named', () => {
    const named = withAt(cart, ['exits'], [{ name: 'Clicked', on: { message: 'clicked', step: 'remind' } }]);
    const document = rename(named, 'remind', 'first-reminder');
    expect(leadsTo(document, { from: 'settle', at: ['otherwise'] })).toBe('first-reminder');
    expect(document.exits).toEqual([{ name: 'Clicked', on: { message: 'clicked', step: 'first-reminder' } }]);
    expect(rename(cart, 'remind', 'settle')).toBe(cart);
    const { document: first } = insert(cart, theStart, 'wait');
    expect(rename(first, 'wait', 'begin').start).toBe('begin');
  });
});

describe('undo', () => {
  it('takes back what was typed in one go, step by step otherwise', () => {
    let state = begin('a');
    state = put(state, 'ab', 'name');
    state = put(state, 'abc', 'name');
    state = put(state, 'x');
    state = undo(state);
    expect(state.now).toBe('abc');
    state = undo(state);
    expect(state.now).toBe('a');
    expect(undo(state).now).toBe('a');
    state = redo(redo(state));
    expect(state.now).toBe('x');
    expect(put(undo(state), 'y').future).toEqual([]);
  });
});

describe('comparing', () => {
  it('marks what is new, gone and changed, whatever the order of keys', () => {
    const { document } = insert(cart, theStart, 'wait');
    const after = withAt(document, ['steps', 'a-day', 'for'], '2d');
    const { steps, settings } = differences(cart, after);
    expect([...steps]).toEqual([
      ['a-day', 'changed'],
      ['wait', 'added'],
    ]);
    expect(settings).toEqual(['start']);
    expect(differences(after, cart).steps.get('wait')).toBe('removed');
    const turned = Object.fromEntries(Object.entries(cart).reverse()) as JourneyDefinition;
    expect(differences(cart, turned)).toEqual({ steps: new Map(), settings: [] });
    expect(textOf(turned)).toBe(textOf(cart));
  });
  it.each([
    ['a\nb\nc', 'a\nc', ' a|-b| c'],
    ['a\nc', 'a\nb\nc', ' a|+b| c'],
    ['a', 'b', '-a|+b'],
    ['a\nb\nc\nd', 'a\nc\nx\nd', ' a|-b| c|+x| d'],
    ['', '', ' '],
  ])('%j to %j line by line', (before, after, told) => {
    const signs = { same: ' ', added: '+', removed: '-' };
    expect(
      lineDifferences(before, after)
        .map(({ mark, text }) => signs[mark] + text)
        .join('|'),
    ).toBe(told);
  });
});

describe('the layout', () => {
  it('stands steps below what leads to them, and arrows walk along it', () => {
    const drawn = arrange(cart, () => 80);
    const top = (id: string) => drawn.nodes.get(id)?.y ?? NaN;
    expect(top('settle')).toBeGreaterThan(top(ENTRY));
    expect(top('remind')).toBeGreaterThan(top('settle'));
    expect(neighbour(drawn, ENTRY, 'ArrowDown')).toBe('settle');
    expect(neighbour(drawn, 'settle', 'ArrowUp')).toBe(ENTRY);
    expect(neighbour(drawn, 'discount', 'ArrowDown')).toBeUndefined();
    const two = arrange(
      ready.find(({ key }) => key === 'win-back')?.definition as JourneyDefinition,
      () => 80,
    );
    const aside = neighbour(two, 'discount', 'ArrowRight') ?? neighbour(two, 'discount', 'ArrowLeft');
    expect(aside).toBe('news');
  });
  it('draws a journey that leads nowhere, or round in a ring', () => {
    const ring = withAt(cart, ['steps', 'discount', 'next'], 'settle');
    expect(arrange(ring, () => 80).edges).toHaveLength(1 + Object.values(ring.steps).flatMap(waysOf).length);
    const lost = withAt(cart, ['steps', 'discount', 'next'], 'nowhere');
    expect(arrange(lost, () => 80).edges.find(({ from }) => from === 'discount')?.ends).toBe(true);
  });
});
