import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Caller, nowUs } from './caller.ts';
import { type LoadOptions, parseLoadOptions } from './load-options.ts';
import { Tally } from './tally.ts';

// What load.c is, in Node, for machines without a compiler: same options, same result. Many connections are shared out among threads.

const A_THREAD = 64;
const WORDS = 'the quick brown fox jumps over the lazy dog and ';
const WAITING_MOST = 65_536;

/** The whole request, and where 16 digits stand that can be made new. */
function buildRequest({ port, path, model, prompt, maxTokens, temperature, stream, usage, key }: LoadOptions): {
  bytes: Buffer;
  freshAt: number;
} {
  const content = `0000000000000000 ${WORDS.repeat(Math.ceil(prompt / WORDS.length)).slice(0, prompt)}`;
  const system = { role: 'system', content: 'You are a helpful assistant.' };
  const input = path.includes('/chat/')
    ? { messages: [system, { role: 'user', content }] }
    : path.includes('/embeddings')
      ? { input: content }
      : { prompt: content };
  const streaming = stream ? { stream, ...(usage ? { stream_options: { include_usage: true } } : {}) } : {};
  const options = path.includes('/embeddings') ? {} : { temperature, max_tokens: maxTokens, ...streaming };
  const body = JSON.stringify({ model, ...input, ...options });
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: 127.0.0.1:${port}`,
    'content-type: application/json',
    `accept: ${stream ? 'text/event-stream' : 'application/json'}`,
    'user-agent: headgate-bench',
    ...(key ? [`authorization: Bearer ${key}`] : []),
    `content-length: ${body.length}`,
  ];
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
  return { bytes, freshAt: bytes.indexOf('0000000000000000') };
}

/** One thread's share of the load. */
async function drive(options: LoadOptions): Promise<Tally> {
  const tally = new Tally();
  const { bytes, freshAt } = buildRequest(options);
  let issued = 0;
  let endUs = Infinity;
  const idle: Caller[] = [];
  const waiting: number[] = [];
  const ended = Promise.withResolvers<void>();
  const mayIssue = (): boolean => nowUs() < endUs && (options.calls === 0 || issued < options.calls);
  const request = (): Buffer => {
    issued++;
    if (!options.fresh) return bytes;
    const copy = Buffer.from(bytes);
    copy.write((BigInt(nowUs()) * 1000n + BigInt(issued % 1000)).toString(16).padStart(16, '0'), freshAt, 'latin1');
    return copy;
  };
  const onFree = (caller: Caller): void => {
    if (options.rate > 0) {
      idle.push(caller);
      return issueDue();
    }
    if (mayIssue()) setImmediate(again, caller);
    else settle();
  };
  const again = (caller: Caller): void => {
    if (mayIssue()) caller.ask(request(), nowUs());
    else settle();
  };
  const callers = Array.from({ length: options.connections }, () => new Caller(options, tally, onFree));
  const settle = (): void => {
    if (!mayIssue() && waiting.length === 0 && callers.every(({ isBusy }) => !isBusy)) ended.resolve();
  };
  let nextDue = 0;
  const issueDue = (): void => {
    const now = nowUs();
    for (; nextDue <= now && nextDue < endUs; nextDue += (-Math.log(1 - Math.random()) / options.rate) * 1e6) {
      if (waiting.length < WAITING_MOST) waiting.push(nextDue);
      else tally.error('dropped');
    }
    while (waiting.length > 0 && idle.length > 0) idle.pop()!.ask(request(), waiting.shift()!);
    if (nextDue >= endUs) settle();
  };
  await Promise.all(callers.map((caller) => caller.open()));
  const begunUs = nowUs();
  endUs = begunUs + options.seconds * 1e6;
  if (options.rate > 0) {
    idle.push(...callers);
    nextDue = begunUs;
    const tick = setInterval(issueDue, 1);
    void ended.promise.then(() => clearInterval(tick));
  } else for (const caller of callers) again(caller);
  const limit = setTimeout(ended.resolve, (options.seconds + options.graceS) * 1000);
  const look = setInterval(settle, 20);
  await ended.promise;
  clearTimeout(limit);
  clearInterval(look);
  for (const caller of callers) caller.hangUp();
  return tally;
}

function share(options: LoadOptions, threads: number, index: number): LoadOptions {
  const part = (of: number) => Math.floor(of / threads) + (index < of % threads ? 1 : 0);
  return { ...options, connections: part(options.connections), calls: part(options.calls), rate: options.rate / threads };
}

async function inThread(options: LoadOptions): Promise<Tally> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: options });
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

if (isMainThread) {
  const options = parseLoadOptions(process.argv.slice(2));
  const begunMs = performance.now();
  const threads = Math.max(1, Math.min(availableParallelism(), Math.floor(options.connections / A_THREAD)));
  const tallies =
    threads === 1
      ? [await drive(options)]
      : await Promise.all(Array.from({ length: threads }, (_, index) => inThread(share(options, threads, index))));
  const sum = new Tally();
  for (const tally of tallies) sum.add(tally);
  process.stdout.write(`${JSON.stringify(sum.result((performance.now() - begunMs) / 1000))}\n`);
} else {
  const tally = await drive(workerData as LoadOptions);
  parentPort!.postMessage({ ...tally });
}
