import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { BlockPool } from '../../../../supervisor/sim/engine/blocks.ts';
import { Scheduler } from '../../../../supervisor/sim/engine/scheduler.ts';
import { newSequence, saltOf, type Sequence } from '../../../../supervisor/sim/engine/sequence.ts';
import type { Step } from '../../../../supervisor/sim/engine/step.ts';
import type { SchedulerSettings } from '../../../../supervisor/sim/engine/scheduler.ts';

const SETTINGS: SchedulerSettings = {
  maxNumSeqs: 4,
  maxNumBatchedTokens: 64,
  numBlocks: 32,
  blockSize: 16,
  prefixCaching: true,
  chunkedPrefill: true,
  watermark: 0,
  byPriority: false,
};

let nextToken = 1;

/** A prompt that shares nothing with any other. */
function freshPrompt(length: number): number[] {
  return Array.from({ length }, () => nextToken++);
}

function added(scheduler: Scheduler, prompt: readonly number[], priority = 0): Sequence {
  const sequence = newSequence(prompt);
  sequence.priority = priority;
  scheduler.add(sequence);
  return sequence;
}

/** One step, and a token for everything it sampled. */
function stepAndSample(scheduler: Scheduler): Step {
  const step = scheduler.step();
  for (const sequence of step.sampled) scheduler.append(sequence, nextToken++);
  return step;
}

describe('the scheduler', () => {
  test('admits in the order of arrival, as many as may run at once', () => {
    const scheduler = new Scheduler(SETTINGS);
    const sequences = Array.from({ length: 6 }, () => added(scheduler, freshPrompt(8)));
    expect(scheduler.step().admitted).toEqual(sequences.slice(0, 4));
    expect(scheduler.running).toBe(4);
    expect(scheduler.waiting).toBe(2);
    scheduler.finish(sequences[1]!);
    expect(scheduler.step().admitted).toEqual([sequences[4]]);
  });

  test('goes by priority before arrival where it was told to', () => {
    const scheduler = new Scheduler({ ...SETTINGS, maxNumSeqs: 2, numBlocks: 3, byPriority: true });
    const later = added(scheduler, freshPrompt(30), 10);
    const first = added(scheduler, freshPrompt(30), 0);
    const last = added(scheduler, freshPrompt(8), 10);
    const second = added(scheduler, freshPrompt(8), 0);
    expect(scheduler.step().admitted).toEqual([first, second]);
    scheduler.finish(second);
    expect(scheduler.step().admitted).toEqual([]);
    scheduler.finish(first);
    expect(scheduler.step().admitted).toEqual([later, last]);
  });

  test('throws the least urgent back, with what the step had planned for it', () => {
    const scheduler = new Scheduler({ ...SETTINGS, maxNumSeqs: 2, numBlocks: 4, byPriority: true });
    const later = added(scheduler, freshPrompt(20), 10);
    stepAndSample(scheduler);
    const urgent = added(scheduler, freshPrompt(31));
    stepAndSample(scheduler);
    expect(stepAndSample(scheduler).sampled).toEqual([later, urgent]);
    // Each has two blocks, which are all; the urgent one stands behind the other, and needs a third.
    const step = stepAndSample(scheduler);
    expect(step).toMatchObject({ preempted: [later], sampled: [urgent], decodeTokens: 1, contextTokens: 33 });
    expect([scheduler.running, scheduler.waiting]).toEqual([1, 1]);
  });

  test('a long prompt at the head of the queue is not overtaken by a short one behind it', () => {
    const scheduler = new Scheduler({ ...SETTINGS, numBlocks: 4 });
    added(scheduler, freshPrompt(40));
    const long = added(scheduler, freshPrompt(40));
    const short = added(scheduler, freshPrompt(4));
    const step = scheduler.step();
    expect(step.admitted).toHaveLength(1);
    expect([long.state, short.state]).toEqual(['waiting', 'waiting']);
  });

  test('computes no more tokens a step than the budget, and gives the first token when the whole prompt is done', () => {
    const scheduler = new Scheduler(SETTINGS);
    const long = added(scheduler, freshPrompt(150));
    const steps = [stepAndSample(scheduler), stepAndSample(scheduler), stepAndSample(scheduler)];
    expect(steps.map((step) => step.prefillTokens)).toEqual([64, 64, 22]);
    expect(steps.map((step) => step.sampled.includes(long))).toEqual([false, false, true]);
  });

  test('serves what runs before it admits what waits', () => {
    const scheduler = new Scheduler({ ...SETTINGS, maxNumBatchedTokens: 20 });
    const first = added(scheduler, freshPrompt(10));
    stepAndSample(scheduler);
    const second = added(scheduler, freshPrompt(30));
    const step = stepAndSample(scheduler);
    expect(step.decodeTokens).toBe(1);
    expect(step.prefillTokens).toBe(19);
    expect(step.sampled).toEqual([first]);
    expect(second.state).toBe('running');
  });

  test('without chunked prefill a prompt waits for a step that can take all of it', () => {
    const scheduler = new Scheduler({ ...SETTINGS, chunkedPrefill: false });
    added(scheduler, freshPrompt(40));
    const second = added(scheduler, freshPrompt(40));
    expect(stepAndSample(scheduler).admitted).toHaveLength(1);
    expect(stepAndSample(scheduler).admitted).toEqual([second]);
  });

  test('throws back the last running sequence when blocks run out, and admits nothing in that step', () => {
    // Two sequences of 16 tokens fill their blocks; the next token of each needs a block, and only one is left.
    const scheduler = new Scheduler({ ...SETTINGS, numBlocks: 3, prefixCaching: false });
    const first = added(scheduler, freshPrompt(16));
    const second = added(scheduler, freshPrompt(16));
    stepAndSample(scheduler);
    const waiting = added(scheduler, freshPrompt(1));
    const step = stepAndSample(scheduler);
    expect(step.preempted).toEqual([second]);
    expect(step.sampled).toEqual([first]);
    expect(step.admitted).toEqual([]);
    expect(waiting.state).toBe('waiting');
    expect(scheduler.preemptions).toBe(1);
    expect(second.blocks).toEqual([]);
  });

  test('computes a preempted sequence again from its start, its own words included, before any other that waits', () => {
    const scheduler = new Scheduler({ ...SETTINGS, numBlocks: 3, prefixCaching: false });
    const first = added(scheduler, freshPrompt(16));
    const second = added(scheduler, freshPrompt(16));
    stepAndSample(scheduler);
    const third = added(scheduler, freshPrompt(17));
    stepAndSample(scheduler);
    scheduler.finish(first);
    const step = stepAndSample(scheduler);
    expect(step.admitted).toEqual([second]);
    expect(step.prefillTokens).toBe(17);
    expect(third.state).toBe('waiting');
  });

  test('finds the blocks of a prompt that was computed before, and always computes at least one token', () => {
    const scheduler = new Scheduler(SETTINGS);
    const prompt = freshPrompt(48);
    scheduler.finish(added(scheduler, prompt));
    const first = added(scheduler, prompt);
    stepAndSample(scheduler);
    scheduler.finish(first);
    const again = added(scheduler, prompt);
    const step = stepAndSample(scheduler);
    expect(again.cached).toBe(32);
    expect(step.prefillTokens).toBe(16);
    expect(scheduler.prefixHits).toBe(32);
    expect(scheduler.prefixQueries).toBe(96);
  });

  test('shares the blocks of a prompt between two sequences that run at once', () => {
    const scheduler = new Scheduler(SETTINGS);
    const prompt = freshPrompt(33);
    const [one, two] = [added(scheduler, prompt), added(scheduler, prompt)];
    stepAndSample(scheduler);
    expect(two.blocks.slice(0, 2)).toEqual(one.blocks.slice(0, 2));
    expect(scheduler.pool.total - scheduler.pool.free).toBe(4);
    scheduler.finish(one);
    expect(scheduler.pool.total - scheduler.pool.free).toBe(3);
  });

  test('does not find what another salt kept apart, nor for a prompt of which all is to be computed', () => {
    const scheduler = new Scheduler(SETTINGS);
    const prompt = freshPrompt(48);
    const ask = (change: (sequence: Sequence) => void): number => {
      const sequence = added(scheduler, prompt);
      change(sequence);
      stepAndSample(scheduler);
      scheduler.finish(sequence);
      return sequence.cached;
    };
    const salted = (text: string) => (sequence: Sequence) => void (sequence.salt = saltOf(text));
    expect([ask(() => {}), ask(salted('a')), ask(salted('b')), ask(salted('a')), ask(() => {})]).toEqual([0, 0, 0, 32, 32]);
    const queries = scheduler.prefixQueries;
    expect(ask((sequence) => void (sequence.skipsCache = true))).toBe(0);
    expect(scheduler.prefixQueries).toBe(queries);
  });

  test('finds what several blocks hold as long as one of them does', () => {
    const pool = new BlockPool(4);
    const blocks = [pool.take(), pool.take(), pool.take()] as const;
    for (const block of blocks) pool.remember(block, 7);
    for (const block of blocks) pool.release(block);
    // The one that was never taken comes first, then these in their order.
    expect([pool.take(), pool.find(7)]).toEqual([3, blocks[0]]);
    expect([pool.take(), pool.find(7)]).toEqual([blocks[0], blocks[1]]);
    expect([pool.take(), pool.find(7)]).toEqual([blocks[1], blocks[2]]);
    expect([pool.take(), pool.find(7)]).toEqual([blocks[2], undefined]);
  });

  test('a block that is needed for something else is forgotten by the prefix cache, the longest unused first', () => {
    const scheduler = new Scheduler({ ...SETTINGS, numBlocks: 4 });
    const old = freshPrompt(17);
    const young = freshPrompt(17);
    for (const prompt of [old, young]) {
      const sequence = added(scheduler, prompt);
      stepAndSample(scheduler);
      scheduler.finish(sequence);
    }
    scheduler.finish(added(scheduler, freshPrompt(1)));
    const filler = added(scheduler, freshPrompt(36));
    stepAndSample(scheduler);
    scheduler.finish(filler);
    const youngAgain = added(scheduler, young);
    stepAndSample(scheduler);
    scheduler.finish(youngAgain);
    const oldAgain = added(scheduler, old);
    stepAndSample(scheduler);
    expect([youngAgain.cached, oldAgain.cached]).toEqual([16, 0]);
  });

  test('keeps the watermark free when it admits', () => {
    const scheduler = new Scheduler({ ...SETTINGS, numBlocks: 10, watermark: 0.5 });
    added(scheduler, freshPrompt(60));
    added(scheduler, freshPrompt(60));
    scheduler.step();
    expect(scheduler.running).toBe(1);
  });
});

interface Model {
  readonly scheduler: Scheduler;
  readonly live: Sequence[];
}

/** Every held block is held exactly as often as sequences list it, and free and held make up the whole. */
function expectNoLeak({ scheduler, live }: Model): void {
  const holders = new Map<number, number>();
  for (const sequence of live) {
    expect(new Set(sequence.blocks).size).toBe(sequence.blocks.length);
    for (const block of sequence.blocks) holders.set(block, (holders.get(block) ?? 0) + 1);
  }
  for (let block = 0; block < scheduler.pool.total; block++) expect(scheduler.pool.holders(block)).toBe(holders.get(block) ?? 0);
  expect(scheduler.pool.free).toBe(scheduler.pool.total - holders.size);
}

const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      family: fc.integer({ min: 0, max: 3 }),
      length: fc.integer({ min: 1, max: 100 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('step' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat() }) },
);

test('whatever comes, blocks are neither leaked nor given twice, and no step is over its budget', () => {
  const settings = fc.record({
    maxNumSeqs: fc.integer({ min: 1, max: 6 }),
    maxNumBatchedTokens: fc.integer({ min: 6, max: 80 }),
    // Room for the longest sequence there can be, as a start of vLLM makes sure of.
    numBlocks: fc.integer({ min: 12, max: 24 }),
    blockSize: fc.constant(16),
    prefixCaching: fc.boolean(),
    chunkedPrefill: fc.constant(true),
    watermark: fc.constant(0),
    byPriority: fc.boolean(),
  });
  fc.assert(
    fc.property(settings, fc.array(action, { maxLength: 120 }), (chosen, actions) => {
      const model: Model = { scheduler: new Scheduler(chosen), live: [] };
      const { scheduler, live } = model;
      const end = (sequence: Sequence): void => {
        scheduler.finish(sequence);
        live.splice(live.indexOf(sequence), 1);
      };
      for (const next of actions) {
        if (next.kind === 'add') {
          // Prompts of one family begin alike, so that blocks are shared.
          const prompt = Array.from({ length: next.length }, (_, at) => next.family * 1000 + at);
          live.push(added(scheduler, prompt, next.family));
        } else if (next.kind === 'finish') {
          const victim = live[next.which % Math.max(1, live.length)];
          if (victim !== undefined) end(victim);
        } else {
          const step = scheduler.step();
          expect(step.prefillTokens + step.decodeTokens).toBeLessThanOrEqual(chosen.maxNumBatchedTokens);
          expect(scheduler.running).toBeLessThanOrEqual(chosen.maxNumSeqs);
          for (const sequence of step.sampled) {
            expect(sequence.state).toBe('running');
            scheduler.append(sequence, 7);
            if (sequence.tokens.length >= 160) end(sequence);
          }
        }
        expectNoLeak(model);
        expect(scheduler.running + scheduler.waiting).toBe(live.length);
      }
      for (const sequence of [...live]) end(sequence);
      expect(scheduler.pool.free).toBe(scheduler.pool.total);
    }),
    { numRuns: 150 },
  );
});

test('every sequence that is not finished from outside comes to its end', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 8, max: 20 }),
      (lengths, numBlocks) => {
        const scheduler = new Scheduler({ ...SETTINGS, numBlocks });
        const live = new Set(lengths.map((length) => added(scheduler, freshPrompt(length))));
        for (let steps = 0; live.size > 0; steps++) {
          expect(steps).toBeLessThan(2000);
          for (const sequence of scheduler.step().sampled) {
            scheduler.append(sequence, nextToken++);
            if (sequence.tokens.length < sequence.promptLength + 20) continue;
            scheduler.finish(sequence);
            live.delete(sequence);
          }
        }
        expect(scheduler.pool.free).toBe(numBlocks);
      },
    ),
    { numRuns: 100 },
  );
});
