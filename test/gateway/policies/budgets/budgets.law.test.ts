import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BudgetHold } from '../../../../gateway/policies/budgets/budgets.ts';
import { windowsAt } from '../../../../gateway/policies/budgets/calendar.ts';
import { histories } from '../../../support/histories.ts';
import { Process, sharedFile } from './kept.ts';

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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clock' as const), days: fc.constantFrom(-31, -1, 1, 2, 31) }) },
);

interface Running {
  readonly process: Process;
  readonly hold: BudgetHold;
  readonly tokens: number;
  readonly windows: readonly string[];
}

test('what is spent and held is never more than there is, whoever fails, leaves, dies or sets the clock, and all that was held comes back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), (count, steps) => {
      const file = sharedFile();
      let lives = 0;
      const processes = Array.from({ length: count }, () => new Process(file, `life ${++lives}`, count));
      let running: Running[] = [];
      let wall = START;
      const spent = new Map<string, number>();
      /** By process: what it has spent and has not been heard of. */
      const unheard = new Map<Process, Map<string, number>>();
      const lost = new Map<string, number>();
      const add = (to: Map<string, number>, window: string, tokens: number) => to.set(window, (to.get(window) ?? 0) + tokens);

      function check(): void {
        const held = new Map<string, number>();
        for (const { windows, tokens } of running) for (const window of windows) add(held, window, tokens);
        for (const window of new Set([...spent.keys(), ...held.keys()])) {
          const amount = window.length === 10 ? OF_DAY : OF_MONTH;
          // Of one that was killed the last second is not known.
          expect((spent.get(window) ?? 0) + (held.get(window) ?? 0)).toBeLessThanOrEqual(amount + (lost.get(window) ?? 0));
        }
      }

      for (const each of steps) {
        switch (each.kind) {
          case 'call': {
            const process = processes[each.by % count]!;
            const taking = process.books.take(APP, each.tokens, each.tokens, wall, 0);
            const { day, month } = windowsAt(wall);
            const windows = [day.name, month.name];
            if (taking.kind === 'taken') running.push({ process, hold: taking.hold, tokens: each.tokens, windows });
            if (taking.kind !== 'short') break;
            const wait = process.books.wait(taking.parts);
            process.exchange();
            process.books.leave(wait);
            const again = wait.taking ?? process.books.takeAgain(taking.parts, false, Infinity);
            if (again.kind === 'taken') running.push({ process, hold: again.hold, tokens: each.tokens, windows });
            break;
          }
          case 'end': {
            const [call] = running.splice(each.which % Math.max(1, running.length), 1);
            if (call === undefined) break;
            const used = Math.floor(call.tokens * each.share);
            call.hold.settle(used);
            // A second end changes nothing.
            call.hold.settle(call.tokens);
            const own = unheard.get(call.process) ?? new Map<string, number>();
            unheard.set(call.process, own);
            for (const window of call.windows) {
              add(spent, window, used);
              add(own, window, used);
            }
            break;
          }
          case 'say':
          case 'hear':
          case 'deaf':
            processes[each.by % count]![each.kind]();
            break;
          case 'write':
          case 'lose':
            processes[each.by % count]!.write(each.kind === 'lose');
            break;
          case 'kill': {
            const at = each.by % count;
            const dead = processes[at]!;
            // At most all that it has spent since it was born.
            for (const [window, tokens] of unheard.get(dead) ?? []) add(lost, window, tokens);
            running = running.filter(({ process }) => process !== dead);
            file.forget(dead.holder);
            processes[at] = new Process(file, `life ${++lives}`, count);
            break;
          }
          case 'clock':
            wall += each.days * DAY;
            break;
        }
        check();
      }

      for (const { hold } of running) hold.settle(0);
      for (let i = 0; i < 3; i++) for (const process of processes) process.exchange();
      // Words of before may have been on their way still.
      for (const process of processes) process.exchange();
      for (const process of processes) expect(process.books.isQuiet).toBe(true);
      for (const [window, tokens] of spent) {
        expect(file.spent('key app', window)).toBeLessThanOrEqual(tokens);
        expect(file.spent('key app', window)).toBeGreaterThanOrEqual(tokens - (lost.get(window) ?? 0));
      }
    }),
    { numRuns: histories(1_500) },
  );
});
