import { mkdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, type Children, freePort, lastWords } from './children.ts';
import type { Against } from './options.ts';
import type { Proxy } from './proxies/proxies.ts';
import { MODEL } from './tools/answers.ts';
import type { Tools } from './tools.ts';

const READY_MS = 90_000;
const TRY_MS = 5_000;

/** A proxy that answers. */
export interface Running {
  readonly name: string;
  readonly what: string;
  readonly version: string | null;
  readonly port: number;
  readonly prefix: string;
  /** null: what it uses cannot be measured. */
  readonly pid: number | null;
  readonly startMs: number | null;
  stop(): Promise<void>;
}

export interface Starter {
  readonly folder: string;
  readonly children: Children;
  readonly tools: Tools;
  readonly cpu: number | null;
  readonly filesMost: number;
  /** The program of a Valkey or Redis server; null: there is none. */
  readonly store: string | null;
}

/** Starts a proxy in front of the stub, and waits until a chat goes through it. @throws when it does not come to that */
export async function startProxy(proxy: Proxy, settings: string, starter: Starter): Promise<Running> {
  const { children, tools, cpu, filesMost } = starter;
  const [port, sparePort] = [await freePort(), await freePort()];
  const folder = join(starter.folder, `${proxy.name}-${port}`);
  mkdirSync(folder);
  const command = proxy.command({ port, sparePort, stubPort: tools.stubPort, folder, filesMost, settings });
  const begunMs = performance.now();
  const child = await children.start(proxy.name, command, { cpu, cwd: folder, env: { ...plainEnv(), ...proxy.env }, ...stopOf(proxy) });
  const { name, what, prefix = '' } = proxy;
  await answers(port, prefix, tools, child);
  const startMs = performance.now() - begunMs;
  return { ...{ name, what, port, prefix, startMs }, version: proxy.version(), pid: child.pid, stop: () => children.stop(child) };
}

/** A gateway that somebody else has started. @throws when it does not answer, or has another worker than the stub */
export async function meet({ name, url, pid }: Against, tools: Tools): Promise<Running> {
  const port = Number(url.port || 80);
  const prefix = url.pathname.replace(/\/$/, '');
  await answers(port, prefix, tools, null);
  return { ...{ name, what: url.href, version: null, port, prefix, pid, startMs: null }, stop: async () => {} };
}

function stopOf({ stopSignal }: Proxy): { stopSignal?: NodeJS.Signals } {
  return stopSignal === undefined ? {} : { stopSignal };
}

/** Settings of this shell must not reach the gateway that is measured. */
function plainEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADGATE_')));
}

async function answers(port: number, prefix: string, tools: Tools, child: Child | null): Promise<void> {
  const before = await tools.stub();
  let status: number | string = 'nothing';
  for (const until = performance.now() + READY_MS; performance.now() < until; await delay(20)) {
    if (child?.hasEnded()) throw new Error(lastWords(child));
    status = await chat(port, prefix);
    if (status !== 200) continue;
    const { calls } = await tools.stub();
    if (calls > before.calls) return;
    throw new Error(`what answers on port ${port} has another worker: it must ask http://127.0.0.1:${tools.stubPort}`);
  }
  throw new Error(`a chat through port ${port} was answered with ${status}. ${child ? lastWords(child) : ''}`);
}

function chat(port: number, prefix: string): Promise<number | string> {
  const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 });
  return new Promise((resolve) => {
    const call = request(
      {
        ...{ port, host: '127.0.0.1', method: 'POST', path: `${prefix}/v1/chat/completions`, agent: false, timeout: TRY_MS },
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        response.resume();
        response.once('close', () => resolve(response.complete ? (response.statusCode ?? 0) : 'half an answer'));
      },
    );
    call.once('timeout', () => call.destroy(new Error('nothing in time')));
    call.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    call.end(body);
  });
}
