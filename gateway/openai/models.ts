import type { ModelEntry } from '../core/worker.ts';

/**
 * A model in OpenAI's shape, with what vLLM adds, and our own extras under one key. Under one of its aliases it goes by that name, as a
 * second served name of vLLM's does.
 */
export function modelCard(model: ModelEntry, name: string): object {
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
    },
  };
}

/** `gateway`: by which other gateways, that have this one as a worker, know it. */
export function modelList(models: readonly ModelEntry[], gateway: string): object {
  const data = models.flatMap((model) => [model.id, ...model.aliases].map((name) => modelCard(model, name)));
  return { object: 'list', data, headgate: { gateway } };
}
