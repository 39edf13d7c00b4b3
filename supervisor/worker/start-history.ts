import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { StartSample } from './start-estimate.ts';
import { writeWhole } from '../system/write-whole.ts';

const MAX_SAMPLES = 10;
/** Kinds of starts remembered; beyond, the one not seen for longest is forgotten. */
const MAX_KEYS = 100;

const ms = z.number().nonnegative();
const fileSchema = z.record(
  z.string(),
  z.array(z.object({ modelLoadedMs: ms.nullable(), graphsMs: ms.nullable(), totalMs: ms })).max(MAX_SAMPLES),
);

/** How long the last starts of each model with each set of settings took. Kept in a file, so that the first estimate of a day is good. */
export class StartHistory {
  readonly #path: string;
  readonly #samples: Map<string, readonly StartSample[]>;

  constructor(path: string) {
    this.#path = path;
    this.#samples = new Map(Object.entries(read(path)));
  }

  /** Newest last; at most ten. */
  of(key: string): readonly StartSample[] {
    return this.#samples.get(key) ?? [];
  }

  /** Never throws: an estimate is not worth a worker. */
  add(key: string, sample: StartSample): void {
    const samples = [...this.of(key), sample].slice(-MAX_SAMPLES);
    this.#samples.delete(key);
    this.#samples.set(key, samples);
    for (const oldest of this.#samples.keys()) {
      if (this.#samples.size <= MAX_KEYS) break;
      this.#samples.delete(oldest);
    }
    try {
      writeWhole(this.#path, JSON.stringify(Object.fromEntries(this.#samples)));
    } catch {
      // Remembered until the supervisor ends.
    }
  }
}

function read(path: string): Record<string, StartSample[]> {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return {};
  }
}
