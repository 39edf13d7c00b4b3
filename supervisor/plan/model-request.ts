import type { Fit } from '../fit/fit.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { launchable, type ModelSettings, type Settings } from '../../gateway/config/schema/settings.ts';
import type { KnownModel, ModelFit } from '../../gateway/link/snapshot.ts';
import type { ModelRequest } from './engine-choice.ts';
import type { GpuProfile, ModelProfile, Profiles } from '../profile/profile.ts';
import { ProfileError } from '../profile/profile.ts';

/** How the settings want a model to take turns; null where they leave it to the profiles. */
export type AskedSwap = Settings['models'][number]['swap'];

export type AskedModel = ModelRequest & { readonly aliases: readonly string[]; readonly swap: AskedSwap | null };

/**
 * The models of the settings, each with its entry in the registry; without any, the one that suits the GPU. Never empty.
 * @throws ProfileError for an id that the registry does not know and that brings no source
 */
export function askedModels(settings: Settings, profiles: Profiles, gpu: GpuProfile): readonly [AskedModel, ...AskedModel[]] {
  const [first, ...others] = launchable(settings).map((model) => {
    const asked = requested(model, profiles);
    if (!asked) throw new ProfileError(unknownModel(model.id, profiles));
    return asked;
  });
  if (first) return [first, ...others];
  const profile = profiles.models.get(gpu.default_model) ?? null;
  return [{ id: gpu.default_model, source: null, profile, engine: {}, aliases: [], swap: null }];
}

/**
 * A model of the settings with its entry in the registry: by its id, or by the repository that one of its variants lies in. An id that is
 * a repository (owner/name) needs no entry. null: nobody knows what is meant.
 */
export function requested({ id, source: given, engine, aliases, swap }: ModelSettings, profiles: Profiles): AskedModel | null {
  const named = profiles.models.get(id);
  const source = given ?? (named === undefined && id.includes('/') ? id : null);
  if (!named && source === null) return null;
  const bySource = [...profiles.models.values()].find(({ variants }) => variants.some((variant) => variant.source === source));
  return { id, source, profile: named ?? bySource ?? null, engine, aliases, swap };
}

/** Every id of the settings that nobody knows, with the message for it, by its place in the list. */
export function unknownModels(models: Settings['models'], profiles: Profiles): { readonly index: number; readonly message: string }[] {
  return models.flatMap((model, index) =>
    model.pool !== null || requested(model, profiles) ? [] : [{ index, message: hintAt(model.id, profiles) }],
  );
}

function unknownModel(id: string, profiles: Profiles): string {
  return `models: ${hintAt(id, profiles)}`;
}

function hintAt(id: string, profiles: Profiles): string {
  const near = nearestName(id, profiles.models.keys());
  const hint = near ? `did you mean ${near}?` : `the registry has ${[...profiles.models.keys()].join(', ')};`;
  return `there is no ${id} in profiles/models; ${hint} For any other model give its repository (owner/name), its folder, or { id, source }.`;
}

/** What a model is for. An operator's own that nobody knows generates text unless its flags say otherwise. */
function capabilitiesOf({ profile, engine }: Pick<AskedModel, 'profile' | 'engine'>): ModelProfile['capabilities'] {
  if (engine['runner'] === 'pooling') return ['embeddings'];
  return profile?.capabilities ?? ['chat'];
}

/** What the gateway is told of a model. `source` is the one that would run here. */
export function toKnownModel(model: AskedModel, source: string, maxModelLen: number | null, fit: Fit | null): KnownModel {
  return { id: model.id, aliases: model.aliases, source, capabilities: capabilitiesOf(model), maxModelLen, fit: fit && shownFit(fit) };
}

function shownFit({ verdict, budget, contextTokens, concurrency, reason }: Fit): ModelFit {
  const { totalGib, weightsGib, activationsGib, graphsGib, otherGib, kvCacheGib } = budget;
  return {
    ...{ verdict, contextTokens, reason },
    totalGib: rounded(totalGib),
    weightsGib: rounded(weightsGib),
    otherGib: rounded(activationsGib + graphsGib + otherGib),
    kvCacheGib: rounded(Math.max(0, kvCacheGib)),
    concurrency: rounded(concurrency),
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
