import { GatewayError } from '../core/errors.ts';
import { mayUse, type Principal } from '../core/principal.ts';
import type { ModelEntry, WorkerDirectory } from '../core/worker.ts';

/**
 * The model that a request means, for whoever asks; '' means as much as none.
 * @throws model_not_found · no_worker while not every worker has been reached
 */
export function modelMeant(directory: WorkerDirectory, principal: Principal, written: string | null): ModelEntry {
  // Some clients must name a model, and are given an empty name for want of one.
  const name = written === '' ? null : written;
  const model = modelFor(directory, principal, name);
  if (model) return model;
  // To a name that is hidden the same is said as to one that nobody has.
  const mayUseNone = name === null && directory.resolve(null) !== null;
  const workers = directory.workers();
  // A worker that has not been reached yet may be the one that serves it; only when all have told can we say that nobody does.
  if (!mayUseNone && (name === null || workers.length === 0 || workers.some(({ view }) => view.models.length === 0))) {
    const which = name === null ? 'No model is available yet' : `The model \`${shownName(name)}\` is not known yet`;
    const why = workers.length === 0 ? 'there is no worker at the moment' : 'not every worker has been reached';
    throw new GatewayError('no_worker', `${which}: ${why}.`, { retryAfterMs: 5_000 });
  }
  throw unknownModel(directory, principal, name);
}

/** The model of that name, or without one the first, of those that exist for whoever asks. */
export function modelFor(directory: WorkerDirectory, principal: Principal, name: string | null): ModelEntry | null {
  const model = directory.resolve(name);
  if (model === null || mayUse(principal, model)) return model;
  return name === null ? (directory.models().find((each) => mayUse(principal, each)) ?? null) : null;
}

const MOST_NAMED = 10;

/** A name that nothing answers to, with those that there are. */
export function unknownModel(directory: WorkerDirectory, principal: Principal, name: string | null): GatewayError {
  const ids = directory
    .models()
    .filter((model) => mayUse(principal, model))
    .map(({ id }) => shownName(id));
  const more = ids.length > MOST_NAMED ? ` and ${ids.length - MOST_NAMED} more` : '';
  const known = ids.length > 0 ? ` There is ${ids.slice(0, MOST_NAMED).join(', ')}${more}.` : '';
  const which = name === null ? 'There is no model for this key.' : `The model \`${shownName(name)}\` does not exist.`;
  return new GatewayError('model_not_found', `${which}${known}`, { param: 'model' });
}

/** A name that a client wrote, for a message: cut, and of visible ASCII alone. */
export function shownName(name: string): string {
  const short = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return short.replaceAll(/[^\x20-\x7e…]/g, '?');
}
