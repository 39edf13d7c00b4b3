import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Claim, type LineEnd, type Settling, SLICE_LINES } from '../../../../gateway/state/store/batch-terms.ts';
import { ended, fresh, lineRows, NOW, validBatch } from './batch-scene.ts';
import { type Driver, DRIVERS, type Ports } from './drivers.ts';

const LINES = 2 * SLICE_LINES + 3;
const MODELS = ['a', 'b'] as const;

type Step =
  | { readonly kind: 'claim' | 'release' | 'die' | 'rest' | 'wake' | 'finish'; readonly who: number; readonly also: boolean }
  | { readonly kind: 'settle'; readonly who: number; readonly share: number; readonly end: LineEnd | 'again'; readonly also: boolean }
  | { readonly kind: 'cancel' };

const who = fc.nat(2);
/** With `also`, the next step does not wait for this one. */
const also = fc.boolean();
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('claim' as const), who, also }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: fc.constant('settle' as const), who, also, share: fc.integer({ min: 1, max: 100 }) },
      end: fc.constantFrom<LineEnd | 'again'>('completed', 'completed', 'failed', 'again', 'expired'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('rest' as const, 'wake' as const), who, also }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('release' as const, 'die' as const, 'finish' as const), who, also }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'cancel' as const }) },
);

interface Written {
  readonly rank: number;
  readonly end: LineEnd;
}

/** Lines that a journal holds beyond what is committed are cut off when the claim turns out to be lost, as the runner does. */
class Holder {
  readonly #ports: Ports;
  readonly #batch: string;
  readonly #journals: Map<string, Written[]>;
  id = fresh('life');
  claims: { claim: Claim; ranks: number[] }[] = [];
  #tail: Promise<void> = Promise.resolve();
  committed = 0;

  constructor(ports: Ports, batch: string, journals: Map<string, Written[]>) {
    this.#ports = ports;
    this.#batch = batch;
    this.#journals = journals;
  }

  /** What one holder does it does in order. */
  inOrder(act: () => Promise<void>): Promise<void> {
    return (this.#tail = this.#tail.then(act));
  }

  async begin(): Promise<void> {
    this.id = fresh('life');
    this.claims = [];
    this.committed = 0;
    await this.#ports.batches.holdOn({ id: this.id, process: null }, NOW);
  }

  async claim(): Promise<void> {
    const claimed = await this.#ports.batches.claimSlice(this.#batch, this.id, null, NOW);
    if (claimed) this.claims.push({ claim: claimed.claim, ranks: claimed.lines.map(({ rank }) => rank) });
  }

  async release(): Promise<void> {
    const last = this.claims.pop();
    if (last) await this.#ports.batches.releaseSlice(last.claim, this.id);
  }

  /** Some lines of each of its slices; the whole said twice, where the first answer might have been lost. */
  async settle(share: number, end: LineEnd | 'again', twice: boolean): Promise<void> {
    for (;;) {
      const some = this.claims.map(({ claim, ranks }) => ({ claim, ranks: ranks.slice(0, Math.ceil((ranks.length * share) / 100)) }));
      const lines = some.flatMap(({ claim, ranks }) => ranks.map((rank) => ended(claim, rank, end)));
      if (lines.length === 0) return;
      const written = end === 'again' ? [] : lines.map(({ rank }) => rank);
      const settling: Settling = {
        batch: this.#batch,
        holder: this.id,
        lines,
        outputBytes: this.committed + written.length,
        errorBytes: 0,
      };
      let answer = await this.#ports.batches.settle(settling, NOW);
      if (twice && answer.kind === 'settled') {
        answer = await this.#ports.batches.settle(settling, NOW);
        expect(answer.kind).toBe('settled');
      }
      if (answer.kind === 'settled') {
        if (end === 'again') return;
        this.#journals.set(this.id, [...(this.#journals.get(this.id) ?? []), ...written.map((rank) => ({ rank, end }))]);
        this.committed += written.length;
        for (const held of this.claims) held.ranks = held.ranks.filter((rank) => !written.includes(rank));
        return;
      }
      const { slices } = answer;
      expect(slices.length).toBeGreaterThan(0);
      this.claims = this.claims.filter(({ claim }) => !slices.includes(claim.slice));
    }
  }
}

describe.each(DRIVERS)('histories of batches $name', ({ name, missing, open }) => {
  if (missing !== null) {
    test.skip(`${name}: ${missing}`, () => {});
    return;
  }
  let driver: Driver;
  beforeAll(async () => void (driver = await open()), 60_000);
  afterAll(() => driver[Symbol.asyncDispose]());

  test('every line ends once, whoever dies, rests or comes too late', { timeout: 240_000 }, async () => {
    const numRuns = process.env['LAWS'] === 'all' ? 200 : 40;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => tryHistory(driver, steps)),
      { numRuns },
    );
  });
});

async function tryHistory(driver: Driver, steps: readonly Step[]): Promise<void> {
  const [one] = driver.processes;
  const batch = await validBatch(
    one,
    lineRows(LINES, (rank) => MODELS[rank % 2]!),
  );
  /** What each life's journal holds as far as that is committed. */
  const journals = new Map<string, Written[]>();
  const holders = driver.processes.map((ports) => new Holder(ports, batch, journals));
  for (const holder of holders) await holder.begin();
  const lengths = new Map<string, number>();
  const open: Promise<void>[] = [];
  for (const now of steps) {
    if (now.kind === 'cancel') {
      await one.batches.cancelBatch(batch, null, NOW);
      continue;
    }
    const holder = holders[now.who]!;
    const { batches } = driver.processes[now.who]!;
    const done = holder.inOrder(async () => {
      if (now.kind === 'claim') return holder.claim();
      if (now.kind === 'settle') return holder.settle(now.share, now.end, now.share % 2 === 0);
      if (now.kind === 'release') return holder.release();
      if (now.kind === 'finish') return tryToFinish(driver.processes[now.who]!, batch, holder.id);
      // One that only rested goes on with what it believes to have.
      if (now.kind === 'wake') return batches.holdOn({ id: holder.id, process: null }, NOW);
      await driver.silence(holder.id);
      if (now.kind === 'die') await holder.begin();
    });
    open.push(done);
    if (!now.also) await Promise.all(open.splice(0));
    for (const { holder: id, outputBytes } of await one.batches.journalsOf(batch)) {
      expect(outputBytes).toBeGreaterThanOrEqual(lengths.get(id) ?? 0);
      lengths.set(id, outputBytes);
    }
  }
  await Promise.all(open);
  // Whatever is left is done by one who lives.
  for (const holder of holders) await driver.silence(holder.id);
  const last = holders[0]!;
  await last.begin();
  for (let before = -1; last.claims.length > before;) {
    before = last.claims.length;
    await last.claim();
  }
  await last.settle(100, 'completed', true);
  const written = [...journals.values()].flat();
  const row = (await one.batches.batchOf(batch, null))!;
  if (row.status !== 'completed' && row.status !== 'cancelled') {
    const committed = (await one.batches.journalsOf(batch)).map(({ holder, outputBytes }) => [holder, outputBytes] as const);
    const meant = [...journals].map(([holder, ranks]) => [holder, ranks.length] as const);
    expect(committed.filter(([, bytes]) => bytes > 0).sort()).toEqual(meant.filter(([, bytes]) => bytes > 0).sort());
    expect(await one.batches.waitingLines(batch)).toEqual(new Map());
    await tryToFinish(one, batch, last.id);
  }
  expect(written.map(({ rank }) => rank).sort((a, b) => a - b)).toEqual(lineRows(LINES).map(({ rank }) => rank));
  const end = (await one.batches.batchOf(batch, null))!;
  expect(end.status).toBe(end.cancellingAt === null ? 'completed' : 'cancelled');
  const countOf = (kind: LineEnd): number => written.filter((line) => line.end === kind).length;
  expect(end).toMatchObject({ total: LINES, completed: countOf('completed'), failed: countOf('failed') });
}

async function tryToFinish({ batches }: Ports, batch: string, holder: string): Promise<void> {
  const epoch = await batches.claimBatch(batch, holder, NOW);
  if (epoch === null || !(await batches.beginFinalizing(batch, epoch, NOW))) return;
  await batches.finish(batch, epoch, { status: 'completed', output: null, error: null }, NOW);
}
