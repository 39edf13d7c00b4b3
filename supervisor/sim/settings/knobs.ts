import { ConfigError } from './config-error.ts';
import { FAULTS, isFault } from './faults.ts';
import type { FaultKind } from './faults.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The points at which a start can stand still, in their order. */
const START_PHASES = ['resolve', 'weights', 'compile', 'profile', 'kv', 'graphs', 'warm-up'] as const;
export type StartPhase = (typeof START_PHASES)[number];

/** What the simulation was told by SIM_ variables. */
export interface Knobs {
  /** Factor on every duration; 0 waits for nothing. */
  readonly speed: number;
  readonly startMs: number;
  readonly seed: number;
  readonly fault: FaultKind | null;
  /** Tokens that a fault from the start on lets pass. */
  readonly faultAfterTokens: number;
  readonly faultRoute: boolean;
  /** The start gets no further than here. */
  readonly stallAt: StartPhase | null;
  /** What `config-error` says; null for a model that is not there. */
  readonly startError: string | null;
  /** What the engine core says when `engine-death` strikes; null for nothing, as when it is killed. */
  readonly deathError: string | null;
  /** The engine core runs out of memory while serving when gpu_memory_utilization is above this. */
  readonly runtimeOomAboveUtil: number | null;
  /** MiB that are printed once the server is ready, and over how many seconds. */
  readonly logMib: number;
  readonly logSeconds: number;
  /** How long GPU memory stays taken after the engine core's end. */
  readonly vramReleaseMs: number;
  /** How long an orderly stop takes when nothing is in flight. */
  readonly stopMs: number;
  /** A stop leaves its callers without a word, and waits for them to go. */
  readonly silentStop: boolean;
  /** How much larger CUDA graphs turn out than vLLM estimates. */
  readonly graphFactor: number;
}

/** A number out of the environment, or `fallback`. Throws ConfigError for a value that is no number of at least 0. */
export function numberOf(env: Environment, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new ConfigError(`ValueError: ${name} must be a number of at least 0, got '${text}'`);
  return value;
}

/** Reads the SIM_ variables. Throws ConfigError. */
export function readKnobs(env: Environment): Knobs {
  const speed = numberOf(env, 'SIM_SPEED', 1);
  const above = numberOf(env, 'SIM_RUNTIME_OOM_ABOVE_UTIL', NaN);
  return {
    speed,
    // A time that was asked for by name is not scaled by the speed.
    startMs: numberOf(env, 'SIM_START_MS', 1500 * speed),
    seed: numberOf(env, 'SIM_SEED', 0),
    fault: oneOf(env, 'SIM_FAULT', FAULTS, isFault),
    faultAfterTokens: numberOf(env, 'SIM_FAULT_AFTER_TOKENS', 8),
    faultRoute: env['SIM_FAULTS'] === '1',
    stallAt: oneOf(env, 'SIM_STALL_START', START_PHASES, isStartPhase),
    startError: textOf(env, 'SIM_START_ERROR'),
    deathError: textOf(env, 'SIM_DEATH_ERROR'),
    runtimeOomAboveUtil: Number.isNaN(above) ? null : above,
    logMib: numberOf(env, 'SIM_LOG_MIB', 0),
    logSeconds: numberOf(env, 'SIM_LOG_SECONDS', 0),
    vramReleaseMs: numberOf(env, 'SIM_VRAM_RELEASE_MS', 0),
    // 5.5 s were seen of 0.32.0 on an idle server.
    stopMs: numberOf(env, 'SIM_STOP_MS', 5500 * speed),
    silentStop: env['SIM_SILENT_STOP'] === '1',
    graphFactor: numberOf(env, 'SIM_GRAPH_FACTOR', 1.15),
  };
}

function isStartPhase(text: string): text is StartPhase {
  return (START_PHASES as readonly string[]).includes(text);
}

function textOf(env: Environment, name: string): string | null {
  return env[name] || null;
}

function oneOf<T extends string>(env: Environment, name: string, all: readonly T[], is: (text: string) => text is T): T | null {
  const text = env[name];
  if (text === undefined || text === '' || text === 'none') return null;
  if (!is(text)) throw new ConfigError(`ValueError: ${name} must be one of ${all.join(', ')}, got '${text}'`);
  return text;
}
