import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { GPU_MODE } from '../profile/mode.ts';
import { OURS } from './launch.ts';
import type { EngineSettings } from '../profile/schema.ts';
import { flagOf, removedSettings } from '../profile/removed-flags.ts';
import type { VllmInstall } from './vllm-install.ts';

export type CheckedFlags =
  | { readonly kind: 'ok'; readonly engine: EngineSettings; readonly notes: readonly string[] }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Holds an engine's settings against the flags that the installed vLLM has. What a profile wants and an older vLLM lacks is left out, with
 * a note; what the operator wants (`own`) and it does not have is refused. Where its flags are not known, all pass but the removed ones.
 */
export function checkFlags(engine: EngineSettings, own: EngineSettings, vllm: VllmInstall | null): CheckedFlags {
  const fixed = Object.entries(own).flatMap(([key, value]) => fixedFlag(key, value) ?? []);
  if (fixed.length > 0) return { kind: 'refused', reason: fixed.join(' ') };
  const known = vllm?.flags ?? null;
  const removed = removedSettings(engine, known);
  if (removed.length > 0) return { kind: 'refused', reason: removed.join(' ') };
  if (known === null) return { kind: 'ok', engine, notes: [] };
  const missing = Object.keys(engine).filter((key) => key !== GPU_MODE && !known.has(flagOf(baseOf(key))));
  const refused = missing.find((key) => Object.hasOwn(own, key));
  const name = `vLLM ${vllm?.version ?? 'as installed'}`;
  if (refused !== undefined) {
    const near = nearestName(flagOf(refused), known);
    return { kind: 'refused', reason: `${name} has no flag ${flagOf(refused)}${near === null ? '' : `; did you mean ${near}?`}` };
  }
  const left = Object.entries(engine).filter(([key]) => !missing.includes(key));
  const notes = missing.map((key) => `${name} has no ${flagOf(key)} yet, so it is left out.`);
  return { kind: 'ok', engine: Object.fromEntries(left), notes };
}

/** Why an operator may not set a flag at all, or not to this, whatever vLLM there is; null where he may. A sentence. */
export function fixedFlag(key: string, value: EngineValue): string | null {
  const name = key.replaceAll('-', '_');
  if (OURS.has(name)) return `Headgate itself sets ${flagOf(name)}: leave it out of engine.`;
  if (name !== 'gpu_memory_utilization' || value === null || (Number(value) > 0 && Number(value) <= 1)) return null;
  return `gpu_memory_utilization is a share of the card’s memory, above 0 and at most 1, not ${String(value)}.`;
}

/** What stands after a dot is a place in a flag's JSON. */
function baseOf(key: string): string {
  return key.split('.')[0] ?? key;
}
