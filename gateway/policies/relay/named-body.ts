import type { Call, CallBody } from '../../core/call.ts';
import { servedAs } from '../../core/pools/served-name.ts';
import type { Worker, WorkerDirectory } from '../../core/worker.ts';

/**
 * The body with the model's name as the worker has it: of a pool each serves its own, and a fallback has another. Where all that may get a
 * call know its model by one name the body is the call's own.
 */
export function namedBody({ body, model }: Call, worker: Worker, directory: Pick<WorkerDirectory, 'resolve'>): CallBody {
  if (body.named === undefined) return body;
  const name = servedAs(directory, worker, model)?.id;
  return name === undefined ? body : { ...body, bytes: body.named(name) };
}

/** That name. */
export function nameAt({ body, model }: Call, worker: Worker, directory: Pick<WorkerDirectory, 'resolve'>): string {
  return body.named === undefined ? model : (servedAs(directory, worker, model)?.id ?? model);
}
