import type { Beat } from './life.ts';

/** When a worker last had work that was not its supervisor's, as far as anybody has looked. Monotonic milliseconds. */
export interface WorkerUse {
  readonly usedAtMs: number;
  readonly seenAtMs: number;
  /** As last seen; null before the first look, or where the engine does not count. */
  readonly tokens: number | null;
  /** Its supervisor has asked it for a token since: the next that have come may be those. */
  readonly asked: boolean;
}

export function newlyUsed(nowMs: number): WorkerUse {
  return { usedAtMs: nowMs, seenAtMs: nowMs, tokens: null, asked: false };
}

/** After a look at how much the engine has done. */
export function seenUse(use: WorkerUse, beat: Beat | null, nowMs: number): WorkerUse {
  const worked = beat !== null && (beat.running > 0 || (!use.asked && use.tokens !== null && beat.tokens !== use.tokens));
  return { usedAtMs: worked ? nowMs : use.usedAtMs, seenAtMs: nowMs, tokens: beat?.tokens ?? null, asked: false };
}
