import type { Call } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import type { Layer } from '../core/handler.ts';
import type { Worker, WorkerDirectory } from '../core/worker.ts';
import type { EngineAdapter } from './adapter.ts';
import { adapterOf } from './adapters.ts';
import { fieldsIn } from './body-fields.ts';

/**
 * Of workers that serve the same model those whose engine has the call's path, and heeds every field of it that changes the answer. The
 * list itself when nobody is to be left out; while all of them are vLLM the call is not looked at.
 */
export function ableWorkers(workers: readonly Worker[], call: Call): readonly Worker[] {
  return workers.every(knowsAll) ? workers : workers.filter((worker) => lackOf(adapterOf(worker.view), call) === null);
}

/** What a call is told that no worker of its model can answer. */
export function unableError(workers: readonly Worker[], call: Call): GatewayError {
  const adapters = new Set(workers.map(({ view }) => adapterOf(view)));
  const names = [...adapters].map(({ name }) => name).join(' and ');
  const fields = [...adapters].map((adapter) => lackOf(adapter, call)).filter((lack) => lack !== null && lack !== PATH);
  const field = fields[0];
  if (field === undefined || field === null) {
    return new GatewayError('unknown_url', `${call.model} is served by ${names} here, which does not support ${call.route.path}.`);
  }
  const message = `${call.model} is served by ${names} here, which would pass over \`${field}\` in silence. Leave it out; \`response_format\` is known to all of them.`;
  return new GatewayError('invalid_value', message, { param: field, code: 'unsupported_parameter' });
}

/** Refuses what no ready worker can answer, before it waits for one. */
export function refuseUnable(directory: WorkerDirectory): Layer {
  return (next) =>
    function able(call) {
      const ready = directory.readyFor(call.model);
      if (ready.length === 0 || ableWorkers(ready, call).length > 0) return next(call);
      return Promise.reject(unableError(ready, call));
    };
}

function knowsAll({ view }: Worker): boolean {
  return view.engine === 'vllm' || view.engine === 'sim' || adapterOf(view).routes === null;
}

const PATH = '';

/** What the engine has not: PATH, or the name of a field; null: nothing that the call is about. */
function lackOf({ routes, lacks }: EngineAdapter, call: Call): string | null {
  if (routes !== null && !routes.has(call.route.path)) return PATH;
  return lacks.length === 0 ? null : (fieldsIn(call, lacks)[0] ?? null);
}
