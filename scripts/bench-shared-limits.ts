import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createPort } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What limits are worth that several gateways share: `node scripts/bench-shared-limits.ts [seconds=60]`. Two gateways and a server of their
// own (redis-server or valkey-server on the PATH) are asked for more than four keys may have; each key's total stands beside its limit.
// What counting there costs says `npm run bench -- --only keys-shared`.

const SELF = fileURLToPath(import.meta.url);
const CLI = fileURLToPath(new URL('./headgate.ts', import.meta.url));
/** What a call uses, and asks for. */
const PROMPT_TOKENS = 1;
const ANSWER_TOKENS = 4;
const BODY = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: '' }], max_tokens: ANSWER_TOKENS });
/** So soon those that were refused ask again. */
const AGAIN_MS = 20;
const CLIENTS = 4;
const PROGRAMS = ['valkey-server', 'redis-server'];

const KEYS = [
  { name: 'requests-60', limits: { requests_per_minute: 60 }, most: 60, each: 1 },
  { name: 'requests-1200', limits: { requests_per_minute: 1_200 }, most: 1_200, each: 1 },
  { name: 'tokens-500', limits: { tokens_per_minute: 500 }, most: 500, each: PROMPT_TOKENS + ANSWER_TOKENS },
  { name: 'tokens-20000', limits: { tokens_per_minute: 20_000 }, most: 20_000, each: PROMPT_TOKENS + ANSWER_TOKENS },
];

const [role = 'main', ...args] = process.argv.slice(2);
if (role === 'worker') serveWorker();
else await main([role, ...args].map(Number).filter((n) => n > 0));

async function main([seconds = 60]: readonly number[]): Promise<void> {
  const worker = fork(SELF, ['worker']);
  const workerUrl = await new Promise<string>((resolve) => worker.once('message', (url) => resolve(url as string)));
  const store = await startStore();
  try {
    await compareTotals(workerUrl, store.url, seconds);
  } finally {
    worker.kill();
    store.child.kill('SIGKILL');
  }
}

async function compareTotals(worker: string, store: string, seconds: number): Promise<void> {
  const gateways = await Promise.all([startGateway(worker, store), startGateway(worker, store)]);
  const agent = new Agent({ keepAlive: true });
  const end = performance.now() + seconds * 1_000;
  const minutes = Math.ceil(seconds / 60);
  try {
    const totals = await Promise.all(
      KEYS.map(async ({ name, each }) => {
        let total = 0;
        const client = async (index: number): Promise<void> => {
          for (let i = index; performance.now() < end; i++) {
            const status = await ask(gateways[i % 2]!.url, name, agent);
            if (status === 200) total += each;
            else await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
          }
        };
        await Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)));
        return total;
      }),
    );
    print(`two gateways, ${seconds} s:`);
    KEYS.forEach(({ name, most }, i) => {
      const [total, limit] = [totals[i]!, most * minutes];
      const verdict = total > limit ? 'TOO MANY' : total < 0.98 * limit ? 'TOO FEW' : 'ok';
      print(
        `${name.padEnd(14)} ${String(total).padStart(6)} of ${String(limit).padStart(6)}  ${((100 * total) / limit).toFixed(1)} %  ${verdict}`,
      );
    });
  } finally {
    agent.destroy();
    await Promise.all(gateways.map(({ stop }) => stop()));
  }
}

function ask(url: string, key: string, agent: Agent): Promise<number> {
  return new Promise((resolve) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(BODY),
      authorization: `Bearer key-of-${key}-0123`,
    };
    const asked = request(`${url}/v1/chat/completions`, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    asked.once('error', () => resolve(0));
    asked.end(BODY);
  });
}

async function startStore(): Promise<{ url: string; child: ChildProcess }> {
  const port = await new Promise<number>((resolve) => {
    const server = createPort().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as AddressInfo;
      server.close(() => resolve(free));
    });
  });
  for (const program of PROGRAMS) {
    const child = spawn(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: 'ignore' });
    const isThere = await new Promise((resolve) => child.once('spawn', () => resolve(true)).once('error', () => resolve(false)));
    if (!isThere) continue;
    while (!(await canConnect(port))) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    return { url: `redis://127.0.0.1:${port}`, child };
  }
  throw new Error(`there is none of ${PROGRAMS.join(', ')} on the PATH`);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    }).on('error', () => resolve(false));
  });
}

async function startGateway(worker: string, store: string | null) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-'));
  const keys = KEYS.map(({ name, limits }) => ({ name, limits, key: `key-of-${name}-0123` }));
  const settings = {
    server: { port: 0 },
    workers: [{ url: worker }],
    auth: { keys },
    state: { url: store },
    log: { level: 'warn' },
    shutdown: { settle_ms: 0 },
  };
  writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
  const flags = ['--max-semi-space-size=16', '--heap-growing-percent=100'];
  const child = spawn(process.execPath, [...flags, CLI, 'gateway'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
      const found = /is ready on (http:\/\/[\d.:]+)/.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('close', () => reject(new Error(`the gateway ended: ${text}`)));
  });
  return {
    url,
    pid: child.pid!,
    async stop(): Promise<void> {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('close', resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A vLLM that answers at once. */
function serveWorker(): void {
  const usage = { prompt_tokens: PROMPT_TOKENS, completion_tokens: ANSWER_TOKENS, total_tokens: PROMPT_TOKENS + ANSWER_TOKENS };
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }];
  const answer = JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices, usage });
  const model = { id: 'm', object: 'model', created: 1, owned_by: 'vllm', root: 'm', parent: null, max_model_len: 8192 };
  const pages: Readonly<Record<string, string>> = {
    '/health': '',
    '/version': '{"version":"0.32.0"}',
    '/v1/models': JSON.stringify({ object: 'list', data: [model] }),
    '/metrics': 'vllm:num_requests_running{engine="0"} 0\nvllm:num_requests_waiting{engine="0"} 0\n',
  };
  const server = createServer((incoming, response) => {
    incoming.resume();
    incoming.once('end', () => {
      const body = incoming.method === 'POST' ? answer : pages[incoming.url ?? ''];
      const type = incoming.url === '/metrics' ? 'text/plain' : 'application/json';
      response
        .writeHead(body === undefined ? 404 : 200, { 'content-type': type, 'content-length': Buffer.byteLength(body ?? '') })
        .end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  process.once('disconnect', () => process.exit());
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
