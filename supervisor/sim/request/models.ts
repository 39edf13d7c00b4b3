import { ApiError } from './api-error.ts';
import type { Exchange } from './exchange.ts';
import { hexId } from './exchange.ts';
import type { JsonObject } from './fields.ts';

/** Throws ApiError 404 for a model that is not served. A body that names none means the first model. */
export function checkModel(exchange: Exchange, body: JsonObject, pooling = false): void {
  const { model } = body;
  const { servedNames, skipModelCheck } = exchange.sim.settings;
  if (typeof model !== 'string' || model === '' || skipModelCheck || servedNames.includes(model)) return;
  const words = `The model \`${model}\` does not exist.`;
  // The pooling routes look the model up in a place of their own.
  if (pooling) throw new ApiError(404, 'NotFoundError', words);
  throw new ApiError(404, 'NotFoundError', `${words} Valid aliases: ${servedNames.join(', ')}.`, 'model');
}

/** The name that every answer bears, whatever alias was asked for. */
export function modelName(exchange: Exchange): string {
  return exchange.sim.settings.servedNames[0]!;
}

/** `GET /v1/models` */
export function listModels(exchange: Exchange): void {
  const { sim } = exchange;
  const created = Math.floor(Date.now() / 1000);
  const data = sim.settings.servedNames.map((id) => ({
    id,
    object: 'model',
    created,
    owned_by: 'vllm-simulated',
    root: sim.settings.model,
    parent: null,
    max_model_len: sim.maxModelLen,
    permission: [
      {
        id: `modelperm-${hexId()}`,
        object: 'model_permission',
        created,
        allow_create_engine: false,
        allow_sampling: true,
        allow_logprobs: true,
        allow_search_indices: false,
        allow_view: true,
        allow_fine_tuning: false,
        organization: '*',
        group: null,
        is_blocking: false,
      },
    ],
  }));
  exchange.json(200, { object: 'list', data });
}
