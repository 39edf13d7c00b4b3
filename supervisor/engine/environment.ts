import { removedVariables } from '../profile/removed-flags.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A variable that is there and does not reach the engine. */
interface HeldBack {
  readonly name: string;
  /** null where nobody needs to be told. */
  readonly why: string | null;
}

const OURS = 'it would change what the worker answers to its supervisor';

const REASONS: Readonly<Record<string, string>> = {
  VLLM_API_KEY: OURS,
  VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: OURS,
  VLLM_SERVER_DEV_MODE: OURS,
  VLLM_PROCESS_NAME_PREFIX: 'the supervisor knows the engine’s processes by the names that vLLM gives them',
  PROMETHEUS_MULTIPROC_DIR: 'engines that share this folder mix their metrics; vLLM makes a folder of its own where it needs one',
};

/** What Kubernetes tells the containers of a namespace that has a Service named vllm; vLLM takes the first for a number, and ends. */
const SERVICE_LINK = /^VLLM_(?:PORT|SERVICE_(?:HOST|PORT)|PORT_\d+_(?:TCP|UDP))/;
const SERVICE = 'Kubernetes made it of a Service named vllm: set enableServiceLinks: false in the pod, or rename the Service';

/**
 * Those of the supervisor's variables that an engine does not get; all others pass. Headgate's own are secrets or settings, a secret of
 * the settings may stand in a variable of any name, and what vLLM has no use for would make it warn. `secrets`: what the settings hold.
 */
export function heldBack(env: Environment, engine: 'vllm' | 'sim', secrets: ReadonlySet<string> = new Set()): HeldBack[] {
  return Object.entries(env).flatMap(([name, value]): HeldBack[] => {
    if (value === undefined) return [];
    const why = Object.hasOwn(REASONS, name) ? REASONS[name] : undefined;
    if (why !== undefined) return [{ name, why }];
    if (SERVICE_LINK.test(name) && !(name === 'VLLM_PORT' && /^\d*$/.test(value)))
      return [{ name, why: name === 'VLLM_PORT' ? SERVICE : null }];
    const isOwn = name.startsWith('HEADGATE_') || secrets.has(value) || (engine === 'vllm' && name.startsWith('SIM_'));
    return isOwn || removedVariables({ [name]: value }).length > 0 ? [{ name, why: null }] : [];
  });
}

/** What passes from the supervisor's environment to an engine's. */
export function passedOn(env: Environment, engine: 'vllm' | 'sim', secrets?: ReadonlySet<string>): Record<string, string> {
  const held = new Set(heldBack(env, engine, secrets).map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined || held.has(name) ? [] : [[name, value] as const])),
  );
}

/** For the operator: what an engine does not get, and why, a sentence each. */
export function heldBackWords(env: Environment, engine: 'vllm' | 'sim'): string[] {
  const told = heldBack(env, engine).filter(({ why }) => why !== null);
  return [...told.map(({ name, why }) => `The engine does not get ${name}: ${why}.`), ...removedVariables(env)];
}
