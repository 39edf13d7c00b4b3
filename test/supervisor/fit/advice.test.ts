import { describe, expect, test } from 'vitest';
import { BARELY, COMFORTABLE, relaxToFit } from '../../../supervisor/fit/advice.ts';
import type { EngineSettings } from '../../../supervisor/profile/profile.ts';
import { loadProfiles } from '../../../supervisor/profile/profile.ts';

const { shape, max_context: maxContext } = loadProfiles().models.get('llama-3.1-8b-instruct')!;

function relax(memoryGib: number, engine: EngineSettings, limits = COMFORTABLE, fixed: readonly string[] = [], weightsGib = 5.33) {
  return relaxToFit(() => ({ shape, weightsGib, maxContext }), engine, { memoryGib, computeCap: 8.6 }, limits, new Set(fixed));
}

const ASKED = { gpu_memory_utilization: 0.92, max_num_seqs: 256, max_num_batched_tokens: 8192, max_model_len: 32_768 };

describe('relaxing', () => {
  test('changes nothing where there is no need', () => {
    expect(relax(40, ASKED)).toMatchObject({ engine: ASKED, changes: [] });
  });

  test('takes from the batch first and from the context last', () => {
    const settings = (memoryGib: number, limits = COMFORTABLE) => relax(memoryGib, ASKED, limits)?.changes.map(({ setting }) => setting);
    expect(settings(15)).toEqual(['max_num_seqs', 'max_num_batched_tokens', 'max_model_len']);
    expect(settings(17)).toEqual(['max_num_seqs']);
    expect(settings(6.5, BARELY)).toContain('enforce_eager');
  });

  test('reports the first and the last value of a setting, in round lengths', () => {
    const { changes, engine } = relax(11.5, ASKED)!;
    expect(changes).toContainEqual({ setting: 'max_num_seqs', from: 256, to: 32 });
    const { from, to } = changes.find(({ setting }) => setting === 'max_model_len')!;
    expect(from).toBe(32_768);
    expect(Number(to) % 1024).toBe(0);
    expect(engine['max_model_len']).toBe(to);
  });

  test('leaves alone what is decided, and gives up where only that would help', () => {
    expect(relax(11.5, ASKED, BARELY, ['max_model_len'])).toMatchObject({ engine: { max_model_len: 32_768 } });
    expect(relax(9, ASKED, BARELY, ['max_model_len'])).toBeNull();
    expect(relax(7, ASKED, COMFORTABLE)).toBeNull();
  });

  test('always ends with as many requests as it promises, within the limits', () => {
    for (let memoryGib = 5; memoryGib < 30; memoryGib += 0.5)
      for (const limits of [COMFORTABLE, BARELY]) {
        const relaxed = relax(memoryGib, ASKED, limits);
        if (!relaxed) continue;
        expect(relaxed.fit.concurrency).toBeGreaterThanOrEqual(limits.concurrency);
        expect(relaxed.engine['max_num_seqs']).toBeGreaterThanOrEqual(limits.seqs);
        expect(relaxed.engine['max_model_len']).toBeGreaterThanOrEqual(limits.contextTokens);
        expect(relaxed.engine['max_num_batched_tokens']).toBeGreaterThanOrEqual(limits.batchedTokens);
        if (!limits.eager) expect(relaxed.engine).not.toHaveProperty('enforce_eager');
      }
  });

  test('never tries to make weights fit that are larger than the card', () => {
    expect(relax(11.5, ASKED, BARELY, [], 14.96)).toBeNull();
  });
});
