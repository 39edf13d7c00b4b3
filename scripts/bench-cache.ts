import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// What the cache saves of a load as agents make it: `node scripts/bench-cache.ts [calls=1000] [agents=8] [tasks=24]`. Agents do the same few
// tasks again and again (a nightly check, a triage of tickets), each in five steps, and write into every prompt what differs each time: the
// time, the id of the run, addresses, temporary files. The same load is sent three times: without a cache, with one, and with one that
// passes over what differs. Ends with 1 where the last answers less than 70 of 100 calls.

const CLI = fileURLToPath(new URL('./headgate.ts', import.meta.url));
const STEPS = 5;
const LEAST = 0.7;
const NORMALIZE = '[whitespace, timestamps, uuids, numbers_in_ids, paths, ip_addresses]';
const WAYS = {
  'no cache': 'cache: { enabled: false }',
  cache: 'cache: { enabled: true }',
  'cache, normalize': `cache: { enabled: true, normalize: ${NORMALIZE} }`,
};

const [calls = 1_000, agents = 8, tasks = 24] = process.argv.slice(2).map(Number);
const worker = createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    const choices = [{ index: 0, message: { role: 'assistant', content: 'On to the next step.' }, finish_reason: 'stop' }];
    const pages: Record<string, unknown> = { '/v1/models': { data: [{ id: 'm' }] }, '/version': { version: '0.32.0' }, '/health': '' };
    const body =
      request.method === 'POST' ? { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices } : pages[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(body ?? ''));
  });
});
await new Promise<void>((resolve) => worker.listen(0, '127.0.0.1', resolve));
const upstream = `http://127.0.0.1:${(worker.address() as AddressInfo).port}`;

const rates = new Map<string, number>();
console.log(`${calls} calls by ${agents} agents that do ${tasks} tasks of ${STEPS} steps, again and again\n`);
console.log('| | calls | hit or joined | at the worker |\n|---|---|---|---|');
for (const [name, settings] of Object.entries(WAYS)) {
  const { spared, made } = await measure(settings);
  rates.set(name, spared / calls);
  console.log(`| ${name} | ${calls} | ${((100 * spared) / calls).toFixed(1)} % | ${made} |`);
}
worker.close();
worker.closeAllConnections();
if (rates.get('cache, normalize')! < LEAST) process.exitCode = 1;

async function measure(settings: string): Promise<{ spared: number; made: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-cache-'));
  writeFileSync(join(folder, 'headgate.yaml'), `server: { port: 0 }\nworkers: [{ url: ${upstream}, max_num_seqs: 64 }]\n${settings}\n`);
  const gateway = spawn(process.execPath, [CLI, 'gateway'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  let made = 0;
  const count = (request: { method?: string | undefined }): void => void (request.method === 'POST' && made++);
  worker.on('request', count);
  try {
    const url = await ready(gateway.stdout);
    let left = calls;
    let spared = 0;
    const agent = async (seed: number): Promise<void> => {
      const chance = chanceOf(seed);
      while (left > 0) {
        const task = Math.floor(chance() ** 2 * tasks);
        const run = randomUUID();
        for (let step = 0; step < STEPS && left-- > 0; step++) {
          const response = await fetch(`${url}/v1/chat/completions`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ model: 'm', temperature: 0, messages: promptOf(task, step, run, chance) }),
          });
          await response.text();
          if (!response.ok) throw new Error(`a call was answered with ${response.status}`);
          if (['hit', 'joined'].includes(response.headers.get('x-headgate-cache') ?? '')) spared++;
        }
      }
    };
    await Promise.all(Array.from({ length: agents }, (_, i) => agent(i + 1)));
    return { spared, made };
  } finally {
    worker.off('request', count);
    gateway.kill('SIGTERM');
    await new Promise((resolve) => gateway.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What an agent sends at a step: what it is told, and what its tools have said so far. */
function promptOf(task: number, step: number, run: string, chance: () => number): object[] {
  const number = (most: number): number => Math.floor(chance() * most);
  const now = new Date().toISOString();
  const system = `You are an agent. The time is ${now}. This is run ${run} on node-${number(40)}, your files are in /tmp/agent-${number(9_999)}/work.`;
  const messages: object[] = [
    { role: 'system', content: system },
    {
      role: 'user',
      content: `Task ${'abcdefghijklmnopqrstuvwxyz'[task % 26]}${'abcdefghij'[Math.floor(task / 26)]}: look after the service and say what is wrong with it.`,
    },
  ];
  for (let done = 0; done < step; done++) {
    messages.push({ role: 'assistant', content: `Step ${'ABCDE'[done]} is done.` });
    const host = `10.${number(250)}.${number(250)}.${number(250)}:8080`;
    messages.push({
      role: 'user',
      content: `[${now}] check-${number(1e6)} of ${host} wrote /var/log/check/${number(1e4)}.log:  all  well.`,
    });
  }
  return messages;
}

async function ready(output: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const piece of output) {
    text += String(piece);
    const url = /is ready on (http:\/\/[\d.:]+)/.exec(text)?.[1];
    if (url !== undefined) {
      output.resume();
      return url;
    }
  }
  throw new Error(`the gateway did not become ready: ${text}`);
}

/** The same row of numbers from 0 to 1 for the same seed (mulberry32). */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
