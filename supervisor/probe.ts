import { Agent, request } from 'undici';
import type { ServedModel } from '../gateway/core/worker.ts';
import { z } from 'zod';

export type ProbeResult =
  | { readonly kind: 'ok'; readonly models: readonly ServedModel[] }
  | { readonly kind: 'failed'; readonly reason: string; readonly timedOut: boolean };

const HEALTH_TIMEOUT_MS = 10_000;
/** The first request may compile kernels. */
const WARM_UP_TIMEOUT_MS = 180_000;

const modelList = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      root: z.string().nullish(),
      parent: z.string().nullish(),
      max_model_len: z.number().nullish(),
    }),
  ),
});

/** Asks one engine how it is. Every question is a connection of its own: a kept one says nothing about who listens now. */
export class Probe {
  readonly #base: string;
  readonly #modelId: string;
  readonly #embeds: boolean;
  readonly #agent = new Agent({ pipelining: 0, connect: { timeout: 2000 } });

  constructor(base: string, modelId: string, capabilities: readonly string[]) {
    this.#base = base;
    this.#modelId = modelId;
    this.#embeds = capabilities.includes('embeddings');
  }

  /** /health says 200. That is shallow: an engine that hangs says so too. */
  async health(): Promise<ProbeResult> {
    return this.#ask('GET', '/health', null, HEALTH_TIMEOUT_MS, null);
  }

  /** /health says 200 and /v1/models lists our model: it is our engine that listens on this port. */
  async serving(): Promise<ProbeResult> {
    const health = await this.health();
    if (health.kind === 'failed') return health;
    return this.#ask('GET', '/v1/models', null, HEALTH_TIMEOUT_MS, (body) => {
      const models = modelList.parse(body).data.map((model) => ({
        id: model.id,
        root: model.root ?? null,
        parent: model.parent ?? null,
        maxModelLen: model.max_model_len ?? null,
      }));
      if (!models.some((model) => model.id === this.#modelId)) throw new Error(`it does not list ${this.#modelId}`);
      return models;
    });
  }

  /** One real token (or one embedding): catches what only breaks at the first request. */
  async generate(): Promise<ProbeResult> {
    const [path, body] = this.#embeds
      ? ['/v1/embeddings', { model: this.#modelId, input: 'Hello' }]
      : ['/v1/completions', { model: this.#modelId, prompt: 'Hello', max_tokens: 1, temperature: 0 }];
    return this.#ask('POST', path, body, WARM_UP_TIMEOUT_MS, (answer) => {
      const parts = answer as { choices?: unknown[]; data?: unknown[] };
      if (!(parts.choices ?? parts.data)?.length) throw new Error('its answer is empty');
      return [];
    });
  }

  /** What GET /version says; null when it says nothing. */
  async version(): Promise<string | null> {
    let version: string | null = null;
    await this.#ask('GET', '/version', null, HEALTH_TIMEOUT_MS, (body) => {
      version = z.object({ version: z.string() }).parse(body).version;
      return [];
    });
    return version;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    timeoutMs: number,
    /** null: only the status counts. */
    read: ((body: unknown) => ServedModel[]) | null,
  ): Promise<ProbeResult> {
    try {
      const response = await request(this.#base + path, {
        method,
        dispatcher: this.#agent,
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(body === null ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await response.body.text();
      if (response.statusCode !== 200) return failed(`${path} answered ${response.statusCode}: ${text.slice(0, 300)}`);
      return { kind: 'ok', models: read ? read(JSON.parse(text)) : [] };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const timedOut = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT' || code === 'UND_ERR_CONNECT_TIMEOUT';
      return failed(`${path}: ${code ?? message}`, timedOut);
    }
  }
}

function failed(reason: string, timedOut = false): ProbeResult {
  return { kind: 'failed', reason, timedOut };
}
