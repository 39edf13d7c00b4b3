import type { AskedSwap } from './model-request.ts';
import type { GpuProfile, ModelProfile } from '../profile/profile.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';

/** How one model takes turns with others on its GPU. */
export interface SwapRules {
  /** How deep it sleeps while another has the GPU; null: it ends. */
  readonly sleep: SleepLevel | null;
  /** undefined: nobody says. */
  readonly dwellMs: number | undefined;
  /** null: never for being idle; undefined: nobody says. */
  readonly idleUnloadMs: number | null | undefined;
  /** Why it ends though it was meant to sleep, in plain words; null: nothing is in the way, or nobody meant it to. */
  readonly hindrance: string | null;
}

/** Nothing is loaded or read anew that would take long, so it need not stay for long either. */
const SLEEPERS_DWELL_MS = 5000;

/** The settings go before the model's profile, and that before the GPU's. */
export function swapRules(asked: AskedSwap | null, model: ModelProfile | null, gpu: GpuProfile): SwapRules {
  const [own, card] = [model?.swap, gpu.swap];
  const strategy = asked?.strategy ?? own?.strategy ?? card.strategy ?? 'cold';
  const sleep = strategy === 'sleep' ? (asked?.sleep_level ?? own?.sleep_level ?? card.sleep_level ?? 1) : null;
  const idleUnloadMs = own?.idle_unload_ms === undefined ? card.idle_unload_ms : own.idle_unload_ms;
  return {
    sleep,
    dwellMs: asked?.dwell_ms ?? own?.dwell_ms ?? card.dwell_ms ?? (sleep === null ? undefined : SLEEPERS_DWELL_MS),
    idleUnloadMs: asked?.idle_unload_ms ?? idleUnloadMs,
    hindrance: null,
  };
}

/** What keeps every model here from sleeping. */
interface SleepConditions {
  /** Flags that the engine knows, with their dashes; null: all. */
  readonly knownFlags: ReadonlySet<string> | null;
  /** The environment that it would get. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Its worker has the GPU for itself. */
  readonly alone: boolean;
}

/** The same rules, cold where it cannot sleep. */
export function feasible(rules: SwapRules, conditions: SleepConditions): SwapRules {
  const hindrance = rules.sleep === null ? null : hindranceIn(conditions);
  return hindrance === null ? rules : { ...rules, sleep: null, hindrance };
}

function hindranceIn({ knownFlags, env, alone }: SleepConditions): string | null {
  if (knownFlags?.has('--enable-sleep-mode') === false) return 'this vLLM has no --enable-sleep-mode';
  // vLLM refuses to start with both (vllm/device_allocator/cumem.py).
  const segments = ['PYTORCH_CUDA_ALLOC_CONF', 'PYTORCH_ALLOC_CONF'].find((name) => env[name]?.includes('expandable_segments:True'));
  if (segments !== undefined) return `vLLM cannot sleep with expandable_segments:True in ${segments}`;
  return alone ? null : 'its worker shares the GPU with others';
}

/**
 * What a model that sleeps keeps of its card: CUDA's context, the libraries' buffers and CUDA graphs. vLLM users report 0.5 to 1.5 GiB.
 */
const SLEEPER_GIB = 1.5;

/** The same in bytes. */
export function sleeperBytes(): number {
  return SLEEPER_GIB * 2 ** 30;
}

/** What is to be left of a card for models that sleep on it while this one serves. */
export function reservedGib(sleepers: number, maxAsleep: number): number {
  return Math.min(sleepers, maxAsleep) * SLEEPER_GIB;
}

/** The share of a card that a model holds while it sleeps there. 0 where the card's memory is not known. */
export function sleeperShare(cardGib: number | null): number {
  return cardGib === null ? 0 : SLEEPER_GIB / cardGib;
}
