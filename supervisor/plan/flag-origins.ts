import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { type Origins, originText, pathText, type Path } from '../../gateway/config/schema/origins.ts';
import type { CardFacts, EngineLayer } from '../fit/settings.ts';
import { engineLayers } from '../fit/settings.ts';
import type { EngineSettings, GpuProfile, Profiles, Tuning } from '../profile/profile.ts';
import { profilesDirectory } from '../profile/profile.ts';
import { GPU_MODE } from '../profile/mode.ts';
import type { AskedModel } from './model-request.ts';

/** A value of an engine flag, and the place that set it: a file with its line where it stands in one. */
interface SetBy {
  readonly value: EngineValue;
  readonly from: string;
}

/** One flag that an engine is launched with, and the values that it would have had without the last layer, the nearest first. */
export interface FlagOrigin extends SetBy {
  readonly flag: string;
  readonly instead_of: readonly SetBy[];
}

interface Sources {
  /** As it is applied: with its steps laid over it. */
  readonly gpu: GpuProfile;
  readonly tuning: Tuning;
  readonly card: CardFacts;
  readonly profiles: Profiles;
}

/** Which layer set each flag of an engine. `final`: what it is launched with. */
export function flagOrigins(final: EngineSettings, model: AskedModel, sources: Sources): FlagOrigin[] {
  const { gpu, tuning, card } = sources;
  const layers = engineLayers(gpu, model.profile, tuning, card);
  const own = Object.fromEntries(Object.entries(model.engine).map(([key, value]) => [key.replaceAll('-', '_'), value]));
  return Object.entries(final)
    .filter(([flag]) => flag !== GPU_MODE)
    .map(([flag, value]) => {
      const said = layers
        .filter(({ engine }) => Object.hasOwn(engine, flag))
        .map((layer) => ({ value: layer.engine[flag] ?? null, from: placeOf(layer, flag, model, sources) }));
      if (Object.hasOwn(own, flag)) said.push({ value: own[flag] ?? null, from: `models[].engine of ${model.id}` });
      const last = said.at(-1);
      if (!last || JSON.stringify(last.value) !== JSON.stringify(value)) said.push({ value, from: last ? 'so that it fits' : 'Headgate' });
      const [by, ...others] = said.toReversed() as [SetBy, ...SetBy[]];
      return { flag, ...by, instead_of: others };
    });
}

function placeOf({ from }: EngineLayer, flag: string, { profile }: AskedModel, { gpu, tuning, profiles }: Sources): string {
  const model = profile?.name ?? '';
  switch (from) {
    case 'gpu':
      return stepOf(gpu, flag, profiles);
    case 'display':
      return inFile(profiles, `gpu/${gpu.name}`, ['with_display', flag]);
    case 'context':
      return `the longest context of ${model}`;
    case 'model':
      return inFile(profiles, `models/${model}`, ['engine', flag]);
    case 'on':
      return inFile(profiles, `models/${model}`, ['on', gpu.name, 'engine', flag]);
    case 'desktop':
      return 'the screen on the card';
    case 'tuning':
      return inFile(profiles, `tuning/${tuning.name}`, ['engine', flag]);
    case 'sleepers':
      return 'room for models that sleep';
  }
}

/** A profile with steps is as the last of those says that has the flag with this value. */
function stepOf(gpu: GpuProfile, flag: string, profiles: Profiles): string {
  const steps = profiles.gpus.get(gpu.name)?.steps ?? [];
  const step = steps.findLastIndex(({ engine }) => Object.hasOwn(engine, flag) && engine[flag] === gpu.engine[flag]);
  const isStep = step >= 0 && profiles.gpus.get(gpu.name)?.engine[flag] !== gpu.engine[flag];
  return inFile(profiles, `gpu/${gpu.name}`, isStep ? ['steps', step, 'engine', flag] : ['engine', flag]);
}

/** Such as `gpu/t4.yaml:9`, or the whole path where the file is the operator's own. */
function inFile({ origins }: Profiles, place: string, path: Path): string {
  const origin = originOf(origins?.get(place), path);
  const where = origin ?? `${place}.yaml`;
  const inside = path[0] === 'on' ? `, on.${String(path[1])}` : path[0] === 'with_display' ? ', with_display' : '';
  return `${where.startsWith(`${profilesDirectory()}/`) ? where.slice(profilesDirectory().length + 1) : where}${inside}`;
}

function originOf(origins: Origins | undefined, path: Path): string | null {
  const origin = origins?.get(pathText(path));
  return origin ? originText(origin) : null;
}
