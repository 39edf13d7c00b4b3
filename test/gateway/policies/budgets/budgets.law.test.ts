import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BudgetHold } from '../../../../gateway/policies/budgets/budgets.ts';
import { windowsAt } from '../../../../gateway/policies/budgets/calendar.ts';
import { histories } from '../../../support/histories.ts';
import { type Kept, USAGE_DRIVERS } from '../../state/store/usage-drivers.ts';
import { Process } from './kept.ts';

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 29, 12);
const OF_DAY = 1_000;
const OF_MONTH = 2_500;
const APP = {
  subject: 'key app',
  isAddress: false,
  name: 'app',
  budgets: { tokens_per_day: OF_DAY, tokens_per_month: OF_MONTH },
};

type Step =
  | { readonly kind: 'call'; readonly by: number; readonly tokens: number }
  /** `share` of what was taken is used: none by one that fails, some by one that is left. */
  | { readonly kind: 'end'; readonly which: number; readonly share: number }
  | { readonly kind: 'say' | 'write' | 'lose' | 'hear' | 'deaf' | 'kill'; readonly by: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'clock'; readonly days: number };

const by = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      by,
      tokens: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 900 })),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(50), share: fc.constantFrom(0, 0.3, 1) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('say' as const, 'write' as const, 'hear' as const), by }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('lose' as const, 'deaf' as const, 'kill' as const), by }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'all' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clock' as const), days: fc.constantFrom(-31, -1, 1, 2, 31) }) },
);

interface Running {
  readonly process: Process;
  readonly hold: BudgetHold;
  readonly tokens: number;
  readonly windows: readonly string[];
}

/** Some processes, and all that is known of them from outside. */
class Scene {
  readonly #kept: Kept;
  readonly #count: number;
  readonly processes: Process[];
  #lives = 0;
  running: Running[] = [];
  #wall = START;
  readonly spent = new Map<string, number>();
  /** By process: what it has spent and has not been heard of. */
  readonly #unheard = new Map<Process, Map<string, number>>();
  readonly lost = new Map<string, number>();

  constructor(kept: Kept, count: number) {
    this.#kept = kept;
    this.#count = count;
    this.processes = Array.from({ length: count }, () => this.#born());
  }

  #born(): Process {
    return new Process(this.#kept, `life ${++this.#lives}`, this.#count);
  }

  async #call(process: Process, tokens: number): Promise<void> {
    const taking = process.books.take(APP, tokens, tokens, this.#wall, 0);
    const { day, month } = windowsAt(this.#wall);
    const windows = [day.name, month.name];
    if (taking.kind === 'taken') this.running.push({ process, hold: taking.hold, tokens, windows });
    if (taking.kind !== 'short') return;
    const wait = process.books.wait(taking.parts);
    await process.exchange();
    process.books.leave(wait);
    const again = wait.taking ?? process.books.takeAgain(taking.parts, false, Infinity);
    if (again.kind === 'taken') this.running.push({ process, hold: again.hold, tokens, windows });
  }

  #end(which: number, share: number): void {
    const [call] = this.running.splice(which % Math.max(1, this.running.length), 1);
    if (call === undefined) return;
    const used = Math.floor(call.tokens * share);
    call.hold.settle(used);
    // A second end changes nothing.
    call.hold.settle(call.tokens);
    const own = this.#unheard.get(call.process) ?? new Map<string, number>();
    this.#unheard.set(call.process, own);
    for (const window of call.windows) {
      add(this.spent, window, used);
      add(own, window, used);
    }
  }

  async #kill(at: number): Promise<void> {
    const dead = this.processes[at]!;
    // At most all that it has spent since it was born.
    for (const [window, tokens] of this.#unheard.get(dead) ?? []) add(this.lost, window, tokens);
    this.running = this.running.filter(({ process }) => process !== dead);
    await this.#kept.forget(dead.holder);
    this.processes[at] = this.#born();
  }

  async perform(each: Step): Promise<void> {
    const at = 'by' in each ? each.by % this.#count : 0;
    const process = this.processes[at]!;
    switch (each.kind) {
      case 'call':
        return this.#call(process, each.tokens);
      case 'end':
        return this.#end(each.which, each.share);
      case 'say':
      case 'hear':
      case 'deaf':
        return process[each.kind]();
      case 'write':
      case 'lose':
        return process.write(each.kind === 'lose');
      case 'kill':
        return this.#kill(at);
      case 'all':
        // At the same moment, each with what it has to say.
        await Promise.all(this.processes.map((one) => one.exchange()));
        return;
      case 'clock':
        this.#wall += each.days * DAY;
        return;
    }
  }

  check(): void {
    const held = new Map<string, number>();
    for (const { windows, tokens } of this.running) for (const window of windows) add(held, window, tokens);
    for (const window of new Set([...this.spent.keys(), ...held.keys()])) {
      const amount = window.length === 10 ? OF_DAY : OF_MONTH;
      // Of one that was killed the last second is not known.
      expect((this.spent.get(window) ?? 0) + (held.get(window) ?? 0)).toBeLessThanOrEqual(amount + (this.lost.get(window) ?? 0));
    }
  }

  async settle(): Promise<void> {
    for (const { hold } of this.running) hold.settle(0);
    for (let i = 0; i < 3; i++) for (const process of this.processes) await process.exchange();
    // Words of before may have been on their way still.
    for (const process of this.processes) await process.exchange();
  }
}

const add = (to: Map<string, number>, window: string, tokens: number): void => void to.set(window, (to.get(window) ?? 0) + tokens);

describe.each(USAGE_DRIVERS)('budgets in $name', ({ name, missing, open }) => {
  let driver: Awaited<ReturnType<typeof open>>;

  beforeAll(async () => {
    if (missing === null) driver = await open();
  }, 60_000);
  afterAll(() => driver?.[Symbol.asyncDispose]());

  test.skipIf(missing !== null)(
    `what is spent and held is never more than there is, whoever fails, leaves, dies or sets the clock, and all that was held comes back${missing === null ? '' : ` (${missing})`}`,
    async () => {
      const steps = fc.array(step, { minLength: 20, maxLength: 120, size: 'max' });
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 3 }), steps, async (count, all) => {
          const kept = await driver.fresh();
          const scene = new Scene(kept, count);
          for (const each of all) {
            await scene.perform(each);
            scene.check();
          }
          await scene.settle();
          for (const process of scene.processes) expect(process.books.isQuiet).toBe(true);
          for (const [window, tokens] of scene.spent) {
            const written = await kept.spent('key app', window);
            expect(written).toBeLessThanOrEqual(tokens);
            expect(written).toBeGreaterThanOrEqual(tokens - (scene.lost.get(window) ?? 0));
          }
        }),
        { numRuns: histories(name === 'a file' ? 1_500 : 60) },
      );
    },
    600_000,
  );
});
