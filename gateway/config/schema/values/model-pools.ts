import { z } from 'zod';
import { modelName } from './kinds.ts';

/** More are a list that nobody keeps in his head. */
const MOST_MEMBERS = 64;
const MOST_FALLBACKS = 8;

export const pool = () =>
  z
    .array(modelName())
    .min(1)
    .max(MOST_MEMBERS)
    .nullable()
    .default(null)
    .describe('Ids of models that calls for this name go to, as their workers have places. null: it is a model itself.');

export const fallback = () =>
  z
    .array(modelName())
    .max(MOST_FALLBACKS)
    .default([])
    .describe(
      'Ids of models that answer, the first that can, when this one is down or full, told by x-headgate-fallback. A key gets only those that its models let it use.',
    );

/** What is looked at of an entry of models. */
interface Named {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly pool: readonly string[] | null;
  readonly fallback: readonly string[];
  readonly source: string | null;
  readonly engine: object;
}

/** What is wrong with pools and fallbacks, at `models[index]`, then `at`. */
export interface PoolFinding {
  readonly index: number;
  readonly at: readonly (string | number)[];
  readonly message: string;
}

/**
 * @param served ids that workers are listed with; null: they are asked, and anything may turn out to be served
 * @param nearest the name of the second that is most like the first, where one is
 */
export function* poolFindings(
  models: readonly Named[],
  served: readonly string[] | null,
  nearest: (name: string, known: readonly string[]) => string | null,
): Generator<PoolFinding> {
  const pools = new Map(models.flatMap(({ id, pool: members }) => (members === null ? [] : [[id, members] as const])));
  const aliases = new Map(models.flatMap(({ id, aliases: names }) => names.map((name) => [name, id] as const)));
  const ids = [...new Set([...models.map(({ id }) => id), ...(served ?? [])])];

  /** null: there is such a model, or there may be. */
  function missing(name: string): string | null {
    const owner = aliases.get(name);
    if (owner !== undefined) return `${name} is an alias: name the model by its id, ${owner}`;
    if (served === null || ids.includes(name)) return null;
    const near = nearest(name, ids);
    const hint = near === null ? `there is ${ids.join(', ')}` : `did you mean ${near}?`;
    return `${name} is no model of models or of a worker; ${hint}`;
  }

  for (const [index, model] of models.entries()) {
    const { id, pool: members, fallback: others } = model;
    if (members !== null && served?.includes(id))
      yield { index, at: ['id'], message: `${id} is a model that a worker serves already: give the pool a name of its own` };
    if (members !== null && (model.source !== null || Object.keys(model.engine).length > 0))
      yield { index, at: ['pool'], message: `${id} is a pool, which no engine is started for: source and engine belong to its members` };
    for (const [nth, name] of (members ?? []).entries()) {
      const at = ['pool', nth];
      if (name === id) yield { index, at, message: `${id} cannot be in its own pool: it stands for models with other ids` };
      else if (pools.has(name)) yield { index, at, message: `${name} is a pool itself: name its members (${pools.get(name)!.join(', ')})` };
      else if (members!.indexOf(name) < nth) yield { index, at, message: `${name} is in the pool twice` };
      else {
        const message = missing(name);
        if (message !== null) yield { index, at, message };
      }
    }
    for (const [nth, name] of others.entries()) {
      const at = ['fallback', nth];
      if (name === id) yield { index, at, message: `${id} cannot fall back to itself` };
      else if (members?.includes(name))
        yield { index, at, message: `${name} is in the pool, so a call that falls back has been tried there` };
      else if (others.indexOf(name) < nth) yield { index, at, message: `${name} is a fallback of ${id} twice` };
      else {
        const message = missing(name);
        if (message !== null) yield { index, at, message };
      }
    }
  }
}
