import type { ReleaseCriteria } from '../../gateway/canary/criteria.ts';
import type { Target } from '../load/calls/target.ts';
import type { Place } from '../load/place.ts';
import { serverFacts } from '../load/server-facts.ts';
import { syntheticPrompts } from '../load/workload/prompts.ts';
import { askedOf } from './asked.ts';
import { type Capacity, measureCapacity } from './capacity.ts';
import { Ground, type ProfileResult } from './ground.ts';
import type { GateOptions } from './options.ts';
import { PROFILE_NAMES, type ProfileName } from './profile-names.ts';
import { spike, step } from './profile-loads.ts';
import { cancel, fair } from './profile-clients.ts';
import { drain } from './profile-drain.ts';
import { soak } from './profile-soak.ts';

export interface GateResult {
  readonly startedAt: number;
  readonly wasInterrupted: boolean;
  readonly url: string;
  readonly model: string;
  readonly criteria: ReleaseCriteria;
  readonly from: string;
  readonly capacity: Capacity | { readonly rate: number; readonly given: true };
  readonly profiles: readonly { readonly profile: ProfileName; readonly result: ProfileResult; readonly seconds: number }[];
  /** Profiles that were not asked for. */
  readonly leftOut: readonly ProfileName[];
  /** All times were shorter than they should be. */
  readonly isQuick: boolean;
  readonly options: Readonly<Record<string, unknown>>;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly versions: { readonly headgate: string; readonly server: Readonly<Record<string, unknown>> | null };
}

const CALL_LIMIT_MS = 300_000;
/** The server rests between profiles: what one has left in its line is none of the next. */
const REST_MS = 20_000;
const LOOK_MS = 100;

const PROFILES: Readonly<Record<ProfileName, (ground: Ground) => Promise<ProfileResult>>> = { step, spike, cancel, fair, drain, soak };

interface GateWatch {
  readonly signal: AbortSignal;
  /** Filled with the workers that are away for our sake. */
  readonly outOfService: Set<string>;
  readonly show: (doing: string) => void;
  readonly say: (line: string) => void;
  /** A profile has ended. */
  readonly onEnd: (profile: ProfileName, result: ProfileResult) => void;
}

/** Finds the server, measures what it can do, and runs the profiles one after another. @throws Error in words for what stands in the way */
export async function runGate(
  options: GateOptions,
  { criteria, from }: Pick<GateResult, 'criteria' | 'from'>,
  place: Place,
  { signal, outOfService, show, say, onEnd }: GateWatch,
): Promise<GateResult> {
  const startedAt = Date.now();
  const base = options.url ?? (await place.findGateway(options.where));
  const headers = options.key === null ? {} : { authorization: `Bearer ${options.key}` };
  const facts = await serverFacts(base, headers);
  const model = options.model ?? facts.models[0];
  if (model === undefined) throw new Error(`${base} serves no model yet; name one: --model ID.`);
  const target: Target = { base, endpoint: 'chat', model, stream: true, headers, extra: {}, timeoutMs: CALL_LIMIT_MS };
  const { input, output, seed, scale, soakMs, floodKey, adminKey } = options;
  const door = await place.findAdmin(options.where, base, adminKey);
  const asked = askedOf(base, options.key, door);
  const prompts = syntheticPrompts({ input, output, prefixGroups: 0, prefixTokens: 0 }, seed);
  const ground = new Ground({ target, prompts, seed, criteria, scale, soakMs, asked, floodKey, outOfService, signal, show });
  const capacity = options.capacity === null ? await measureCapacity(ground) : ({ rate: options.capacity, given: true } as const);
  ground.capacity = capacity.rate;
  if (!signal.aborted) say(capacityText(capacity));
  const profiles: GateResult['profiles'][number][] = [];
  for (const profile of options.only) {
    if (signal.aborted) break;
    await rest(ground);
    const began = performance.now();
    const result = await PROFILES[profile](ground);
    // What was interrupted is no result.
    if (signal.aborted) break;
    profiles.push({ profile, result, seconds: (performance.now() - began) / 1000 });
    onEnd(profile, result);
  }
  return {
    ...{ startedAt, wasInterrupted: signal.aborted, url: base, model, criteria, from, capacity, profiles },
    leftOut: PROFILE_NAMES.filter((name) => !options.only.includes(name)),
    isQuick: scale < 1,
    options: { only: options.only, scale, soak_ms: soakMs, seed, input, output },
    machine: place.machine(),
    versions: { headgate: place.version, server: facts.version },
  };
}

function capacityText(capacity: GateResult['capacity']): string {
  const rate = capacity.rate.toPrecision(3);
  return 'given' in capacity
    ? `capacity: ${rate} calls a second, as given`
    : `capacity: ${rate} calls a second, with ${capacity.clients} clients`;
}

/** Until the workers have nothing of ours any more, for a while. */
async function rest({ options: { asked, signal } }: Ground): Promise<void> {
  const until = performance.now() + REST_MS;
  while (performance.now() < until && !signal.aborted) {
    if (((await asked.inFlight()) ?? 0) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
