import { backOffMs } from '../../core/back-off.ts';
import type { WorkerLife } from '../../core/worker.ts';
import type { LineEnd } from '../../state/store/batch-terms.ts';
import type { BatchWork } from './batch-work.ts';
import type { Side } from '../../state/store/file-bytes.ts';
import type { Lanes } from './lanes.ts';
import type { LineRun } from './line-run.ts';
import { usageOf } from '../line-usage.ts';
import { type Answered, answerLine } from '../output-line.ts';
import type { RunnerParts } from './runner-parts.ts';
import type { Sorted } from './sorting.ts';

/** After a failure of the line's own, and after one that was not. */
const FAILED = { firstMs: 1_000, longestMs: 60_000 };
const RETURNED = { firstMs: 250, longestMs: 30_000 };
const JITTER = 0.2;
/** So often a worker may have no room for a line while it answers others, before that is taken to be about this one. */
const FEW_REFUSALS = 3;
/** From the one after these on it counts as the line's own failure: a worker that is full for all refuses none of them so often. */
const MANY_REFUSALS = 30;

interface EndsParts extends Pick<RunnerParts, 'clock' | 'random' | 'settings' | 'directory'> {
  readonly lanes: Pick<Lanes, 'answered' | 'hasAnsweredSince' | 'restModel' | 'rests'>;
  /** An owner has nothing left of a limit: others may have. */
  readonly onLimited: () => void;
  /** The batch cannot go on; null: until somebody does something. Wall-clock ms. */
  readonly pause: (work: BatchWork, reason: string, untilMs: number | null) => void;
}

/** Does what follows of what came of a line: it ends, or waits again. */
export class LineEnds {
  readonly #parts: EndsParts;

  constructor(parts: EndsParts) {
    this.#parts = parts;
  }

  after(run: LineRun, sorted: Sorted): void {
    const { clock, lanes, onLimited, pause } = this.#parts;
    const { work, line } = run;
    const now = clock.now();
    if (sorted.kind !== 'limited' && sorted.kind !== 'taken back') lanes.rests.ran(work.owner);
    switch (sorted.kind) {
      case 'answered':
        lanes.answered(line.model);
        return this.#end(run, 'completed', 'out', sorted.answer);
      case 'refused':
        return this.#end(run, 'failed', 'err', sorted.answer);
      case 'failed':
        return this.#failed(run, sorted.answer, now);
      case 'taken back':
        return work.giveBack(line, now);
      case 'later':
        return this.#later(run, sorted, now);
      case 'limited':
        lanes.rests.begin(work.owner, sorted.afterMs, sorted.message);
        work.giveBack(line, now);
        return onLimited();
      case 'spent':
        return pause(work, sorted.message, clock.wall() + sorted.afterMs);
      case 'keyless':
        return pause(work, sorted.message, null);
    }
  }

  /**
   * It was not its fault, and it comes again; unless there are witnesses: a worker that broke it off and lives on, whenever the next breaks it
   * off as well, or one that answers others and has never room for it.
   */
  #later(run: LineRun, { why, whose, afterMs, answer }: Extract<Sorted, { kind: 'later' }>, now: number): void {
    const { work, line } = run;
    const { lanes } = this.#parts;
    let isItsOwn = whose === 'line';
    if (why === 'upstream_disconnected') {
      const hasSurvived = line.brokenBy !== null && this.#livesOn(line.brokenBy);
      line.brokenBy = run.call?.attempts.at(-1)?.life ?? null;
      if (hasSurvived) return this.#failed(run, answer, now);
    } else if (why === 'worker_busy' && whose === 'model') {
      const isAlone = line.refusedAt !== null && lanes.hasAnsweredSince(line.model, line.refusedAt);
      line.refusedAt = now;
      if (isAlone) line.refusals += 1;
      isItsOwn = isAlone && line.refusals > FEW_REFUSALS;
      if (isItsOwn && line.refusals > MANY_REFUSALS) return this.#failed(run, answer, now);
    }
    if (isItsOwn) line.notBefore = now + this.#backOff(RETURNED, line.returns++);
    else if (whose === 'model') lanes.restModel(line.model, afterMs);
    work.giveBack(line, now);
  }

  #livesOn(life: WorkerLife): boolean {
    return this.#parts.directory.workers().some((worker) => worker.life === life);
  }

  /** A worker failed it: another time, or that was its answer. */
  #failed(run: LineRun, answer: Answered, now: number): void {
    const { work, line } = run;
    if (line.attempts + 1 >= this.#parts.settings().line_max_attempts) return this.#end(run, 'failed', 'err', answer);
    line.notBefore = now + this.#backOff(FAILED, line.attempts++);
    const { slice, epoch } = line.claim;
    work.settler.add({ slice, epoch, rank: line.row.rank, end: 'again', usage: null, line: null, ms: now - run.startedAt });
    work.giveBack(line, now);
  }

  #end(run: LineRun, end: Extract<LineEnd, 'completed' | 'failed'>, side: Side, answer: Answered): void {
    const { claim, row } = run.line;
    const bytes = answerLine(run.id, run.customId, answer);
    run.work.settler.add({
      ...{ slice: claim.slice, epoch: claim.epoch, rank: row.rank, end },
      usage: end === 'completed' ? usageOf(answer.bytes) : null,
      line: { side, bytes },
      ms: this.#parts.clock.now() - run.startedAt,
    });
  }

  #backOff(growth: { readonly firstMs: number; readonly longestMs: number }, earlier: number): number {
    return backOffMs(growth, earlier, { random: this.#parts.random, share: JITTER });
  }
}
