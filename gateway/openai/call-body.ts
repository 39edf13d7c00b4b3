import type { CallBody, Peek, Route } from '../core/call.ts';
import type { Principal } from '../core/principal.ts';
import type { ModelEntry, WorkerDirectory } from '../core/worker.ts';
import { askingForUsage, leavesUsageOpen } from './ask-usage.ts';
import { parseJsonBody } from './json-body.ts';
import { modelMeant } from './model-names.ts';
import { peek } from './peek.ts';
import { readPrefix } from './prefix/read-prefix.ts';
import { nameModel, rewriteModel } from './rewrite-model.ts';

/** What a body turned out to ask for. */
export interface BodyRead {
  readonly model: ModelEntry;
  readonly body: CallBody;
  readonly seen: Peek;
}

/** Paths of those whose bodies may hold prompts as lists of token ids. */
const TOKEN_LIST_PATHS: ReadonlySet<string> = new Set([
  '/v1/completions',
  '/v1/completions/render',
  '/v1/embeddings',
  '/pooling',
  '/classify',
  '/detokenize',
  '/generative_scoring',
]);

/** Where vLLM refuses a body without `model`, as Anthropic does; everywhere else it takes its first one. */
const NAMED_PATHS: ReadonlySet<string> = new Set(['/v1/messages', '/v1/messages/count_tokens']);

/**
 * What a call is made of, from the bytes of a JSON body without a byte order mark: of a request, or of a line of a batch.
 * @param withPrefix whether anybody asks how prompts begin
 * @throws every client error of the table that concerns the body, and what `modelMeant` throws
 */
export function jsonCallBody(directory: WorkerDirectory, principal: Principal, route: Route, bytes: Buffer, withPrefix: boolean): BodyRead {
  const parsed = parseJsonBody(bytes, TOKEN_LIST_PATHS.has(route.path));
  const looked = peek(parsed, route);
  const model = modelMeant(directory, principal, looked.model);
  const seen = withPrefix ? { ...looked, prefix: readPrefix(parsed.value, route.path, model.id, looked.promptLogprobs !== null) } : looked;
  // The worker knows the model by its id; a body that names none gets the worker's default, which is this one.
  const named =
    seen.model === null
      ? unnamed(directory, route, bytes, model)
      : seen.model === model.id
        ? bytes
        : (rewriteModel(bytes, model.id) ?? bytes);
  const usageAsked = seen.stream && leavesUsageOpen(parsed.value, route.path);
  const sent = usageAsked ? askingForUsage(named) : named;
  const body: CallBody = { bytes: sent, contentType: 'application/json', usageAsked };
  return { model, seen, body: isOneName(model) ? body : { ...body, named: (id) => renamed(sent, model, id) } };
}

/** Whether all workers that may be sent a call know its model by its id: it is no pool, and nothing stands in for it. */
export function isOneName({ pool, fallback }: ModelEntry): boolean {
  return pool === undefined && fallback === undefined;
}

function renamed(bytes: Buffer, model: ModelEntry, id: string): Buffer {
  return id === model.id ? bytes : (rewriteModel(bytes, id) ?? nameModel(bytes, id));
}

/** Of a body that names no model; where vLLM insists on a name, or would take another than the one that the asker may use, it gets one. */
function unnamed(directory: WorkerDirectory, route: Route, bytes: Buffer, model: ModelEntry): Buffer {
  return NAMED_PATHS.has(route.path) || directory.resolve(null) !== model ? nameModel(bytes, model.id) : bytes;
}
