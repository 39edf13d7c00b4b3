import { launchable, type Settings } from '../../gateway/config/schema/settings.ts';
import type { Clock } from '../../gateway/core/clock.ts';
import type { ModelProfile, Profiles } from '../profile/profile.ts';
import type { ModelFacts } from '../repository/facts.ts';
import { lookAround, lookHere, seesOurFiles } from '../repository/facts.ts';
import { gatedAdvice } from '../repository/hub.ts';
import type { Weights } from '../repository/local.ts';
import { hubToken } from '../repository/surroundings.ts';
import type { Choice } from './engine-choice.ts';
import type { AskedModel } from './model-request.ts';
import { requested } from './model-request.ts';
import type { Surroundings } from './planned-model.ts';

interface Io extends Pick<Surroundings, 'cwd' | 'env'> {
  readonly clock: Clock;
}

/** What is known of the models that no profile describes, the hub asked where their files are not here. Takes seconds at most. */
export async function learnModels(
  settings: Settings,
  profiles: Profiles,
  { cwd, env, clock }: Io,
): Promise<ReadonlyMap<string, ModelFacts>> {
  const models = launchable(settings)
    .map((model) => requested(model, profiles))
    .filter((model) => model !== null);
  const facts = models.map(async (model) => {
    const weights = unprofiled(model);
    return weights ? [[model.id, await lookAround(weights, cwd, env, clock)] as const] : [];
  });
  return new Map((await Promise.all(facts)).flat());
}

/** The weights of a model that no profile describes; null where one does. */
function unprofiled({ id, source, profile, engine }: AskedModel): Weights | null {
  if (source === null || profile?.variants.some((variant) => variant.source === source)) return null;
  const text = (...keys: string[]) => keys.map((key) => engine[key]).find((value) => typeof value === 'string') ?? null;
  const tokenizerElsewhere = text('tokenizer') !== null || engine['skip_tokenizer_init'] === true || engine['skip-tokenizer-init'] === true;
  return { id, source, revision: text('revision'), downloadDir: text('download_dir', 'download-dir'), tokenizerElsewhere };
}

export interface InformedModel {
  readonly model: AskedModel;
  /** null: a profile describes it. */
  readonly facts: ModelFacts | null;
}

/** A model with what its files say of it, as far as anybody has looked; without `surroundings.facts` only this machine is looked at. */
export function informed(model: AskedModel, command: readonly string[], { cwd, env, facts: learned }: Surroundings): InformedModel {
  const weights = unprofiled(model);
  if (!weights) return { model, facts: null };
  const looked = learned?.get(model.id) ?? lookHere(weights, cwd, env);
  if (looked.kind === 'missing' && !seesOurFiles(command))
    return { model, facts: { kind: 'unknown', why: 'its files are where the engine runs', isHere: false } };
  return { model: looked.kind === 'known' ? { ...model, profile: merged(model.profile, looked.profile) } : model, facts: looked };
}

/** Weights of one's own for a model of the registry: they are what their files say, and it is used as its profile says. */
function merged(known: ModelProfile | null, own: ModelProfile): ModelProfile {
  if (!known) return own;
  const { shape, variants, max_context, dtypes } = own;
  return { ...known, shape, variants, max_context, dtypes };
}

/** The choice, or its refusal where the model is not to be had; and what makes its start doubtful, if anything does. */
export function withFacts(choice: Choice, { model, facts }: InformedModel, { cwd, env }: Surroundings): Choice {
  if (facts?.kind === 'missing') return { kind: 'refused', reason: `${model.id} cannot be had: ${facts.why}.` };
  if (choice.kind === 'refused') return choice;
  if (facts?.kind === 'gated') return { ...choice, doubt: { certain: true, text: sentence(facts.why) } };
  if (facts?.kind === 'unknown') return { ...choice, doubt: { certain: false, text: `How ${model.id} fits is not known: ${facts.why}.` } };
  const isOpen = choice.variant?.gated !== true || hubToken(env) !== null;
  const weights = { id: model.id, source: choice.source, revision: null, downloadDir: null };
  if (isOpen || lookHere(weights, cwd, env).kind === 'known') return choice;
  return { ...choice, doubt: { certain: false, text: sentence(gatedAdvice(choice.source, false)) } };
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
