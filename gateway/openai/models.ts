import type { ModelEntry } from '../core/worker.ts';

/** A model in OpenAI's shape, with what vLLM adds, and our own extras under one key. */
export function modelCard(model: ModelEntry): object {
  return {
    id: model.id,
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

export function modelList(models: readonly ModelEntry[]): object {
  return { object: 'list', data: models.map(modelCard) };
}
