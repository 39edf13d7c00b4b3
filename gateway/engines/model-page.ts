import type { EngineKind } from '../config/schema/values/engine-kinds.ts';
import type { ServedModel } from '../core/worker.ts';
import { isObject, parsed } from '../core/json/json.ts';

/** What GET /v1/models says: whose words they are, as far as they tell, and what is served. */
export interface ModelPage {
  readonly models: readonly ServedModel[];
  readonly kind: EngineKind | null;
  /** Who its models are owned by, as it says. */
  readonly owners: readonly string[];
  /** It is a Headgate's own page, whatever serves the models behind it. */
  readonly isGateway: boolean;
  /** By which name other gateways know it; null: it is none, or an older one. */
  readonly gateway: string | null;
}

export type { EngineKind };

/** By `owned_by`, which each of them fills in by itself. */
const OWNERS: Readonly<Record<string, EngineKind>> = {
  vllm: 'vllm',
  sglang: 'sglang',
  tensorrt_llm: 'tensorrt-llm',
  llamacpp: 'llama-cpp',
};

/** The most that any of our lists is to grow by one server's word: providers list hundreds. */
const MOST_MODELS = 2_000;

/** null: the page is no list of models. Entries without an id are left out. */
export function readModelPage(page: string): ModelPage | null {
  const value = parsed(page);
  // Some services leave the envelope out.
  const data = Array.isArray(value) ? value : isObject(value) ? value['data'] : null;
  if (!Array.isArray(data)) return null;
  const cards = data.filter(isObject).filter(({ id }) => typeof id === 'string' && id !== '');
  const owners = [...new Set(cards.flatMap(({ owned_by: owner }) => (typeof owner === 'string' && owner !== '' ? [owner] : [])))];
  const kind = owners.length === 1 ? (OWNERS[owners[0]!] ?? null) : null;
  const gateway = gatewayOf(value);
  const isGateway = gateway !== null || cards.some((card) => isObject(card['headgate']));
  return { models: cards.slice(0, MOST_MODELS).map(modelOf), kind, owners, isGateway, gateway };
}

function gatewayOf(page: unknown): string | null {
  const own = isObject(page) ? page['headgate'] : null;
  const id = isObject(own) ? own['gateway'] : null;
  return typeof id === 'string' && /^[\da-f]{32}$/.test(id) ? id : null;
}

function modelOf(card: Record<string, unknown>): ServedModel {
  const { id, root, parent } = card;
  const meta = isObject(card['meta']) ? card['meta'] : {};
  const told = isObject(card['headgate']) ? card['headgate'] : {};
  return {
    id: id as string,
    root: typeof root === 'string' ? root : null,
    parent: typeof parent === 'string' ? parent : null,
    // llama.cpp tells the tokens of a slot, providers use either of the last two names.
    maxModelLen: [card['max_model_len'], meta['n_ctx'], card['context_length'], card['context_window']].find(isCount) ?? null,
    // By a gateway that is asked by another.
    ...(told['served'] === false && { isIdle: true }),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0;
}
