import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Grant } from '../../../gateway/core/budget-terms.ts';
import type { BudgetHold } from '../../../gateway/policies/budgets/budgets.ts';
import { windowsAt } from '../../../gateway/policies/budgets/calendar.ts';
import { histories } from '../../support/histories.ts';
import { NO_REDIS_SERVER } from '../../support/redis-server.ts';
import { type BudgetServer, openBudgetServer } from './budget-drivers.ts';
import { Machine, Process } from './budget-machines.ts';

const DAY = 86_400_000;
const LEASE_MS = 15_000;
const START = Date.UTC(2026, 10, 29, 12);
const OF_DAY = 1_000;
const OF_MONTH = 2_500;
const APP = { subject: 'key app', isAddress: false, name: 'app', budgets: { tokens_per_day: OF_DAY, tokens_per_month: OF_MONTH } };

type Step =
  | { readonly kind: 'call'; readonly by: number; readonly tokens: number }
  /** `share` of what was taken is used. */
  | { readonly kind: 'end'; readonly which: number; readonly share: number }
  | { readonly kind: 'none' | 'deaf' | 'mute' | 'late' | 'arrive' | 'kill' | 'cut' | 'join'; readonly by: number }
  | { readonly kind: 'forget' }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'back'; readonly seconds: number }
  | { readonly kind: 'days'; readonly days: number };

const by = fc.nat(2);
const kinds = (...all: ('none' | 'deaf' | 'mute' | 'late' | 'arrive' | 'kill' | 'cut' | 'join')[]) =>
  fc.record({ kind: fc.constantFrom(...all), by });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('call' as const),
      by,
      tokens: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 900 })),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(50), share: fc.constantFrom(0, 0.3, 1) }) },
  { weight: 4, arbitrary: kinds('none', 'none', 'deaf', 'mute', 'late', 'arrive') },
  { weight: 2, arbitrary: kinds('kill', 'cut', 'join', 'join') },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(1, 3, 8, 16) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('back' as const), seconds: fc.constantFrom(1, 60, 3_600) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('days' as const), days: fc.constantFrom(-1, 1, 31, -31) }) },
);

interface Running {
  readonly process: Process;
  readonly hold: BudgetHold;
  readonly tokens: number;
  readonly windows: readonly string[];
}

type Sums = Map<string, number>;
const add = (to: Sums, window: string, tokens: number): void => void to.set(window, (to.get(window) ?? 0) + tokens);
const amountOf = (window: string): number => (window.length === 10 ? OF_DAY : OF_MONTH);

let server: BudgetServer;

beforeAll(async () => {
  if (NO_REDIS_SERVER === null) server = await openBudgetServer();
});

afterAll(() => server?.[Symbol.asyncDispose]());

/** Three processes on two machines, and all that is known of them from outside. */
class Scene {
  readonly machines = [new Machine(), new Machine()] as const;
  readonly processes: Process[];
  running: Running[] = [];
  wall = START;
  readonly spent: Sums = new Map();
  /** What may be handed out twice, for a reason that the documentation names. */
  readonly excess: Sums = new Map();
  /** Spent by processes that were killed before the file had it. */
  readonly lost: Sums = new Map();
  /** By process: what it has spent and the server has not been told. */
  readonly untold = new Map<Process, Sums>();
  /** The same of the file. */
  readonly unwritten = new Map<Process, Sums>();
  readonly heardAt = new Map<Process, number>();
  readonly lapsed = new Set<Process>();
  /** Of these the file's last answer was lost. */
  readonly #repeats = new Set<Process>();
  #lives = 0;
  /** Ms since the start, and what the server's clock is behind by. */
  #now = 0;
  #behind = 0;
  #forgottenAt = -Infinity;

  constructor() {
    this.processes = [0, 0, 1].map((at) => this.#born(this.machines[at]!));
  }

  #born(machine: Machine): Process {
    return new Process(server, machine, `life ${++this.#lives}`, () => this.#now);
  }

  async exchange(process: Process, fault: 'none' | 'deaf' | 'mute' | 'late' = 'none'): Promise<void> {
    this.#told(process, await process.exchange(fault), fault !== 'deaf', fault === 'none' || fault === 'mute');
  }

  #told(process: Process, isTold: boolean, isWritten: boolean, isHeard: boolean): void {
    // What was on its way goes again first, as it was.
    const isRepeated = this.#repeats.delete(process);
    if (!isWritten) this.#repeats.add(process);
    if (isTold && !isRepeated) this.untold.delete(process);
    if (isWritten && !isRepeated) this.unwritten.delete(process);
    if (isHeard && process.isUp) {
      this.heardAt.set(process, this.#now);
      this.lapsed.delete(process);
    }
  }

  async call(process: Process, tokens: number): Promise<void> {
    const { day, month } = windowsAt(this.wall);
    const { hold, isTold } = await process.take(APP, tokens, this.wall);
    if (isTold) this.#told(process, true, true, true);
    if (hold !== null) this.running.push({ process, hold, tokens, windows: [day.name, month.name] });
  }

  end(which: number, share: number): void {
    const [call] = this.running.splice(which % Math.max(1, this.running.length), 1);
    if (call === undefined) return;
    const used = Math.floor(call.tokens * share);
    call.hold.settle(used);
    for (const window of call.windows) {
      add(this.spent, window, used);
      for (const sums of [this.untold, this.unwritten]) {
        const own = sums.get(call.process) ?? new Map<string, number>();
        sums.set(call.process, own);
        add(own, window, used);
      }
    }
  }

  /** All that a process has in hand, which the server forgets. */
  #exceed(process: Process): void {
    for (const [window, tokens] of this.untold.get(process) ?? []) add(this.excess, window, tokens);
    for (const { process: of, windows, tokens } of this.running)
      if (of === process) for (const window of windows) add(this.excess, window, tokens);
  }

  async wait(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.#now += 1_000;
      await server.setTime(this.#now - this.#behind);
      for (const process of this.processes) {
        if (!process.isUp && !this.lapsed.has(process) && this.#now - (this.heardAt.get(process) ?? 0) >= LEASE_MS) {
          this.lapsed.add(process);
          this.#exceed(process);
        }
        await this.exchange(process);
      }
    }
  }

  async kill(at: number): Promise<void> {
    const dead = this.processes[at]!;
    for (const [window, tokens] of this.unwritten.get(dead) ?? []) {
      add(this.excess, window, tokens);
      add(this.lost, window, tokens);
    }
    this.running = this.running.filter(({ process }) => process !== dead);
    dead.machine.forget(dead.holder);
    // A start takes a while.
    this.processes.splice(at, 1);
    await this.wait(1);
    const born = this.#born(dead.machine);
    this.processes.splice(at, 0, born);
    await this.exchange(born);
  }

  async forget(): Promise<void> {
    await server.forget();
    for (const process of this.processes) {
      if (process.isUp) process.forgotten(this.#now);
      else this.#isUnknown(process);
    }
    this.#forgottenAt = this.#now;
  }

  cut(process: Process): void {
    if (process.isUp && (this.heardAt.get(process) ?? 0) <= this.#forgottenAt) this.#isUnknown(process);
    process.isUp = false;
  }

  /** The server has forgotten it, and is not told anew. */
  #isUnknown(process: Process): void {
    this.#exceed(process);
    for (const [window] of this.spent) add(this.excess, window, process.machine.spent(APP.subject, window));
  }

  async join(process: Process): Promise<void> {
    if (process.isUp) return;
    process.isUp = true;
    process.forgotten(this.#now);
    await this.exchange(process);
  }

  async back(seconds: number): Promise<void> {
    this.#behind += seconds * 1_000;
    await server.setTime(this.#now - this.#behind);
  }

  check(): void {
    const held: Sums = new Map();
    for (const { windows, tokens } of this.running) for (const window of windows) add(held, window, tokens);
    for (const window of new Set([...this.spent.keys(), ...held.keys()])) {
      const used = (this.spent.get(window) ?? 0) + (held.get(window) ?? 0);
      expect(used).toBeLessThanOrEqual(amountOf(window) + (this.excess.get(window) ?? 0));
    }
  }

  async perform(each: Step): Promise<void> {
    switch (each.kind) {
      case 'call':
        return this.call(this.processes[each.by]!, each.tokens);
      case 'end':
        return this.end(each.which, each.share);
      case 'none':
      case 'deaf':
      case 'mute':
      case 'late':
        return this.exchange(this.processes[each.by]!, each.kind);
      case 'arrive':
        for (const run of this.processes[each.by]!.late.splice(0)) await run();
        return;
      case 'kill':
        return this.kill(each.by);
      case 'cut':
        return this.cut(this.processes[each.by]!);
      case 'join':
        return this.join(this.processes[each.by]!);
      case 'forget':
        return this.forget();
      case 'wait':
        return this.wait(each.seconds);
      case 'back':
        return this.back(each.seconds);
      case 'days':
        this.wall += each.days * DAY;
        return;
    }
  }

  /** What somebody is granted who needs so much. A server whose clock was put back counts a lease from when it is next asked. */
  async probe(window: string, need: number): Promise<Grant | undefined> {
    const probe = server.budgets('probe');
    const name = { subject: APP.subject, window };
    const asked = (tokens: number) =>
      probe.share(
        'probe',
        [{ ...name, amount: amountOf(window), held: 0, need: tokens, spare: 0, known: 0, endsAt: DAY }],
        [{ ...name, granted: 0, spent: 0 }],
      );
    await asked(0);
    await this.wait(15);
    return (await asked(need))[0];
  }

  /** Everybody is there, and nothing runs. */
  async settle(): Promise<void> {
    for (const process of this.processes) await this.join(process);
    for (const { hold } of this.running) hold.settle(0);
    await this.wait(20);
  }
}

test.skipIf(NO_REDIS_SERVER !== null)(
  `machines together never use more than there is, whoever dies, is cut off, or forgets; what was held comes back, and what was spent is known${NO_REDIS_SERVER === null ? '' : ` (${NO_REDIS_SERVER})`}`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async (steps) => {
        await server.setTime(0);
        await server.forget();
        const scene = new Scene();
        for (const process of scene.processes) await scene.exchange(process);
        for (const each of steps) {
          await scene.perform(each);
          scene.check();
        }
        await scene.settle();
        for (const process of scene.processes) expect(process.books.isQuiet).toBe(true);
        for (const [window, tokens] of scene.spent) {
          const written = scene.machines.reduce((sum, machine) => sum + machine.spent(APP.subject, window), 0);
          expect(written).toBeLessThanOrEqual(tokens);
          expect(written).toBeGreaterThanOrEqual(tokens - (scene.lost.get(window) ?? 0));
          const left = Math.max(0, amountOf(window) - written);
          expect(await scene.probe(window, left)).toMatchObject({ granted: left, spent: written });
        }
      }),
      { numRuns: histories(150) },
    );
  },
  600_000,
);
