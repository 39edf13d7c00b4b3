import type { Claim } from '../../state/store/batch-terms.ts';
import { nextTurn } from '../../core/turn/next-turn.ts';
import type { BatchWork } from './batch-work.ts';
import type { Lanes } from './lanes.ts';
import { LineEnds } from './line-ends.ts';
import { LineRun } from './line-run.ts';
import { UNUSED_MS } from './others-use.ts';
import type { RunnerParts } from './runner-parts.ts';

/** Fewer lines that may start are no supply. */
const FEW_LINES = 64;
/** What is not on record yet may have so much memory: beyond that nothing is started. */
const MOST_UNSETTLED_BYTES = 67_108_864;
const UNREADABLE_MS = 30_000;
/** It is looked again at least so often whether a model has come free, or was loaded for somebody else. */
const LONGEST_HOLD_MS = 5_000;

interface StarterParts extends RunnerParts {
  readonly lanes: Lanes;
  /** By batch. */
  readonly works: ReadonlyMap<string, BatchWork>;
  /** The batch cannot go on; null: until somebody does something. Wall-clock ms. */
  readonly pause: (work: BatchWork, reason: string, untilMs: number | null) => void;
  /** An owner has nothing left of a limit: others may have. */
  readonly onLimited: () => void;
  /** Nothing is under way any more of a batch that has stopped. */
  readonly onDone: () => void;
  /** It was claimed for a batch that has stopped meanwhile. */
  readonly onUnwanted: (claim: Claim) => void;
  /** Whether something was claimed is not known. */
  readonly onUnsure: (error: unknown) => void;
}

/** Starts lines as there is room, and claims more of them. */
export class LineStarter {
  readonly #parts: StarterParts;
  readonly #ends: LineEnds;
  #isPumping = false;
  isStopped = false;

  constructor(parts: StarterParts) {
    this.#parts = parts;
    this.#ends = new LineEnds(parts);
  }

  /** At the end of this turn. */
  pumpSoon(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    void nextTurn().then(() => {
      this.#isPumping = false;
      this.pump();
    });
  }

  pump(): void {
    const works = [...this.#parts.works.values()];
    if (this.isStopped || works.length === 0) return;
    if (works.reduce((sum, { settler }) => sum + settler.bytes, 0) < MOST_UNSETTLED_BYTES) {
      for (const { work, line } of this.#parts.lanes.startable(works)) void this.#run(new LineRun(this.#parts, work, line));
    }
    for (const work of works) this.#holdBack(work);
    const isReady = (model: string): boolean => this.#parts.directory.readyFor(model).length > 0;
    for (const work of works) {
      let supply = 0;
      for (const model of work.models()) if (isReady(model)) supply += work.waiting(model);
      if (supply < FEW_LINES) void this.#claim(work);
    }
  }

  /** A model is not taken from those who use it for the sake of a batch. */
  #holdBack(work: BatchWork): void {
    const held = work.stopped === null ? this.#parts.lanes.heldBack(work) : null;
    if (held === null) return;
    const reason = `Its lines are for ${held.model}, which is not loaded, and the model that would have to go for it is in use: it is changed once that has had nothing to do for ${UNUSED_MS / 1_000} s. headgate swap ${held.model} changes it now, and with batches.when_busy: finish models take turns for batches as they do for calls.`;
    this.#parts.pause(work, reason, this.#parts.clock.wall() + Math.min(held.restMs, LONGEST_HOLD_MS));
  }

  async #run(run: LineRun): Promise<void> {
    const { work, line } = run;
    this.#parts.lanes.entered(run);
    work.running.add(run);
    try {
      const sorted = await run.outcome();
      if (work.holds(line.claim)) this.#ends.after(run, sorted);
    } catch (error) {
      this.#parts.pause(work, `Its input file cannot be read: ${(error as Error).message}`, this.#parts.clock.wall() + UNREADABLE_MS);
    } finally {
      this.#parts.lanes.left(run);
      work.running.delete(run);
    }
    if (work.isDone) this.#parts.onDone();
    else this.pumpSoon();
  }

  async #claim(work: BatchWork): Promise<void> {
    if (work.isClaiming || work.isExhausted || work.stopped !== null || work.settler.isInTrouble) return;
    const { clock, records, holder, directory, lanes } = this.#parts;
    // Another process may have room for them.
    if (lanes.rests.of(work.owner) !== null) return;
    work.isClaiming = true;
    try {
      const { id } = work.row;
      const loaded = directory.models().filter((model) => directory.readyFor(model.id).length > 0);
      const names = loaded.flatMap((model) => [model.id, ...model.aliases]);
      let claimed = names.length === 0 ? null : await records.claimSlice(id, holder.id, names, clock.wall());
      if (claimed === null && work.waiting() === 0) claimed = await records.claimSlice(id, holder.id, null, clock.wall());
      if (claimed === null) work.isExhausted = true;
      else if (work.stopped === null) work.take(claimed.claim, claimed.lines, (name) => directory.resolve(name)?.id ?? name);
      else this.#parts.onUnwanted(claimed.claim);
    } catch (error) {
      work.isExhausted = true;
      this.#parts.onUnsure(error);
    } finally {
      work.isClaiming = false;
    }
    this.pumpSoon();
  }
}
