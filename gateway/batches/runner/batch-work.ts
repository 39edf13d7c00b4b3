import type { Route } from '../../core/call.ts';
import type { WorkerLife } from '../../core/worker.ts';
import type { Principal } from '../../core/principal.ts';
import type { BatchRow, Claim, ClaimedLine } from '../../state/store/batch-terms.ts';
import type { InputFile } from '../journals/input-file.ts';
import type { Settler } from '../journals/settler.ts';
import type { InTurn } from './turns.ts';

/** A line that this process has claimed, and that has not ended. */
export interface Line {
  readonly row: ClaimedLine;
  readonly claim: Claim;
  /** Its id in the directory, as far as known. */
  model: string;
  /** Times that it failed by its own fault. */
  attempts: number;
  /** Times in a row that it came back for another's. */
  returns: number;
  /** When its worker had no room for it last. Monotonic ms; null: never. */
  refusedAt: number | null;
  /** Times that it had none for it again, after it had answered others. */
  refusals: number;
  /** The life of the worker that broke it off last; null: none has, or it is not known. */
  brokenBy: WorkerLife | null;
  /** Monotonic ms before which it does not run again. */
  notBefore: number;
}

/** A line that runs. */
export interface Running {
  readonly line: Line;
  /** It holds a place at the workers. */
  readonly hasPlace: boolean;
  takeBack(): void;
}

/** Why a batch starts no more lines here. */
export type Stop = 'cancelled' | 'expired' | 'set aside';

/** What this process has in hand of one batch. */
export class BatchWork implements InTurn {
  row: BatchRow;
  principal: Principal;
  servedAt = 0;
  /** No slice was free when it was last asked for one. */
  isExhausted = false;
  isClaiming = false;
  stopped: Stop | null = null;
  readonly route: Route;
  readonly input: InputFile;
  readonly settler: Settler;
  readonly running = new Set<Running>();
  /** By slice: the claim, and how many of its lines have not ended. */
  readonly #slices = new Map<number, { readonly claim: Claim; left: number }>();
  /** By model, the next one last. */
  readonly #waiting = new Map<string, Line[]>();
  #resting: Line[] = [];

  constructor(row: BatchRow, principal: Principal, route: Route, input: InputFile, settler: Settler) {
    this.row = row;
    this.principal = principal;
    this.route = route;
    this.input = input;
    this.settler = settler;
  }

  get owner(): string {
    return this.row.owner;
  }

  /** Models that lines wait for. */
  models(): Iterable<string> {
    return this.#waiting.keys();
  }

  /** Lines that may start, of a model or of all. */
  waiting(model?: string): number {
    if (model !== undefined) return this.#waiting.get(model)?.length ?? 0;
    let waiting = 0;
    for (const lines of this.#waiting.values()) waiting += lines.length;
    return waiting;
  }

  holds({ slice, epoch }: Claim): boolean {
    return this.#slices.get(slice)?.claim.epoch === epoch;
  }

  take(claim: Claim, lines: readonly ClaimedLine[], idOf: (model: string) => string): void {
    this.#slices.set(claim.slice, { claim, left: lines.length });
    const byModel = Map.groupBy(lines, ({ model }) => idOf(model));
    for (const [model, rows] of byModel) {
      const added = rows.map((row): Line => ({
        row,
        claim,
        model,
        attempts: row.attempts,
        returns: 0,
        refusedAt: null,
        refusals: 0,
        brokenBy: null,
        notBefore: -Infinity,
      }));
      this.#waiting.set(model, [...added.reverse(), ...(this.#waiting.get(model) ?? [])]);
    }
  }

  next(model: string): Line | null {
    const lines = this.#waiting.get(model);
    const line = lines?.pop() ?? null;
    if (lines?.length === 0) this.#waiting.delete(model);
    return line;
  }

  /** It waits again, before the others, or after its rest. */
  giveBack(line: Line, now: number): void {
    if (this.stopped !== null || !this.holds(line.claim)) return;
    if (line.notBefore > now) {
      this.#resting.push(line);
      return;
    }
    const lines = this.#waiting.get(line.model);
    if (lines) lines.push(line);
    else this.#waiting.set(line.model, [line]);
  }

  /** Those whose rest is over wait again. */
  wake(now: number): void {
    if (this.#resting.length === 0) return;
    const due = this.#resting.filter(({ notBefore }) => notBefore <= now);
    this.#resting = this.#resting.filter(({ notBefore }) => notBefore > now);
    for (const line of due) this.giveBack(line, now);
  }

  /** One of its lines has ended, on record. */
  ended(slice: number): void {
    const held = this.#slices.get(slice);
    if (held !== undefined && --held.left === 0) this.#slices.delete(slice);
  }

  /** These slices are another's. */
  lose(slices: readonly number[]): void {
    for (const slice of slices) this.#slices.delete(slice);
    const isHeld = ({ claim }: Line): boolean => this.holds(claim);
    for (const [model, lines] of this.#waiting) {
      const kept = lines.filter(isHeld);
      if (kept.length > 0) this.#waiting.set(model, kept);
      else this.#waiting.delete(model);
    }
    this.#resting = this.#resting.filter(isHeld);
    for (const run of this.running) if (!this.holds(run.line.claim)) run.takeBack();
  }

  /** Starts no more. */
  stop(why: Stop): void {
    this.stopped = why;
    this.#waiting.clear();
    this.#resting = [];
  }

  /** It has stopped, and nothing of it is under way. */
  get isDone(): boolean {
    return this.stopped !== null && this.running.size === 0 && !this.isClaiming && this.settler.isIdle;
  }

  /** Its claims on slices of which every line that has not ended may start: nothing is under way of them. */
  idleClaims(): Claim[] {
    if (!this.settler.isIdle) return [];
    const waiting = new Map<number, number>();
    for (const lines of this.#waiting.values())
      for (const { claim } of lines) waiting.set(claim.slice, (waiting.get(claim.slice) ?? 0) + 1);
    return [...this.#slices].filter(([slice, { left }]) => waiting.get(slice) === left).map(([, { claim }]) => claim);
  }

  /** Its claims on lines that have not ended. */
  claims(): Claim[] {
    return [...this.#slices.values()].map(({ claim }) => claim);
  }
}
