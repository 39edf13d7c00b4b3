import { describe, expect, test } from 'vitest';
import { readModelPage } from '../../../gateway/engines/model-page.ts';

const page = (...cards: object[]) => JSON.stringify({ object: 'list', data: cards });

describe('a list of models', () => {
  test.each([
    ['vllm', 'vllm'],
    ['sglang', 'sglang'],
    ['tensorrt_llm', 'tensorrt-llm'],
    ['llamacpp', 'llama-cpp'],
    ['openai', null],
  ])('of %s tells the engine %s', (owner, kind) => {
    expect(readModelPage(page({ id: 'm', owned_by: owner }, { id: 'lora', owned_by: owner }))).toMatchObject({ kind, owners: [owner] });
  });

  test('of several owners is a service’s', () => {
    expect(readModelPage(page({ id: 'a', owned_by: 'vllm' }, { id: 'b', owned_by: 'openai' }))).toMatchObject({
      kind: null,
      owners: ['vllm', 'openai'],
    });
  });

  test('tells how long a prompt may be, by whatever name', () => {
    const cards = [
      { id: 'a', max_model_len: 1 },
      { id: 'b', meta: { n_ctx: 2 } },
      { id: 'c', context_length: 3 },
      { id: 'd', context_window: 4 },
      { id: 'e', max_model_len: 'x' },
    ];
    expect(readModelPage(page(...cards))!.models.map(({ maxModelLen }) => maxModelLen)).toEqual([1, 2, 3, 4, null]);
  });

  test('may come without an envelope; anything else is none', () => {
    expect(readModelPage('[{"id":"m"}]')!.models).toHaveLength(1);
    for (const other of ['', '{}', '<html>', 'null', '{"data":{}}']) expect(readModelPage(other)).toBeNull();
  });
});
