import { expect, test } from 'vitest';
import { Prose, type Script } from '../../../../supervisor/sim/text/prose.ts';
import { encode } from '../../../../supervisor/sim/text/tokenizer.ts';

const PROMPT = encode('Tell me of the river, and of the mill.');

function idsOf(script: Script, most: number): number[] {
  const ids: number[] = [];
  for (let token = script.next(); token !== null && ids.length < most; token = script.next()) ids.push(token.id);
  return ids;
}

test('a text goes on from wherever it was broken off, as that of a model does', () => {
  const whole = idsOf(Prose.after(PROMPT, 1, 0, 120), 400);
  expect(whole.length).toBeGreaterThan(100);
  for (let at = 1; at < whole.length; at++) {
    const rest = idsOf(Prose.after([...PROMPT, ...whole.slice(0, at)], 1, 0, Math.max(0, 120 - at)), 400);
    expect(rest, `after ${at} tokens`).toEqual(whole.slice(at));
  }
});

test('what another seed has said is a prompt like any other', () => {
  const others = idsOf(Prose.after(PROMPT, 2, 0, 0), 40);
  const rest = idsOf(Prose.after([...PROMPT, ...others], 1, 0, 0), 8);
  expect(rest).toEqual(idsOf(new Prose(0, 0), 8));
});
