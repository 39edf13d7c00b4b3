import type { ModelEntry } from '../core/worker.ts';

/**
 * A model in OpenAI's shape, with what vLLM adds, and our own extras under one key. Under one of its aliases it goes by that name, as a
 * second served name of vLLM's does.
 */
export function modelCard(model: ModelEntry, name: string, more: object = {}): object {
  return {
    id: model.aliases.includes(name) ? name : model.id,
    object: 'model',
    created: model.created,
    owned_by: 'vllm',
    root: model.root ?? model.id,
    parent: model.parent,
    max_model_len: model.maxModelLen,
    headgate: {
      state: model.state,
      aliases: model.aliases,
      profile: model.profile,
      capabilities: model.capabilities,
      eta_seconds: model.etaSeconds,
      ...more,
    },
  };
}

/**
 * `gateway`: by which other gateways, that have this one as a worker, know it. `isServed`: whether there is anybody for a model besides whoever
 * asks; null: no gateway asks
 */
export function modelList(models: readonly ModelEntry[], gateway: string, isServed: ((model: ModelEntry) => boolean) | null): object {
  const data = models.flatMap((model) => {
    const more = isServed === null ? {} : { served: isServed(model) };
    return [model.id, ...model.aliases].map((name) => modelCard(model, name, more));
  });
  return { object: 'list', data, headgate: { gateway } };
}
