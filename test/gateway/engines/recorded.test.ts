import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { LLAMA_CPP } from '../../../gateway/engines/llama-cpp.ts';
import { readModelPage } from '../../../gateway/engines/model-page.ts';
import { findUsage } from '../../../gateway/openai/usage.ts';

const recorded = (name: string): string => readFileSync(new URL(`recorded/llama-cpp/${name}`, import.meta.url), 'utf8');

test('what a real llama-server has answered is read', () => {
  expect(readModelPage(recorded('models.txt'))).toMatchObject({ kind: 'llama-cpp', models: [{ id: 'tiny' }] });
  for (const [page, name] of [
    [LLAMA_CPP.loads[0]!, 'metrics.txt'],
    [LLAMA_CPP.loads[1]!, 'slots.txt'],
  ] as const) {
    expect(page.read(recorded(name), null)).toMatchObject({ running: 0, waiting: 0, kvUsage: 0 });
  }
  const { from } = LLAMA_CPP.errors;
  expect(from(400, recorded('too-long.txt'), '/v1/chat/completions')).toMatchObject({ details: { code: 'context_length_exceeded' } });
  expect(from(404, recorded('unknown-path.txt'), '/classify').kind).toBe('unknown_url');
});

test('it counts the same in its usage, and in the timings with which a stream ends that was not asked for it', () => {
  const whole = findUsage(Buffer.from(recorded('chat.txt')));
  const stream = findUsage(Buffer.from(recorded('chat-stream.txt')));
  expect(whole!.outputTokens).toBeGreaterThan(0);
  expect([stream!.inputTokens, stream!.outputTokens]).toEqual([whole!.inputTokens, whole!.outputTokens]);
});
