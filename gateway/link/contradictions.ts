import type { Origins } from '../config/schema/origins.ts';
import { originWhere } from '../config/schema/origins.ts';
import { launchable, type Settings } from '../config/schema/settings.ts';
import type { SupervisorSnapshot } from './snapshot.ts';

type Running = Pick<SupervisorSnapshot, 'engine' | 'profile' | 'models' | 'pid'>;

/** A setting that the supervisor that runs does not do. */
export interface Contradiction {
  readonly path: 'supervisor.engine' | 'supervisor.profile' | 'models';
  readonly asked: string;
  readonly has: string;
}

const ENGINES = { vllm: 'vLLM', sim: 'the simulated engine (no real model)' } as const;

/** What the settings ask for and the supervisor that runs here, which was started with others, has not. Pure. */
export function contradictions({ supervisor, models }: Settings, running: Running): readonly Contradiction[] {
  const asked = launchable({ models });
  const found: Contradiction[] = [];
  const { engine, profile } = supervisor;
  if (engine !== 'auto' && engine !== running.engine)
    found.push({ path: 'supervisor.engine', asked: engine, has: ENGINES[running.engine] });
  if (profile !== 'auto' && profile !== running.profile)
    found.push({ path: 'supervisor.profile', asked: profile, has: `profile ${running.profile}` });
  const known = new Set(running.models.map(({ id }) => id));
  const unknown = asked.filter(({ id }) => !known.has(id));
  const [first] = asked;
  const wanted = first && !unknown.includes(first) && first.id !== running.models[0]?.id ? [first, ...unknown] : unknown;
  if (wanted.length > 0) found.push({ path: 'models', asked: wanted.map(({ id }) => id).join(', '), has: offered(running) });
  return found;
}

/**
 * Why such a start is a mistake; null where what runs may be used as it is. An engine that is named is never another one, least of all a
 * simulation; a profile or a model that is only in the file may have been put there for the supervisor's next start.
 */
export function refusalToShare(settings: Settings, origins: Origins, running: Running): string | null {
  const found = contradictions(settings, running).find(
    ({ path, asked }) =>
      path === 'supervisor.engine' ||
      (origins.get(path)?.kind === 'flag' && (path !== 'models' || asked.split(', ')[0] === launchable(settings)[0]?.id)),
  );
  if (!found) return null;
  const from = originWhere(origins.get(found.path) ?? { kind: 'default' });
  const who = `the supervisor that runs here already (process ${running.pid})`;
  return `${found.path} asks for ${found.asked} (${from}), and ${who} has ${found.has}. "headgate supervise --stop" ends it with its engines; supervisor.state_dir gives this one a place of its own; without that setting its workers are used as they are.`;
}

/** What the supervisor that runs does otherwise, for the log: the end of a sentence. */
export function whatItHas(settings: Settings, running: Running): string {
  const told = contradictions(settings, running).map(({ path, asked, has }) => `${path} asks for ${asked}, and it has ${has}`);
  return told.length === 0 ? '' : ` (${told.join('; ')})`;
}

function offered({ models }: Running): string {
  return models.map(({ id }, index) => (index === 0 && models.length > 1 ? `${id} (the default)` : id)).join(', ');
}
