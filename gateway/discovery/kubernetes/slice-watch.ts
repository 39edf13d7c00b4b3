import { backOffMs } from '../../core/back-off.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { FindingSource, SourceListener } from '../../core/finding/found.ts';
import { isObject } from '../../core/json/json.ts';
import type { Random } from '../../core/random.ts';
import type { ApiAnswer, ApiLink, KubernetesApi } from './api.ts';
import { linesOf } from './lines.ts';
import { SliceSet } from './slice-set.ts';
import { ApiTrouble, garbage, troubleOfStatus } from './trouble.ts';
import { workersOf } from './workers-of.ts';

export interface SliceWatchOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly api: Pick<KubernetesApi, 'connect' | 'forgetToken'>;
  readonly namespace: string;
  /** Which slices: a label selector. */
  readonly selector: string;
  /** See `workersOf`. */
  readonly port: string | number | null;
  /** How long the server may be silent in a watch before its connection counts as dead. */
  readonly idleMs: () => number;
  readonly listener: SourceListener;
  /** For tests. */
  readonly backOff?: { readonly firstMs: number; readonly longestMs: number };
}

const BACK_OFF = { firstMs: 200, longestMs: 5_000 };
const SPREAD = 0.5;
/** A watch that lasted this long was a good one. */
const GOOD_MS = 5_000;
/** Servers end a watch by themselves; asked for, so that the set is read anew from time to time. */
const WATCH_SECONDS = 290;
const WATCH_LIMIT_MS = (WATCH_SECONDS + 30) * 1000;
const LIST_MS = 30_000;
/** Some 20,000 endpoints. What parses it holds up everything else for some 0.1 s. */
const MOST_LIST_BYTES = 16_777_216;
const MOST_LINE_BYTES = 4_194_304;
/** Slices, those deleted since the list included. */
const MOST_SLICES = 10_000;
const MOST_RETRY_AFTER_MS = 60_000;

/**
 * Keeps to the EndpointSlices of a cluster: lists them, watches, and after ANY end of the watch lists again, because what was missed
 * meanwhile nobody tells a second time. As long as the list cannot be had the last set stands: whether its workers live is asked by others.
 */
export class SliceWatch implements FindingSource {
  readonly #options: SliceWatchOptions;
  readonly #set = new SliceSet();
  #link: ApiLink | null = null;
  #abort: AbortController | null = null;
  #timer: Timer | null = null;
  #closed = false;
  /** Rounds in a row whose watch did not last. */
  #short = 0;
  /** Rounds in a row that failed. */
  #failed = 0;
  #wasUp = false;

  constructor(options: SliceWatchOptions) {
    this.#options = options;
    // Whoever makes it knows of it before anything is told.
    this.#timer = options.clock.after(0, () => void this.#round());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#abort?.abort();
    this.#link?.close();
  }

  async #round(): Promise<void> {
    const { clock, random, listener, backOff = BACK_OFF } = this.#options;
    let watchedSince: number | null = null;
    let trouble: ApiTrouble | null = null;
    try {
      this.#link = this.#options.api.connect();
      const version = await this.#list(this.#link);
      await this.#watch(this.#link, version, () => {
        watchedSince = clock.now();
        this.#failed = 0;
        this.#wasUp = true;
        listener.up();
      });
    } catch (error) {
      trouble = error instanceof ApiTrouble ? error : unreached(error);
    }
    this.#link?.close();
    this.#link = null;
    if (this.#closed) return;
    const lasted = watchedSince !== null && clock.now() - watchedSince >= Math.min(GOOD_MS, this.#options.idleMs());
    this.#short = lasted ? 0 : this.#short + 1;
    if (trouble) {
      this.#failed += 1;
      // A server that is started again is back at the second round.
      if (trouble.isLasting || this.#failed > 1 || !this.#wasUp) listener.away(trouble.message);
    }
    const waitMs = backOffMs(backOff, Math.max(0, this.#short - 1), { random, share: SPREAD });
    const askedMs = Math.min(trouble?.retryAfterMs ?? 0, MOST_RETRY_AFTER_MS);
    this.#timer = clock.after(Math.max(waitMs, askedMs), () => void this.#round());
  }

  /** @returns the version that a watch goes on from */
  async #list(link: ApiLink): Promise<string> {
    const body = await this.#within(LIST_MS, async (signal) => {
      const answer = await this.#ask(link, 'list', '', signal);
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for await (const piece of answer.body) {
        bytes += piece.length;
        if (bytes > MOST_LIST_BYTES) throw new ApiTrouble(`has too many endpoints: their list is larger than ${MOST_LIST_BYTES} bytes`);
        pieces.push(piece);
      }
      return Buffer.concat(pieces).toString('utf8');
    });
    const said = parse(body);
    const version = isObject(said) && isObject(said['metadata']) ? said['metadata']['resourceVersion'] : undefined;
    if (!isObject(said) || said['kind'] !== 'EndpointSliceList' || typeof version !== 'string') throw garbage('a list of EndpointSlices');
    const { items = null } = said;
    // Go writes an empty list as null.
    if (items !== null && !Array.isArray(items)) throw garbage('a list of EndpointSlices');
    this.#set.replace(items ?? []);
    this.#tell();
    return version;
  }

  /** Ends without an error only where the server ends it. @throws ApiTrouble */
  async #watch(link: ApiLink, version: string, opened: () => void): Promise<void> {
    await this.#within(WATCH_LIMIT_MS, async (signal, abort) => {
      const { clock, idleMs } = this.#options;
      let timer: Timer | null = null;
      const heard = (): void => {
        timer?.cancel();
        timer = clock.after(idleMs(), () => abort('is not told any more: the watch of the API server was silent for too long'));
      };
      const query = `&watch=true&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${encodeURIComponent(version)}`;
      try {
        heard();
        const answer = await this.#ask(link, 'watch', query, signal);
        opened();
        for await (const lines of linesOf(answer.body, MOST_LINE_BYTES)) {
          heard();
          if (this.#take(lines)) this.#tell();
        }
      } finally {
        (timer as Timer | null)?.cancel();
      }
    });
  }

  /** @returns whether any of these lines says something of workers */
  #take(lines: readonly string[]): boolean {
    let changed = false;
    for (const line of lines) {
      if (line.trim() === '') continue;
      const event = parse(line);
      const type = isObject(event) ? event['type'] : null;
      if (type === 'BOOKMARK') continue;
      if (type === 'ERROR') throw troubleOfError(isObject(event) ? event['object'] : null);
      if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') throw garbage('an event of a watch');
      this.#set.apply(type, (event as { object?: unknown }).object);
      changed = true;
    }
    if (this.#set.size > MOST_SLICES) throw new ApiTrouble(`has more than ${MOST_SLICES} EndpointSlices: choose fewer by the selector`);
    return changed;
  }

  #tell(): void {
    if (!this.#closed) this.#options.listener.found(workersOf(this.#set.all(), this.#options.port));
  }

  async #ask(link: ApiLink, verb: 'list' | 'watch', query: string, signal: AbortSignal): Promise<ApiAnswer> {
    const { namespace, selector, api } = this.#options;
    const path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`;
    const answer = await link.get(`${path}?labelSelector=${encodeURIComponent(selector)}${query}`, signal);
    if (answer.status === 200) return answer;
    if (answer.status === 401) api.forgetToken();
    throw troubleOfStatus(answer.status, verb, answer.retryAfter);
  }

  /** Ends what `fn` waits for when the time is up, when it says so itself, and when this is closed. */
  async #within<T>(limitMs: number, fn: (signal: AbortSignal, abort: (message: string) => void) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.#abort = controller;
    const abort = (message: string): void => controller.abort(new ApiTrouble(message));
    const limit = this.#options.clock.after(limitMs, () => abort(`is not told: the API server took longer than ${limitMs / 1000} s`));
    try {
      return await fn(controller.signal, abort);
    } catch (error) {
      throw controller.signal.reason instanceof ApiTrouble ? controller.signal.reason : error;
    } finally {
      limit.cancel();
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiTrouble('is not told: what answers at the API server is no JSON', { cause: error });
  }
}

/** An event that says that the watch has ended, with a Status: 410 where the version is too old. */
function troubleOfError(status: unknown): ApiTrouble {
  const code = isObject(status) && typeof status['code'] === 'number' ? status['code'] : 500;
  return new ApiTrouble(`is not told any more: the API server has ended the watch (${code})`);
}

function unreached(error: unknown): ApiTrouble {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const why = typeof code === 'string' ? code : typeof message === 'string' ? message.slice(0, 200) : 'it broke off';
  return new ApiTrouble(`is not told: the API server cannot be reached, or breaks off (${why})`, { cause: error });
}
