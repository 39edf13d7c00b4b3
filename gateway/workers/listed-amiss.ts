import type { EngineAdapter } from '../engines/adapter.ts';
import type { ServedModel } from '../core/worker.ts';

/** What is wrong with the line of a worker that serves. `message` goes on from the worker's url. */
export interface Amiss {
  readonly class: 'wrong_engine' | 'wrong_models';
  readonly message: string;
  readonly advice: string;
}

/** It says that it is another engine. `isServedSo`: by what it says, since as what it is listed as it could not be used at all. */
export function wrongEngine(told: EngineAdapter, own: EngineAdapter, isServedSo: boolean): Amiss {
  const advice = `Write engine: ${own.kind} for it, or leave engine out.`;
  if (isServedSo) {
    return {
      class: 'wrong_engine',
      message: `is listed with engine: ${told.kind}, does not answer as one, and is used as ${own.name}`,
      advice,
    };
  }
  const loss = 'Until then its load may not be read, and calls that it could answer may be kept from it.';
  return {
    class: 'wrong_engine',
    message: `is listed with engine: ${told.kind}, and says that it is ${own.name}`,
    advice: `${advice} ${loss}`,
  };
}

export const IS_GATEWAY = 'is a Headgate itself, and no engine';

/** It is a gateway as this one is. Of two that have each other as workers each gets calls back, which go no further. */
export function gatewayBehind(): Amiss {
  return {
    class: 'wrong_engine',
    message: IS_GATEWAY,
    advice:
      'List its workers instead of it. Where gateways in front of gateways are meant, write engine: openai for it. A call that comes back to this one is refused.',
  };
}

const MOST_NAMES = 5;

/** Models that it is listed with and does not name; null: it names all of them. */
export function wrongModels(listed: readonly string[], own: readonly ServedModel[]): Amiss | null {
  const names = new Set(own.map(({ id }) => id));
  const missing = listed.filter((id) => !names.has(id));
  if (missing.length === 0 || names.size === 0) return null;
  const more = names.size > MOST_NAMES ? `, and ${names.size - MOST_NAMES} more` : '';
  return {
    class: 'wrong_models',
    message: `is listed with ${missing.join(', ')} and serves no such model: it names ${[...names].slice(0, MOST_NAMES).join(', ')}${more}`,
    advice: 'Correct workers[].models, or leave it out to have the worker asked. Until then calls for what it lacks go to others, or fail.',
  };
}
