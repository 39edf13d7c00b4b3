import type { Agent } from 'node:http';
import { urlToHttpOptions } from 'node:url';
import { plainText } from '../../gateway/core/secrets/plain-text.ts';
import { withoutSecrets } from '../../gateway/core/secrets/text.ts';
import type { ServedModel } from '../../gateway/core/worker.ts';
import { exchange } from '../../gateway/core/exchange.ts';
import { hasGenerated, readLoad, readModels, readSleeping, readVersion } from '../../gateway/vllm/answers.ts';
import { type Beat, beatIn } from '../../gateway/vllm/beat.ts';
import type { ProbeMiss } from '../machine/life.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const http = process.getBuiltinModule('node:http');

export type ProbeResult<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'failed'; readonly reason: string; readonly miss: ProbeMiss };

const TIMEOUT_MS = 10_000;
/** Weights of tens of GiB go to main memory, or come from the disk. */
const SLEEP_TIMEOUT_MS = 120_000;
/** The first request may compile kernels. */
const WARM_UP_TIMEOUT_MS = 180_000;
/** A prompt of a few hundred tokens: long enough for the kernels of a real one. */
const WARM_UP_PROMPT = 'The quick brown fox jumps over the lazy dog. '.repeat(20);
/** The first comes with the prompt; only the second is decoded. */
const WARM_UP_TOKENS = 2;
/** As many at once as make the engine decode a batch. */
const WARM_UP_REQUESTS = 3;

/** What shows that an engine works, by the tasks that a model may have: vLLM has no route for those that it does not have. */
const TASKS: readonly { readonly path: string; readonly asks: (prompt: string, maxTokens: number) => object }[] = [
  {
    path: '/v1/completions',
    asks: (prompt, maxTokens) => ({ prompt, max_tokens: maxTokens, temperature: 0, ignore_eos: true }),
  },
  { path: '/v1/embeddings', asks: (input) => ({ input }) },
  { path: '/classify', asks: (input) => ({ input }) },
  { path: '/score', asks: (text) => ({ text_1: text, text_2: text }) },
  { path: '/pooling', asks: (input) => ({ input }) },
];

/** Asks one engine how it is. Every time on a connection of its own: a kept one says nothing about who listens now. */
export class Probe {
  readonly #base: string;
  readonly #modelId: string;
  /** Which of the tasks its model has, as far as has been found out. */
  #task = 0;

  constructor(base: string, modelId: string) {
    this.#base = base;
    this.#modelId = modelId;
  }

  /** /health says 200 and /v1/models lists our model: it is our engine that listens on this port. */
  async serving(): Promise<ProbeResult<readonly ServedModel[]>> {
    const health = await this.#health();
    return health.kind === 'failed' ? health : this.#get('/v1/models', (page) => this.#withOurs(readModels(page)));
  }

  /** /health says 200, which is shallow: an engine that hangs says so too. So what it has done is asked as well. */
  async pulse(): Promise<ProbeResult<Beat | null>> {
    const connection = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const health = await this.#get('/health', () => null, connection);
      if (health.kind === 'failed') return health;
      const beat = await this.#get('/metrics', beatIn, connection);
      // An engine that does not count, or not here, is not a bad one.
      if (beat.kind === 'failed') return beat.miss === 'wrong' ? { kind: 'ok', value: null } : beat;
      if (beat.value === null) return beat;
      const load = await this.#get('/load', (page) => said(readLoad(page)), connection);
      return load.kind === 'ok' ? { kind: 'ok', value: { ...beat.value, load: load.value } } : beat;
    } finally {
      connection.destroy();
    }
  }

  /**
   * One real token (or one embedding or score): shows that the engine works and does not only say so. Of some nothing so short can be
   * asked: what they have done so far is told instead.
   */
  async token(timeoutMs: number): Promise<ProbeResult<Beat | null>> {
    const made = await this.#generate('Hello', 1, timeoutMs);
    return made.kind === 'failed' || TASKS[this.#task] ? made : this.pulse();
  }

  /** What an engine does before it is given traffic: a token, then a batch, so that no client waits for kernels and graphs. */
  async warmUp(maxNumSeqs: number): Promise<ProbeResult<null>> {
    const first = await this.#generate('Hello', 1, WARM_UP_TIMEOUT_MS);
    if (first.kind === 'failed' || this.#task > 0) return first;
    const batch = Array.from({ length: Math.min(WARM_UP_REQUESTS, maxNumSeqs) }, () =>
      this.#generate(WARM_UP_PROMPT, WARM_UP_TOKENS, WARM_UP_TIMEOUT_MS),
    );
    const failed = (await Promise.all(batch)).find((result) => result.kind === 'failed');
    // A model whose context is shorter than the prompt says so; that is no fault of the engine.
    return failed && !/answered 4\d\d/.test(failed.reason) ? failed : first;
  }

  /** What GET /version says; null when it says nothing. */
  async version(): Promise<string | null> {
    const result = await this.#get('/version', readVersion);
    return result.kind === 'ok' ? result.value : null;
  }

  /**
   * Gives the GPU memory back. Level 1 keeps the weights in main memory, level 2 nowhere. Only for an engine with nothing in hand: it would
   * abort that. Needs `--enable-sleep-mode` and vLLM's development mode.
   */
  sleep(level: SleepLevel): Promise<ProbeResult<null>> {
    return this.#tell(`/sleep?level=${level}`);
  }

  /** Takes the memory again; after level 2 with the weights from the disk. What is left of an engine that fails at it is of no use. */
  async wake(level: SleepLevel): Promise<ProbeResult<null>> {
    if (level === 1) return this.#tell('/wake_up');
    const reload = { method: 'reload_weights' };
    for (const [path, body] of [
      ['/wake_up?tags=weights', null],
      ['/collective_rpc', reload],
      ['/wake_up?tags=kv_cache', null],
      ['/reset_prefix_cache', null],
    ] as const) {
      const result = await this.#tell(path, body);
      if (result.kind === 'failed') return result;
    }
    return { kind: 'ok', value: null };
  }

  isAsleep(): Promise<ProbeResult<boolean>> {
    return this.#get('/is_sleeping', (page) => said(readSleeping(page)));
  }

  #withOurs(models: readonly ServedModel[]): readonly ServedModel[] {
    if (!models.some(({ id }) => id === this.#modelId)) throw new Error(`it does not list ${this.#modelId}`);
    return models;
  }

  #tell(path: string, body: unknown = null): Promise<ProbeResult<null>> {
    return this.#ask('POST', path, body, SLEEP_TIMEOUT_MS, () => null);
  }

  #health(): Promise<ProbeResult<null>> {
    return this.#get('/health', () => null);
  }

  #get<T>(path: string, read: (body: string) => T, connection: Agent | null = null): Promise<ProbeResult<T>> {
    return this.#ask('GET', path, null, TIMEOUT_MS, read, connection);
  }

  async #generate(prompt: string, maxTokens: number, timeoutMs: number): Promise<ProbeResult<null>> {
    const task = TASKS[this.#task];
    // Speech, for one: nothing short can be asked of it, so its health has to do.
    if (!task) return this.#health();
    const body = { model: this.#modelId, ...task.asks(prompt, maxTokens) };
    const result = await this.#ask('POST', task.path, body, timeoutMs, (answer) => {
      if (!hasGenerated(answer)) throw new Error('its answer is empty');
      return null;
    });
    if (result.kind === 'ok' || !isNoTask(result.reason)) return result;
    this.#task += 1;
    return this.#generate(prompt, maxTokens, timeoutMs);
  }

  async #ask<T>(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    timeoutMs: number,
    read: (body: string) => T,
    connection: Agent | null = null,
  ): Promise<ProbeResult<T>> {
    try {
      const { status, text } = await exchange(
        { ...urlToHttpOptions(new URL(path, this.#base)), method, agent: connection ?? false },
        body,
        { silenceMs: timeoutMs, totalMs: 2 * timeoutMs },
      );
      if (status !== 200) return failed(`${path} answered ${status}: ${quoted(text)}`, 'wrong');
      return { kind: 'ok', value: read(text) };
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return failed(`${path}: ${code ?? message}`, missOf(code));
    }
  }
}

/** @throws Error where a page does not say what was asked for */
function said<T>(value: T | null): T {
  if (value === null) throw new Error('its answer does not say');
  return value;
}

/** No such route, or, in older versions of vLLM, one that has nothing to do with this model. */
function isNoTask(reason: string): boolean {
  return /answered 404: .*"Not Found"|answered (?:400|501): .*does not support/s.test(reason);
}

/** The beginning of what an engine has answered, as it may be told. */
function quoted(text: string): string {
  return withoutSecrets(plainText(text.slice(0, 4000))).slice(0, 300);
}

function missOf(code: string | undefined): ProbeMiss {
  if (code === 'ETIMEDOUT') return 'timed_out';
  return code === 'ECONNREFUSED' ? 'refused' : 'wrong';
}

function failed(reason: string, miss: ProbeMiss): ProbeResult<never> {
  return { kind: 'failed', reason, miss };
}
