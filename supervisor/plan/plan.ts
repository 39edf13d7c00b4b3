import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { KnownModel } from '../../gateway/link/snapshot.ts';
import type { CardFacts } from '../fit/settings.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import { usableGpus } from '../gpu/visible.ts';
import type { GpuProfile, Profiles, Tuning } from '../profile/profile.ts';
import { findProgram } from '../system/program.ts';
import type { ProfiledCard } from './cards.ts';
import { firstIdle, kindOf, profiledCard, suitOf } from './cards.ts';
import type { EngineDecision } from './detect.ts';
import { chooseEngineKind, chooseTuning } from './detect.ts';
import type { Choice } from './engine-choice.ts';
import { chooseEngine } from './engine-choice.ts';
import type { AskedModel } from './model-request.ts';
import { askedModels, toKnownModel } from './model-request.ts';
import { foreignProfiles } from './foreign-profile.ts';
import { informed, withFacts } from './model-facts.ts';
import { allowedCards } from './pinned.ts';
import { placeModels } from './placement.ts';
import type { PlannedModel, Surroundings } from './planned-model.ts';
import { gpusFor, numberIn, planModel } from './planned-model.ts';
import type { Suit } from './suit.ts';
import { feasible, reservedGib, swapRules } from './swap-rules.ts';

export type { PlannedModel, Surroundings } from './planned-model.ts';

/** Everything that is decided before anything is started. */
export interface FleetPlan {
  readonly decision: EngineDecision;
  /** Of the card that the default model is on, with its steps laid over it. */
  readonly profile: GpuProfile;
  /** In plain words. */
  readonly profileReason: string;
  readonly tuning: Tuning;
  /** Every card that can be used, each with the profile that goes for it. Without any there is one with none. */
  readonly cards: readonly ProfiledCard[];
  /** What will break where the settings put a profile on a card that it was not made for; a sentence each. */
  readonly foreign: readonly string[];
  /** Cards that no model was placed on. */
  readonly unused: readonly GpuReading[];
  /** The first is the default. */
  readonly models: readonly KnownModel[];
  /** What would run for each of them, in the same order, on the first worker that can have it. */
  readonly choices: readonly Choice[];
  readonly workers: readonly PlannedWorker[];
}

/** The first model on a worker's GPUs, and what else may take its turn there. */
export interface PlannedWorker extends PlannedModel {
  /** By id, the first among them. */
  readonly models: ReadonlyMap<string, PlannedModel>;
  /** How many of them may sleep at a time. */
  readonly maxAsleep: number;
}

/** Decides on engine, profiles, models, cards and workers. @throws ProfileError when the settings ask for what is not there. */
export function planFleet(settings: Settings, profiles: Profiles, found: readonly GpuReading[], surroundings: Surroundings): FleetPlan {
  const wanted = settings.supervisor;
  const { vllm = null, running = [] } = surroundings;
  const usable = usableGpus(found);
  const vllmPath = vllm?.path ?? findProgram(wanted.vllm_command[0] ?? 'vllm', surroundings.env, surroundings.cwd);
  const gpuProblem = surroundings.gpuProblem ?? found.find(({ fault }) => fault !== null)?.fault ?? null;
  const decision = chooseEngineKind(wanted.engine, usable, vllmPath, gpuProblem, wanted.vllm_command[0]);
  // A card that SIM_GPU names is the simulated engine's; of a real one it only plays the profile.
  const isPretended = decision.engine === 'sim' && usable[0]?.simulated !== true;
  const circumstances = { wanted: wanted.profile, isPretended, vllmVersion: vllm?.version ?? null };
  const [head = null, ...tail] = isPretended ? usable.slice(0, 1) : usable;
  const cards = [profiledCard(profiles, head, circumstances), ...tail.map((gpu) => profiledCard(profiles, gpu, circumstances))] as const;
  // The simulated engine has a pretended card to itself.
  const gpus = isPretended ? [] : usable;
  const isOurs = (gpu: GpuReading) => running.some(({ gpuUuids }) => gpuUuids.includes(gpu.uuid));
  const tuning = chooseTuning(profiles, wanted.tuning);
  const known = askedModels(settings, profiles, firstIdle(cards, isOurs).profile).map((model) =>
    informed(model, wanted.vllm_command, surroundings),
  );
  const asked = known.map(({ model }) => model);
  const others = [...profiles.models.values()];

  const choose = (model: AskedModel, card: ProfiledCard, facts: Partial<CardFacts>, instead = others): Choice =>
    chooseEngine(model, card.profile, tuning, { ...card.facts, ...facts }, { others: instead, vllm: isPretended ? null : vllm });
  const cardOf = (uuid: string | undefined) => cards.find(({ gpu }) => gpu?.uuid === uuid) ?? cards[0];

  const candidates = asked.map((model, nth) => {
    const { allowed, problem } = allowedCards(wanted.placement, model.id, gpus);
    const looks = allowed.map((gpu) => {
      const alike = allowed.filter((other) => kindOf(other) === kindOf(gpu)).length;
      const choice = choose(model, cardOf(gpu.uuid), { count: Math.max(1, Math.floor(alike / wanted.replicas)) }, []);
      return { gpu, choice, suit: suitOf(choice, cardOf(gpu.uuid), isOurs(gpu)) };
    });
    const present = running.filter((engine) => engine.model === model.id).map(({ gpuUuids }) => gpuUuids);
    const isThere = known[nth]?.facts?.kind !== 'missing';
    const suits = new Map((isThere ? looks : []).flatMap(({ gpu, suit }) => (suit ? [[gpu.uuid, suit] as const] : [])));
    return { id: model.id, copies: nth === 0 ? wanted.replicas : 1, suits, present, looks, problem };
  });
  const placed =
    isPretended || gpus.length === 0
      ? everywhere(asked, wanted.replicas)
      : placeModels(
          candidates,
          gpus.map((gpu) => ({ id: gpu.uuid, kind: kindOf(gpu) })),
        );

  const workers = placed.map(({ models: turns, sharers }, index): PlannedWorker => {
    const id = `worker-${index + 1}`;
    const here = asked.filter((model) => turns.has(model.id));
    const on = (model: AskedModel) => cardOf(turns.get(model.id)?.[0]);
    const conditions = ({ profile }: ProfiledCard) => ({
      knownFlags: isPretended ? null : (vllm?.flags ?? null),
      env: { ...profile.env, ...surroundings.env },
      alone: sharers <= 1,
    });
    const rulesOf = (model: AskedModel) => {
      const rules = swapRules(model.swap, model.profile, on(model).profile);
      // One that is alone never has to make room for another, but where it is told to sleep it does so while its card is lent.
      return here.length > 1 || model.swap?.strategy === 'sleep' ? feasible(rules, conditions(on(model))) : { ...rules, sleep: null };
    };
    const plan = (model: AskedModel): PlannedModel => {
      const card = on(model);
      const own = gpus.filter(({ uuid }) => turns.get(model.id)?.includes(uuid));
      const sleepers = here.filter((other) => other !== model && rulesOf(other).sleep !== null).length;
      // Workers that share a card would each keep their sleepers on it: there are none.
      const kept = sharers > 1 ? 0 : reservedGib(sleepers, card.profile.swap.max_asleep);
      const facts: CardFacts = { ...card.facts, count: Math.max(1, own.length), reservedGib: kept, sharers };
      const candidate = candidates[asked.indexOf(model)]!;
      const chosen = choose(model, card, facts);
      const isHopeless = candidate.suits.size === 0 && gpus.length > 0;
      const fitting = isHopeless ? refused(candidate, chosen) : withCards(chosen, own.length);
      const choice = withFacts(fitting, known[asked.indexOf(model)]!, surroundings);
      const used = choice.kind === 'run' ? own.slice(0, gpusFor(choice)) : own;
      const context = { settings, surroundings, profile: card.profile, decision, gpus: used, modelId: model.id, swap: rulesOf(model) };
      return planModel(context, model, choice, facts, id);
    };
    const models = new Map(here.map((model) => [model.id, plan(model)] as const));
    const first = [...models.values()].find(({ refusal }) => refusal === null) ?? (models.get(here[0]!.id) as PlannedModel);
    return { ...first, models, maxAsleep: on(here[0]!).profile.swap.max_asleep };
  });

  const choices = asked.map(({ id }) => {
    const own = workers.flatMap(({ models }) => models.get(id)?.choice ?? []);
    return own.find(({ kind }) => kind === 'run') ?? own[0]!;
  });
  const models = asked.map((model, index) => {
    const choice = choices[index]!;
    return choice.kind === 'run'
      ? toKnownModel(model, choice.source, numberIn(choice.engine, 'max_model_len'), choice.fit)
      : toKnownModel(model, model.source ?? model.id, null, null);
  });
  const used = new Set(workers.flatMap((worker) => [...worker.models.values()].flatMap(({ gpuUuids }) => gpuUuids)));
  const { profile, reason: profileReason } = cardOf(workers[0]?.gpuUuids[0]);
  const foreign = isPretended ? [] : foreignProfiles(wanted.profile, cards);
  return {
    decision,
    profile,
    profileReason,
    tuning,
    cards,
    foreign,
    unused: gpus.filter(({ uuid }) => !used.has(uuid)),
    models,
    choices,
    workers,
  };
}

/** Where there is nothing to divide, every worker may have every model. */
function everywhere(models: readonly AskedModel[], replicas: number) {
  const turns = new Map(models.map(({ id }) => [id, [] as readonly string[]]));
  return Array.from({ length: replicas }, () => ({ models: turns, sharers: 1 }));
}

interface Candidate {
  readonly problem: string | null;
  readonly looks: readonly { readonly choice: Choice; readonly suit: Suit | null }[];
}

/** Why it runs nowhere: what each kind of card has against it. `here`: what the card that it stands in line for has. */
function refused({ problem, looks }: Candidate, here: Choice): Choice {
  if (problem !== null) return { kind: 'refused', reason: problem };
  const reasons = looks.flatMap(({ choice }) => (choice.kind === 'refused' ? [choice.reason] : []));
  if (here.kind === 'run') return { kind: 'refused', reason: [...new Set(reasons)].join(' ') };
  const elsewhere = [...new Set(reasons)].filter((reason) => !here.reason.startsWith(reason));
  return { kind: 'refused', reason: [...elsewhere, here.reason].join(' ') };
}

/** `cards` are all that there are for it; 0: nobody has counted. */
function withCards(choice: Choice, cards: number): Choice {
  const needed = gpusFor(choice);
  if (choice.kind === 'refused' || !cards || needed <= cards) return choice;
  return { kind: 'refused', reason: `It needs ${needed} GPUs, and there ${cards === 1 ? 'is 1' : `are ${cards}`} for its worker.` };
}
