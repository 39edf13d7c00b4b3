import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { REFUSABLE_FEATURES } from '../../gateway/core/worker.ts';
import type { Failure } from '../failure/failure.ts';
import { FAILURE_CLASSES } from '../failure/table.ts';
import type { Footing, FootingChange } from '../ladder/ladder.ts';
import { LEVEL_GROUND } from '../ladder/ladder.ts';
import type { Relaxation } from '../ladder/step.ts';
import type { Measured } from '../failure/log-tail.ts';
import { writeWhole } from '../system/write-whole.ts';

/** What a footing was found for. With any of it changed, the steps taken say nothing any more. */
interface FootingIdentity {
  readonly worker: string;
  readonly model: string;
  /** Of the model's settings before anything was relaxed, and of the GPUs. */
  readonly fingerprint: string;
  readonly gpuUuids: readonly string[];
  /** null: unknown, which is no change. */
  readonly driverVersion: string | null;
}

const settingChange = z.union([
  z.object({ kind: z.literal('engine'), key: z.string(), value: z.json() as unknown as z.ZodType<EngineValue> }),
  z.object({ kind: z.literal('env'), key: z.string(), value: z.string() }),
  z.object({ kind: z.literal('source'), value: z.string() }),
  z.object({ kind: z.literal('refusal'), feature: z.enum(REFUSABLE_FEATURES) }),
]);
const relaxation = z.object({
  setting: z.string(),
  from: z.string(),
  to: z.string(),
  reason: z.string(),
  // A class of another version is none that could come again here; the step itself stays in force.
  class: z.enum(FAILURE_CLASSES).catch('unknown'),
  change: settingChange,
});
const footing = z.object({
  steps: z.array(relaxation),
  climbed: relaxation.nullable(),
  relapses: z.int().nonnegative(),
  servedMs: z.number(),
  outdated: z.boolean(),
});
const line = z.object({
  fingerprint: z.string(),
  driver_version: z.string().nullable().default(null),
  vllm_version: z.string().nullable(),
  footing,
});

/** Past this size only the newest lines are kept. */
const MAX_BYTES = 1024 * 1024;
const KEPT_LINES = 500;

export interface LoadedFooting {
  readonly footing: Footing;
  /** vLLM's version when it was written. */
  readonly version: string | null;
  /** Steps were taken back because something has changed. */
  readonly reset: boolean;
}

/** One JSON line for each step down or up, newest last; the last line holds where the worker stands. */
export class LadderRecord {
  readonly #path: string;
  readonly #identity: FootingIdentity;

  constructor(path: string, identity: FootingIdentity) {
    this.#path = path;
    this.#identity = identity;
  }

  /** Where the worker stood when the last line was written; level ground where there is none, or it was for something else. */
  load(): LoadedFooting {
    const nothing: LoadedFooting = { footing: LEVEL_GROUND, version: null, reset: false };
    try {
      const last = lastOf(linesOf(readFileSync(this.#path, 'utf8')));
      if (!last) return nothing;
      if (this.#isForeign(last)) return { ...nothing, reset: last.footing.steps.length > 0 };
      return { footing: last.footing, version: last.vllm_version, reset: false };
    } catch {
      // No file yet, or none that can be read.
      return nothing;
    }
  }

  #isForeign({ fingerprint, driver_version: then }: z.output<typeof line>): boolean {
    const { driverVersion: now } = this.#identity;
    return fingerprint !== this.#identity.fingerprint || (then !== null && now !== null && then !== now);
  }

  /** Adds a line. @throws when the disk does not take it */
  append(entry: {
    readonly atMs: number;
    readonly change: FootingChange | null;
    readonly step: Relaxation | null;
    readonly failure: Failure | null;
    readonly measured: Measured;
    readonly version: string | null;
    readonly footing: Footing;
  }): void {
    const { worker, model, fingerprint, gpuUuids, driverVersion } = this.#identity;
    const { step, failure, measured } = entry;
    const told = {
      ts: new Date(entry.atMs).toISOString(),
      instance: worker,
      gpu_uuid: gpuUuids,
      model,
      fingerprint,
      driver_version: driverVersion,
      vllm_version: entry.version,
      event: entry.change ?? 'served',
      class: failure?.class ?? step?.class ?? null,
      phase: failure?.phase ?? null,
      signature_line: failure?.lastWords ?? null,
      setting: step?.setting ?? null,
      from: step?.from ?? null,
      to: step?.to ?? null,
      reason: step?.reason ?? null,
      evidence: failure?.evidence ?? {},
      measured,
      footing: entry.footing,
    };
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    this.#mend();
    appendFileSync(this.#path, `${JSON.stringify(told)}\n`, { mode: 0o600 });
  }

  /** A line is not to be written behind half of one, and a long file loses its oldest. */
  #mend(): void {
    if (!existsSync(this.#path)) return;
    const text = readFileSync(this.#path, 'utf8');
    if (text.endsWith('\n') && text.length <= MAX_BYTES) return;
    const lines = text.length > MAX_BYTES ? linesOf(text).slice(-KEPT_LINES) : linesOf(text);
    writeWhole(this.#path, `${lines.join('\n')}\n`);
  }
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((one) => one !== '');
}

/** The last line that is whole: one that was being written when the machine went down is not. */
function lastOf(lines: readonly string[]): z.output<typeof line> | null {
  for (const text of lines.toReversed()) {
    try {
      return line.parse(JSON.parse(text));
    } catch {
      continue;
    }
  }
  return null;
}
