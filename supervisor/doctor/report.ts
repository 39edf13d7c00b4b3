import type { Fit } from '../fit/fit.ts';
import type { FlagOrigin } from '../plan/flag-origins.ts';

/** What `headgate doctor --json` prints. Memory in GiB. */
export interface DoctorReport {
  /** Nothing stands in the way. */
  readonly ok: boolean;
  /** What stands in the way, a sentence or two each. */
  readonly problems: readonly string[];
  /** What does not stand in the way, but is worth knowing. */
  readonly warnings: readonly string[];
  readonly gpus: readonly GpuFinding[];
  readonly engine: { readonly kind: 'vllm' | 'sim'; readonly reason: string };
  readonly vllm: VllmFinding | null;
  /** Of the card that the first model is on. */
  readonly profile: ProfileFinding;
  /** Of other cards in use, where they are not alike. */
  readonly other_profiles: readonly ProfileFinding[];
  readonly models: readonly ModelFinding[];
  /** What would be launched first; null when that is refused. */
  readonly command: CommandFinding | null;
  readonly state: StateFinding;
}

/** The same of a gateway that launches nothing. */
export interface GatewayReport extends Pick<DoctorReport, 'ok' | 'problems' | 'warnings' | 'state'> {
  readonly gpus: readonly [];
  readonly engine: null;
  readonly vllm: null;
  readonly profile: null;
  readonly other_profiles: readonly [];
  readonly models: readonly [];
  readonly command: null;
}

export interface GpuFinding {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly memory_gib: number;
  /** What of it CUDA hands out. */
  readonly usable_gib: number;
  readonly free_gib: number | null;
  readonly compute_cap: number | null;
  readonly driver: string | null;
  readonly driver_advice: string;
  readonly utilization_ratio: number | null;
  readonly temperature_celsius: number | null;
  readonly power_watts: number | null;
  readonly display: boolean;
  /** Only pretended, as SIM_GPU asks. */
  readonly simulated: boolean;
  readonly fault: string | null;
  readonly held_by: readonly { readonly pid: number; readonly name: string; readonly memory_gib: number | null }[];
}

interface VllmFinding {
  readonly path: string;
  readonly version: string | null;
  readonly cuda: string | null;
  readonly cpu: boolean;
  /** How many flags it has; null where it was not asked or did not answer. */
  readonly flags: number | null;
}

export interface ProfileFinding {
  readonly name: string;
  readonly title: string;
  readonly reason: string;
  readonly tuning: string;
  /** Engine settings and environment of the profile, and why each is what it is. */
  readonly values: readonly { readonly setting: string; readonly value: string; readonly why: string | null }[];
}

export interface ModelFinding {
  readonly id: string;
  /** Named in the settings, or launched because they name none. */
  readonly wanted: boolean;
  /** unknown: its dimensions are not known, or the card's memory is not. */
  readonly verdict: Fit['verdict'] | 'unknown';
  readonly variant: string | null;
  readonly source: string | null;
  readonly gpus: number;
  /** The GPU profile that goes for it; null when it is refused. */
  readonly profile: string | null;
  /** Indices of all that it may be loaded on. */
  readonly on_gpus: readonly number[];
  readonly context_tokens: number | null;
  /** Requests of that length that fit at once. */
  readonly concurrency: number | null;
  readonly weights_gib: number | null;
  readonly kv_cache_gib: number | null;
  /** The longest context that fits with otherwise these settings. */
  readonly largest_context_tokens: number | null;
  readonly notes: readonly string[];
  /** The engine's flags, and what set each. */
  readonly flags: readonly FlagOrigin[];
  /** What would be run for it; null when it is refused. */
  readonly command: CommandFinding | null;
}

export interface CommandFinding {
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
  /** Both as a shell takes them. */
  readonly shell: string;
}

export interface StateFinding {
  readonly directory: string;
  readonly control: string;
  /** A supervisor answers there now. */
  readonly supervisor_running: boolean;
  readonly port_range: readonly [number, number];
  /** Ports that somebody listens on, of those that were looked at before enough were found. */
  readonly ports_taken: readonly number[];
  /** Processes that an earlier run left behind; the next start ends them or takes them over. */
  readonly leftovers: readonly number[];
}
