import { describe, expect, test } from 'vitest';
import { findGpu } from '../../../../supervisor/sim/card/find-gpu.ts';
import { describeModel } from '../../../../supervisor/sim/model/describe-model.ts';
import { stepCost, stepMs } from '../../../../supervisor/sim/engine/step-time.ts';

const MISTRAL = describeModel('mistralai/Mistral-7B-Instruct-v0.3-AWQ', null);

interface Load {
  readonly gpu: string;
  readonly batch?: number;
  readonly context?: number;
  readonly prefill?: number;
  readonly eager?: boolean;
}

/** Milliseconds of a step that decodes `batch` sequences of `context` tokens each, and computes `prefill` tokens of prompts. */
function ms({ gpu, batch = 1, context = 200, prefill = 0, eager = false }: Load): number {
  const cost = stepCost(findGpu(gpu)!, MISTRAL, { enforceEager: eager, kvCacheBytesPerElement: 2 });
  return stepMs(cost, {
    sampled: [],
    admitted: [],
    preempted: [],
    prefillTokens: prefill,
    decodeTokens: batch,
    contextTokens: batch * context,
  });
}

describe('a step of a 7B model at 4 bits', () => {
  test('decodes one stream at half to two thirds of what the memory of the card allows', () => {
    for (const [gpu, roof] of [
      ['t4', 76],
      ['l4', 72],
      ['rtx-a4000', 107],
      ['rtx-3060', 86],
      ['rtx-4080', 171],
    ] as const) {
      const perSecond = 1000 / ms({ gpu });
      expect(perSecond).toBeGreaterThan(roof * 0.5);
      expect(perSecond).toBeLessThan(roof * 0.75);
    }
  });

  test('takes little longer for eight streams than for one, and much longer for 128', () => {
    expect(ms({ gpu: 'l4', batch: 8 })).toBeLessThan(ms({ gpu: 'l4' }) * 1.3);
    expect(ms({ gpu: 'l4', batch: 128 })).toBeGreaterThan(ms({ gpu: 'l4' }) * 2);
  });

  test('takes longer with a longer context, with a prompt to compute, and without CUDA graphs', () => {
    const plain = ms({ gpu: 'l4', batch: 8 });
    expect(ms({ gpu: 'l4', batch: 8, context: 4000 })).toBeGreaterThan(plain * 1.2);
    expect(ms({ gpu: 'l4', batch: 8, prefill: 2048 })).toBeGreaterThan(plain * 5);
    expect(ms({ gpu: 'l4', batch: 8, eager: true })).toBeGreaterThan(plain);
  });

  test('favors the card with the faster memory when decoding and the one with the faster arithmetic for prompts', () => {
    expect(ms({ gpu: 'rtx-a4000' })).toBeLessThan(ms({ gpu: 'l4' }));
    expect(ms({ gpu: 'l4', prefill: 2048 })).toBeLessThan(ms({ gpu: 'rtx-a4000', prefill: 2048 }));
  });
});
