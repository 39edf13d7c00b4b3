import type { DrainStage } from './words.ts';

const STAGES: readonly DrainStage[] = ['begin', 'refusing', 'cutting', 'end'];

type Tell = (stage: DrainStage, inFlight: number, durationMs: number) => void;

/** Makes one drain of those of several processes: a stage is told when all have come so far, with the calls of all. */
export class DrainLines {
  readonly #tell: Tell;
  /** By process: where it is, and how many calls it had at each stage that it has seen. */
  readonly #seen = new Map<number, Map<DrainStage, number>>();
  #told = 0;
  #durationMs = 0;

  constructor(processes: readonly number[], tell: Tell) {
    this.#tell = tell;
    for (const process of processes) this.#seen.set(process, new Map());
  }

  heard(process: number, stage: DrainStage, inFlight: number, durationMs: number): void {
    this.#seen.get(process)?.set(stage, inFlight);
    this.#durationMs = Math.max(this.#durationMs, durationMs);
    this.#tellWhatIsDue();
  }

  gone(process: number): void {
    // Its calls are cut, and its own end is an end; the last one leaves nobody to wait for.
    const seen = this.#seen.get(process);
    if (!seen || seen.has('end')) return;
    seen.set('end', 0);
    this.#tellWhatIsDue();
  }

  #tellWhatIsDue(): void {
    const all = [...this.#seen.values()];
    while (this.#told < STAGES.length) {
      const stage = STAGES[this.#told]!;
      const isDue = all.every((seen) => STAGES.slice(this.#told).some((later) => seen.has(later)));
      if (!isDue) return;
      this.#told += 1;
      // What nobody has come to is left out: calls are cut only where some are left.
      if (!all.some((seen) => seen.has(stage))) continue;
      this.#tell(
        stage,
        all.reduce((sum, seen) => sum + (seen.get(stage) ?? 0), 0),
        this.#durationMs,
      );
    }
  }
}
