import { describe, expect, it } from '@jest/globals';
import { Precedence } from './precedence.js';

const LONG = 60_000;
/** Something that ends when it is told. */
function pending(): { end: () => void; fail: () => void; promise: Promise<void> } {
  let [end, fail] = [() => {}, () => {}];
  const promise = new Promise<void>((resolve, reject) => {
    end = () => resolve();
    fail = () => reject(new Error('as it may'));
  });
  return { end: () => end(), fail: () => fail(), promise };
}

describe('precedence', () => {
  it('has bulk work wait for all that is urgent, however it ends, and for nothing when there is none', async () => {
    const precedence = new Precedence();
    await precedence.room(LONG);
    const [one, other] = [pending(), pending()];
    const urgent = [precedence.first(() => one.promise), precedence.first(() => other.promise)];
    const said: string[] = [];
    const room = precedence.room(LONG).then(() => said.push('room'));
    one.end();
    await urgent[0];
    said.push('one ended');
    other.fail();
    await expect(urgent[1]).rejects.toThrow('as it may');
    await room;
    expect(said).toEqual(['one ended', 'room']);
    await precedence.room(LONG);
  });

  it('never has it wait for long', async () => {
    const precedence = new Precedence();
    const { end, promise } = pending();
    const urgent = precedence.first(() => promise);
    await precedence.room(1);
    end();
    await urgent;
  });

  it('has steps of bulk work go side by side, and one after the other while single messages come', async () => {
    const precedence = new Precedence();
    const begun: string[] = [];
    const step = (name: string, promise: Promise<void>) =>
      precedence.step(() => {
        begun.push(name);
        return promise;
      });
    const [one, other, third] = [pending(), pending(), pending()];
    const sideBySide = [step('one', one.promise), step('other', other.promise)];
    await precedence.room();
    expect(begun).toEqual(['one', 'other']);
    one.end();
    other.end();
    await Promise.all(sideBySide);

    await precedence.first(async () => {});
    const inTurn = [step('third', third.promise), step('last', Promise.resolve())];
    await precedence.room();
    await precedence.room();
    expect(begun).toEqual(['one', 'other', 'third']);
    third.fail();
    await expect(inTurn[0]).rejects.toThrow('as it may');
    await inTurn[1];
    expect(begun.at(-1)).toBe('last');
  });

  it('lets others go on while a step waits for something else', async () => {
    const precedence = new Precedence();
    await precedence.first(async () => {});
    const { end, promise } = pending();
    const waits = precedence.step(() => promise.then(() => 'came'));
    expect(await precedence.step(() => Promise.resolve('went on'))).toBe('went on');
    end();
    expect(await waits).toBe('came');
  });
});
