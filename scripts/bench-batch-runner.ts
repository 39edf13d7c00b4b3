import { setTimeout as delay } from 'node:timers/promises';
import { batchOf, chatLine, submitFile, upload } from './shows/batch.ts';
import { freePort, say, Scene, until } from './shows/scene.ts';

// How much of an engine the runner of batches uses: `node scripts/bench-batch-runner.ts [lines=2000] [rounds=5]`. The same chats are sent to one
// simulated engine, which takes its time, as a batch and as interactive calls by so many clients that ask one after the other; arms take turns,
// and the ratio to the best of those is the median of the rounds' own.

const [lines = 2_000, rounds = 5] = process.argv.slice(2).map(Number);
const MODEL = 'bulk';
const PLACES = 64;
const TOKENS = 64;
/** Clients that ask at once: as many as the engine has places, and more. */
const CLIENTS = [PLACES, PLACES + PLACES / 4, 2 * PLACES];
const LOOK_MS = 20;
const LIMIT_MS = 300_000;
const ENOUGH = 0.95;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
await main();

async function main(): Promise<void> {
  const engine = await freePort();
  const settings = {
    workers: [{ url: `http://127.0.0.1:${engine}`, models: [MODEL], max_num_seqs: PLACES }],
    log: { level: 'warn' },
    supervisor: { enabled: false },
  };
  using scene = await Scene.open(settings, { SIM_SPEED: '0.5', SIM_START_MS: '100' });
  scene.start('sim', 'serve', MODEL, '--port', String(engine), '--host', '127.0.0.1', '--max-num-seqs', String(PLACES));
  scene.start('gateway');
  await scene.ready();
  await asCalls(scene.url, 'warm', PLACES, PLACES * 4);
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const rates: [string, number][] = [];
    const arms = [
      ...CLIENTS.map((clients) => [`${clients} clients`, () => asCalls(scene.url, `${round}-${clients}`, clients, lines)] as const),
      ['batch', () => asBatch(scene.url, `${round}-batch`)] as const,
    ];
    // Each begins in turn.
    for (let at = 0; at < arms.length; at++) {
      const [name, run] = arms[(at + round) % arms.length]!;
      rates.push([name, (1e3 * lines) / (await run())]);
    }
    const batch = rates.find(([name]) => name === 'batch')![1];
    const best = Math.max(...rates.filter(([name]) => name !== 'batch').map(([, rate]) => rate));
    ratios.push(batch / best);
    say(`${rates.map(([name, rate]) => `${name} ${rate.toFixed(1)}/s`).join(', ')}: batch ÷ best ${(batch / best).toFixed(3)}`);
  }
  const sorted = ratios.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)]!;
  say(`median ${(100 * median).toFixed(1)} % of the best closed loop (${sorted.map((ratio) => (100 * ratio).toFixed(1)).join(', ')})`);
  process.exitCode = median >= ENOUGH ? 0 : 1;
}

/** All at the same length, and none like another. */
function promptOf(round: string, at: number): string {
  return `${round}, number ${String(at).padStart(6, '0')}: tell me something of the sea, in a few words.`;
}

/** @returns ms from the first call to the last answer */
async function asCalls(url: string, round: string, clients: number, count: number): Promise<number> {
  let next = 0;
  const begun = performance.now();
  const client = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const body = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: promptOf(round, at) }], max_tokens: TOKENS });
      const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      if (response.status !== 200) throw new Error(await response.text());
      await response.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return performance.now() - begun;
}

/** @returns ms from the end of its validation until all of its lines are on record */
async function asBatch(url: string, round: string): Promise<number> {
  const file = await upload(
    url,
    Array.from({ length: lines }, (_, at) => chatLine(`${at}`, promptOf(round, at), MODEL, TOKENS)),
  );
  const id = await submitFile(url, file);
  let begun: number | null = null;
  const end = performance.now() + LIMIT_MS;
  for (; performance.now() < end; await delay(LOOK_MS)) {
    const batch = await batchOf(url, id);
    if (batch === null || batch.status === 'validating') continue;
    begun ??= performance.now();
    const { completed, failed } = batch.request_counts;
    if (failed > 0) throw new Error(`${failed} lines have failed`);
    if (completed === lines) {
      const ms = performance.now() - begun;
      await until(async () => (await batchOf(url, id))?.status === 'completed', 'its end', LIMIT_MS);
      return ms;
    }
  }
  throw new Error('the batch does not come to its end');
}
