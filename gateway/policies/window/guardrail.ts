export interface GuardrailSettings {
  readonly p95_slo_ms: number;
  readonly enabled: boolean;
}

export interface GuardState {
  /** The width in force. */
  widthMs: number;
  /** Time to the first byte of the answers of the last minute. */
  samples: { readonly atMs: number; readonly latencyMs: number }[];
  checkedAtMs: number;
  /** Since when every check has found the SLO kept. */
  calmSinceMs: number;
  changedAtMs: number;
}

/** The steps down from any width: half-way houses that people can reason about. */
const STEPS = [50, 20, 0] as const;
const MEMORY_MS = 60_000;
const CALM_MS = 60_000;
const MAX_SAMPLES = 2_000;
/** Fewer answers than these say nothing about a 95th percentile. */
const EVIDENCE = 20;

export function newGuard(widthMs: number, now: number): GuardState {
  return { widthMs, samples: [], checkedAtMs: now, calmSinceMs: now, changedAtMs: now };
}

/**
 * Narrows the window one step when the p95 breaks the SLO, and widens it one step after a calm minute.
 * Only answers since the last change count, so that one bad spell is not punished twice.
 * @returns the p95 it judged by, in ms
 */
export function guard(state: GuardState, configuredMs: number, sloMs: number, now: number): number {
  state.checkedAtMs = now;
  const since = Math.max(now - MEMORY_MS, state.changedAtMs);
  state.samples = state.samples.filter((sample) => sample.atMs >= since).slice(-MAX_SAMPLES);
  const p95Ms = percentile95(state.samples.map((sample) => sample.latencyMs));
  if (state.samples.length >= EVIDENCE && p95Ms > sloMs) {
    state.calmSinceMs = now;
    if (state.widthMs > 0) change(state, narrower(state.widthMs), now);
  } else if (state.widthMs < configuredMs && now - state.calmSinceMs >= CALM_MS) {
    change(state, wider(state.widthMs, configuredMs), now);
  }
  return p95Ms;
}

function change(state: GuardState, widthMs: number, now: number): void {
  state.widthMs = widthMs;
  state.changedAtMs = now;
  state.calmSinceMs = now;
  state.samples = [];
}

function narrower(widthMs: number): number {
  return STEPS.find((step) => step < widthMs) ?? 0;
}

function wider(widthMs: number, configuredMs: number): number {
  return Math.min(configuredMs, STEPS.findLast((step) => step > widthMs) ?? configuredMs);
}

function percentile95(values: number[]): number {
  if (values.length === 0) return 0;
  values.sort((a, b) => a - b);
  return values[Math.min(values.length - 1, Math.ceil(values.length * 0.95) - 1)]!;
}
