import type { LoadOptions } from './tools/load-options.ts';

export interface Case {
  readonly name: string;
  readonly what: string;
  /**
   * `load`: CPU time for each `unit` under a load. `added`: the same at a light load, whose point is the latency beside that of the worker
   * itself. `held`: memory while so many streams are open. `idle`: what a proxy uses that nobody asks anything.
   */
  readonly kind: 'load' | 'added' | 'held' | 'idle';
  readonly unit: 'call' | 'chunk' | null;
  readonly load: Partial<LoadOptions>;
  /** How far the stub's steps, one token to every stream, are apart. */
  readonly stepUs: number;
  /** Only with --all, or when named. */
  readonly isLong?: true;
  /** Settings of the gateway that this case is about; the other proxies have no such thing and serve it as they are. */
  readonly settings?: string;
  /** Settings of a second gateway, without what this case is about, which takes its turns beside the first. */
  readonly without?: string;
  /** A Valkey or Redis server is started for it, at the URL that STORE in `settings` stands for. */
  readonly needsStore?: true;
  /** A collector of traces that keeps nothing is started for it, at the URL that COLLECTOR in `settings` stands for. */
  readonly needsCollector?: true;
}

/** Where the URLs of the store and of the collector go, and the path of a file with so many keys. */
export const STORE = 'STORE_URL';
export const COLLECTOR = 'COLLECTOR_URL';
export const KEYS_FILE = 'KEYS_FILE';
const MANY = 10_000;

const LIMITS = 'requests_per_minute: 100000000, tokens_per_minute: 1000000000, concurrent_requests: 10000';
const KEY = 'hg-bench-key-0123456789';
const AUTH = `allow_anonymous: true, keys: [{ name: bench, key: ${KEY}, limits: { ${LIMITS} } }]`;
const KEYS = `auth: { ${AUTH} }\n`;
const ALONE = 'single_flight: { enabled: false }\n';
const STEP_US = 20_000;
const chat = { kind: 'load', unit: 'call', stepUs: STEP_US } as const;
const stream = { kind: 'load', unit: 'chunk', stepUs: STEP_US } as const;

export const CASES: readonly Case[] = [
  { ...chat, name: 'chat', what: 'a chat, small prompt, 32 connections', load: { connections: 32, fresh: true } },
  { ...chat, name: 'chat-4k', what: 'a chat, 4 KB prompt, 32 connections', load: { connections: 32, fresh: true, prompt: 4_000 } },
  { ...chat, name: 'chat-100k', what: 'a chat, 100 KB prompt, 32 connections', load: { connections: 32, fresh: true, prompt: 100_000 } },
  {
    ...chat,
    name: 'embeddings',
    what: 'an embedding, 21 KB answer, 32 connections',
    load: { connections: 32, fresh: true, path: '/v1/embeddings' },
  },
  { ...stream, name: 'stream-1', what: 'a chunk, 1 stream at 200 a second', load: { connections: 1, stream: true }, stepUs: 5_000 },
  { ...stream, name: 'stream-64', what: 'a chunk, 64 streams at 50 a second', load: { connections: 64, stream: true } },
  { ...stream, name: 'stream-256', what: 'a chunk, 256 streams at 50 a second', load: { connections: 256, stream: true } },
  { ...stream, name: 'stream-1000', what: 'a chunk, 1,000 streams at 50 a second', load: { connections: 1_000, stream: true } },
  {
    ...{ ...stream, name: 'stream-5000', what: 'a chunk, 5,000 streams at 4 a second', isLong: true },
    ...{ load: { connections: 5_000, stream: true, maxTokens: 32 }, stepUs: 250_000 },
  },
  {
    ...{ ...stream, name: 'aborts', what: 'a chunk, 64 streams, 20 % of calls abandoned' },
    load: { connections: 64, stream: true, maxTokens: 32, abort: 0.2 },
  },
  {
    ...{ ...chat, name: 'window', what: 'a chat held in a window of 20 ms, 64 connections', load: { connections: 64, fresh: true } },
    settings: 'batch_window: { window_ms: 20 }\n',
  },
  {
    ...{ ...chat, name: 'keys', what: 'a chat with a key and three limits, 32 connections' },
    ...{ load: { connections: 32, fresh: true, key: KEY }, settings: KEYS, without: '' },
  },
  {
    ...{ ...chat, name: 'keys-10000', what: 'a chat with one of 10,000 keys, beside one with the only key' },
    ...{ load: { connections: 32, fresh: true, key: KEY }, settings: `auth: { ${AUTH}, keys_file: ${KEYS_FILE} }\n`, without: KEYS },
  },
  {
    ...{ ...chat, name: 'keys-shared', what: 'a chat whose three limits a Valkey or Redis counts, beside memory', needsStore: true },
    ...{ load: { connections: 32, fresh: true, key: KEY }, settings: `${KEYS}state: { url: ${STORE} }\n`, without: KEYS },
  },
  {
    ...{ ...chat, name: 'joinable', what: 'a chat that others could join, 32 connections' },
    ...{ load: { connections: 32, fresh: true, temperature: 0 }, settings: '', without: ALONE },
  },
  {
    ...{ ...chat, name: 'cached', what: 'a chat answered from the cache, beside a relayed one' },
    ...{ load: { connections: 32, temperature: 0 }, settings: 'cache: { enabled: true }\n', without: ALONE },
  },
  {
    ...{ ...chat, name: 'traced', what: 'a chat with traces (3 % kept) sent to a collector, beside one without', needsCollector: true },
    ...{ load: { connections: 32, fresh: true }, settings: `telemetry: { otlp_endpoint: "${COLLECTOR}" }\n`, without: '' },
  },
  {
    ...{ name: 'light', what: 'a chat at 200 a second', kind: 'added', unit: 'call', stepUs: STEP_US },
    load: { connections: 64, rate: 200, fresh: true },
  },
  {
    ...{ name: 'light-cached', what: 'a chat at 200 a second, answered from the cache', kind: 'added', unit: 'call', stepUs: STEP_US },
    ...{ load: { connections: 64, rate: 200, temperature: 0 }, settings: 'cache: { enabled: true }\n' },
  },
  {
    ...{ name: 'memory-1000', what: '1,000 streams held open', kind: 'held', unit: null, stepUs: 100_000 },
    load: { connections: 1_000, stream: true },
  },
  {
    ...{ name: 'memory-5000', what: '5,000 streams held open', kind: 'held', unit: null, stepUs: 100_000, isLong: true },
    load: { connections: 5_000, stream: true },
  },
  { name: 'idle', what: 'nothing asked', kind: 'idle', unit: null, load: {}, stepUs: STEP_US },
];

/** Calls before the first round, after which a proxy does what it does warm. */
export const WARM_UP: Partial<LoadOptions> = { connections: 32, fresh: true };

/** Chunks a second that the stub has for a case; 0 where nobody streams. */
export function offeredChunks({ load, stepUs }: Case): number {
  return load.stream === true ? ((load.connections ?? 1) * 1e6) / stepUs : 0;
}

/** Open files that a proxy needs: a socket to either side for each connection, and some of its own. */
export function filesNeeded({ load }: Case): number {
  return 2 * (load.connections ?? 1) + 200;
}

/** A keys file with so many that nobody uses. */
export function manyKeys(): string {
  const lines = Array.from({ length: MANY }, (_, n) => `  - { name: other-${n}, key: hg-other-key-${String(n).padStart(10, '0')} }\n`);
  return `keys:\n${lines.join('')}`;
}
