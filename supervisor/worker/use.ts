import type { Beat } from '../../gateway/vllm/beat.ts';

/** When a worker last had work that was not its supervisor's, as far as anybody has looked. Monotonic milliseconds. */
export interface WorkerUse {
  readonly usedAtMs: number;
  readonly seenAtMs: number;
  /** As last seen; null before the first look, or where the engine does not count. */
  readonly tokens: number | null;
  /** Its supervisor has asked it for a token since: the next that have come may be those. */
  readonly asked: boolean;
  /** It has had work, or nobody can say. */
  readonly everUsed: boolean;
}

/** `before`: how much it has done so far, none of it for anybody else; null: it may have had work already, or does not count. */
export function newlyUsed(nowMs: number, before: Beat | null): WorkerUse {
  return { usedAtMs: nowMs, seenAtMs: nowMs, tokens: before?.tokens ?? null, asked: false, everUsed: before === null };
}

/** After a look at how much the engine has done. */
export function seenUse(use: WorkerUse, beat: Beat | null, nowMs: number): WorkerUse {
  const worked = beat !== null && (beat.running > 0 || (!use.asked && use.tokens !== null && beat.tokens !== use.tokens));
  return {
    usedAtMs: worked ? nowMs : use.usedAtMs,
    seenAtMs: nowMs,
    tokens: beat?.tokens ?? null,
    asked: false,
    everUsed: use.everUsed || worked || beat === null,
  };
}
