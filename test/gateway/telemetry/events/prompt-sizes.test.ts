import { expect, test } from 'vitest';
import { PromptSizes } from '../../../../gateway/telemetry/events/prompt-sizes.ts';

const CHAT = '/v1/chat/completions';

test('a prompt has about as many tokens as the line through those before says', () => {
  const sizes = new PromptSizes();
  for (let i = 0; i < 50; i++) sizes.learn('m', CHAT, 100 * i, 12 + 25 * i);
  expect(sizes.guess('m', CHAT, 1_000)).toBe(262);
  expect(sizes.guess('m', CHAT, 0)).toBe(12);
});

test('prompts of one length have as many as those before', () => {
  const sizes = new PromptSizes();
  for (let i = 0; i < 50; i++) sizes.learn('m', CHAT, 400, 101);
  expect(sizes.guess('m', CHAT, 400)).toBe(101);
  expect(sizes.guess('m', CHAT, 0)).toBe(101);
});

test('nothing is guessed from a few, nor from another model or route, and no prompt is without a token', () => {
  const sizes = new PromptSizes();
  for (let i = 1; i <= 4; i++) sizes.learn('m', CHAT, 100 * i, 25 * i);
  expect(sizes.guess('m', CHAT, 100)).toBeNull();
  sizes.learn('m', CHAT, 500, 125);
  expect(sizes.guess('m', CHAT, 100)).toBe(25);
  expect(sizes.guess('m', CHAT, 0)).toBe(1);
  expect(sizes.guess('other', CHAT, 100)).toBeNull();
  expect(sizes.guess('m', '/v1/completions', 100)).toBeNull();
});

test('what prompts were like long ago is forgotten', () => {
  const sizes = new PromptSizes();
  for (let i = 0; i < 500; i++) sizes.learn('m', CHAT, 100 + (i % 7), 25);
  for (let i = 0; i < 1_000; i++) sizes.learn('m', CHAT, 100 + (i % 7), 50);
  expect(sizes.guess('m', CHAT, 103)).toBe(50);
});
