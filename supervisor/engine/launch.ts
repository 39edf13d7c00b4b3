import { shownArguments } from '../../gateway/core/secrets/data.ts';
import type { SchedulingPolicy } from '../../gateway/core/worker.ts';
import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import type { EngineSettings } from '../profile/profile.ts';
import { isNegatable } from '../flags/known-flags.ts';
import { passedOn } from './environment.ts';
import { INSTANCE_VARIABLE } from '../system/instance-variable.ts';

export interface LaunchRequest {
  readonly engine: 'vllm' | 'sim';
  /** Program and first arguments, up to and including `serve`. */
  readonly command: readonly string[];
  readonly modelId: string;
  readonly source: string;
  readonly settings: EngineSettings;
  readonly port: number;
  readonly shutdownTimeoutSeconds: number;
  /** After which a start that makes no progress is given up. */
  readonly startTimeoutSeconds: number;
  readonly instanceId: string;
  /** What makes it use a folder of its own for temporary files. */
  readonly scratchEnv: Readonly<Record<string, string>>;
  /** The GPUs it may use; none leaves that to the environment. */
  readonly gpuUuids: readonly string[];
  /** The card that the simulated engine is to pretend; null leaves it to SIM_GPU. */
  readonly simulatedGpu: string | null;
  readonly profileEnv: Readonly<Record<string, string>>;
  /** It is to obey /sleep and /wake_up. The endpoints that come with that are the reason why a worker listens on loopback alone. */
  readonly developmentMode?: boolean;
  /** Every flag that the engine has, with its dashes; null or left out where nobody asked it. */
  readonly knownFlags?: ReadonlySet<string> | null;
  /** The supervisor's own environment, which passes but for a few names. */
  readonly baseEnv: Readonly<Record<string, string | undefined>>;
  /** Values of secrets in the settings: no variable that holds one passes. */
  readonly secrets?: ReadonlySet<string>;
  readonly cwd: string;
}

export interface LaunchPlan {
  readonly file: string;
  readonly argv: readonly string[];
  /** What comes after `serve`, as it may be shown: the part an operator would repeat by hand. Secrets are hidden. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly maxNumSeqs: number;
  readonly scheduling: SchedulingPolicy;
  readonly maxModelLen: number | null;
}

/** The least that vLLM's front end waits for its engine. */
const ENGINE_READY_SECONDS = 3600;

/** vLLM's own number of sequences where none is set. */
const DEFAULT_MAX_NUM_SEQS = 256;

/** Settings that are the supervisor's own to decide: it could not find or recognize a worker that has others. */
export const OURS: ReadonlySet<string> = new Set(['host', 'port', 'uds', 'served_model_name', 'api_key', 'model', 'shutdown_timeout']);

/** The command line, environment and folder of one start. Pure. */
export function planLaunch(request: LaunchRequest): LaunchPlan {
  const args = [
    request.source,
    ...['--served-model-name', request.modelId],
    // Loopback only: a worker has no key, and its development endpoints must not be reachable.
    ...['--host', '127.0.0.1', '--port', String(request.port)],
    ...toFlags(request.settings, request.knownFlags ?? null),
    ...comforts(request).flatMap(([flag, ...values]) => (request.knownFlags?.has(flag) === false ? [] : [flag, ...values])),
  ];
  const [file = '', ...before] = request.command;
  return {
    file,
    argv: [...before, ...args],
    args: shownArguments(args),
    env: environment(request),
    cwd: request.cwd,
    maxNumSeqs: numberOr(request.settings['max_num_seqs'], DEFAULT_MAX_NUM_SEQS),
    scheduling: request.settings['scheduling_policy'] === 'priority' ? 'priority' : 'fcfs',
    maxModelLen: numberOr(request.settings['max_model_len'], null),
  };
}

/** What we want of every engine, though an older one without it serves as well. */
function comforts({ shutdownTimeoutSeconds }: LaunchRequest): readonly (readonly [string, ...string[]])[] {
  return [
    // The gateway correlates its log with the engine's by these ids, and reports cached tokens.
    ['--enable-request-id-headers'],
    ['--enable-prompt-tokens-details'],
    // What is asked of an engine is known while it hangs, too: see the probe's pulse.
    ['--enable-server-load-tracking'],
    ['--disable-access-log-for-endpoints', '/health,/metrics,/load,/ping'],
    ['--shutdown-timeout', String(shutdownTimeoutSeconds)],
  ];
}

/**
 * `{max_num_seqs: 8, enforce_eager: true}` → `--max-num-seqs 8 --enforce-eager`. Null leaves a flag out, and so does false where there is
 * no way to say no. `known`: every flag that the engine has; null where nobody asked it.
 */
export function toFlags(settings: EngineSettings, known: ReadonlySet<string> | null = null): string[] {
  return Object.entries(settings).flatMap(([key, value]) => {
    const name = key.replaceAll('_', '-');
    if (OURS.has(key.replaceAll('-', '_')) || value === null) return [];
    if (value === true) return [`--${name}`];
    if (value === false) return isNegatable(name, known) ? [`--no-${name}`] : [];
    if (isList(value)) return [`--${name}`, ...value.map(toText)];
    return [`--${name}`, toText(value)];
  });
}

function isList(value: EngineValue): value is readonly EngineValue[] {
  return Array.isArray(value);
}

function toText(value: EngineValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function numberOr<T>(value: EngineValue | undefined, otherwise: T): number | T {
  return typeof value === 'number' ? value : otherwise;
}

function environment(request: LaunchRequest): Record<string, string> {
  const env = passedOn(request.baseEnv, request.engine, request.secrets);
  Object.assign(env, {
    // A kept connection closes on our side first: vLLM's default of 5 s cuts requests that are just being sent.
    VLLM_HTTP_TIMEOUT_KEEP_ALIVE: '120',
    // A start that gets on may take longer than ours: vLLM must not give up by the clock alone.
    VLLM_ENGINE_READY_TIMEOUT_S: String(Math.max(ENGINE_READY_SECONDS, 2 * request.startTimeoutSeconds)),
    VLLM_NO_USAGE_STATS: '1',
    VLLM_LOGGING_COLOR: '0',
    VLLM_DISABLE_LOG_LOGO: '1',
    NO_COLOR: '1',
    PYTHONUNBUFFERED: '1',
    // Without it vLLM's process titles overwrite the memory in which the mark below stands (setproctitle).
    SPT_NOENV: '1',
    ...request.scratchEnv,
    ...request.profileEnv,
    ...(request.developmentMode ? { VLLM_SERVER_DEV_MODE: '1' } : {}),
    [INSTANCE_VARIABLE]: request.instanceId,
  });
  if (request.gpuUuids.length > 0) {
    env['CUDA_DEVICE_ORDER'] = 'PCI_BUS_ID';
    env['CUDA_VISIBLE_DEVICES'] = request.gpuUuids.join(',');
  }
  if (request.engine === 'sim' && request.simulatedGpu !== null) env['SIM_GPU'] ??= request.simulatedGpu;
  return env;
}
