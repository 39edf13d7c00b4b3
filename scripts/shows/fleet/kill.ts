import { setTimeout as delay } from 'node:timers/promises';
import { chatLine, faultsOf, resultsOf, submit, whenEnded } from '../batch.ts';
import { MODEL } from '../engines.ts';
import { childrenOf, say, until } from '../scene.ts';
import { chat, Clients } from './calls.ts';
import { Claims } from './claims.ts';
import { BOUND, COUNTED, HELD, KEYS, type Members, PLACES, statusOf, WORKERS } from './members.ts';

const BACK_MS = 15_000;
/** By processes of a gateway: each claims 256 lines at once, and with fewer the one that is to die might get none. */
const LINES = 600;
const LOOK_MS = 100;
/** Longer than all that is waited for. */
const ENDLESS_TOKENS = 4_000;

/** One of three gateways is killed under load. What it had comes back to the others, each in its time. @returns what is wrong */
export async function showKill({ gateways, urls, watch, database }: Members, processes: number): Promise<string[]> {
  const [doomed, second, third] = [gateways[0]!, gateways[1]!, gateways[2]!];
  const from = performance.now();
  const clients = new Clients();
  urls.forEach((_, i) => clients.start([...urls.slice(i), ...urls.slice(0, i)], null, 6, () => 60));
  const names = Array.from({ length: LINES * processes }, (_, i) => `line-${i}`);
  const lines = names.map((name) => chatLine(name, name, MODEL, 40));
  const batch = await submit(second.url, lines);
  // Its places of a limited key are all in use, by calls of the gateway that is going to die.
  const held = Array.from({ length: HELD }, () => chat(doomed.url, KEYS.held, ENDLESS_TOKENS));
  for (let i = 0; i < COUNTED / 2; i++) await chat(doomed.url, KEYS.counted, 1);
  await until(async () => (await chat(third.url, KEYS.held, 1)).status === 429, 'the limit holds at another gateway', 10_000);
  await until(async () => (await linesAt(doomed.url)) > 0, 'it runs lines', 120_000);
  await using claims = new Claims(database!);
  const holders = await claims.holdersOf([doomed.pid, ...childrenOf(doomed.pid)]);
  if ((await claims.heldBy(holders)) === 0) throw new Error('it holds no lines');
  const before = performance.now();
  // All its processes.
  process.kill(-doomed.pid, 'SIGKILL');
  const counted = countedTo(second.url, before);
  const times = await Promise.all([
    timeOf('clients of it are served by another gateway', before, () => clients.reconnectedAt !== null),
    timeOf('the others know that it is gone', before, async () => (await statusOf(third))?.sharing === 2),
    timeOf('a call of the limited key has a place', before, async () => (await chat(second.url, KEYS.held, 1)).status === 200),
    timeOf('the lines that it had are free', before, async () => (await claims.heldBy(holders)) === 0),
    // Two that want everything have everything.
    (async () => {
      const more = new Clients();
      more.start([second.url], null, PLACES * WORKERS, () => 60);
      more.start([third.url], null, PLACES * WORKERS, () => 60);
      const time = await timeOf('all places are used', before, () => watch.now >= 0.9 * PLACES * WORKERS, 3);
      await more.end();
      return time;
    })(),
  ]);
  for (const { what, ms } of times) say(`  ${ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`.padStart(7)}  ${what}`);
  const served = await counted;
  await Promise.all(held);
  const faults = await batchFaults(third.url, batch, names);
  await clients.end();
  const { most, overMs } = watch.since(from, BOUND);
  const odd = [...clients.answers].filter(([status]) => status !== 200 && status !== 0);
  say(`  of ${COUNTED} calls a minute the key was served ${served + COUNTED / 2}; ${names.length} lines ended, ${faults.length} faults`);
  say(
    `  clients: ${[...clients.answers].map(([status, count]) => `${count} × ${status === 0 ? 'broken off' : status}`).join(', ')}; at most ${most} of ${PLACES} at a worker`,
  );
  return [
    ...times.filter(({ ms }) => ms === null || ms > BACK_MS).map(({ what }) => `not within ${BACK_MS / 1000} s: ${what}`),
    ...(served === COUNTED / 2 ? [] : [`the limit let ${served + COUNTED / 2} calls through instead of ${COUNTED}`]),
    ...faults,
    ...(odd.length > 0 ? [`clients were refused: ${JSON.stringify(odd)}`] : []),
    ...(overMs > 1_000 ? [`a worker had more than ${BOUND} calls for ${overMs.toFixed(0)} ms`] : []),
  ];
}

/** How long it took, of three times the time that it may; null: longer. `looks`: so often in a row. */
async function timeOf(what: string, from: number, isSo: () => Promise<boolean> | boolean, looks = 1) {
  let inRow = 0;
  for (const end = from + 3 * BACK_MS; performance.now() < end; await delay(LOOK_MS)) {
    inRow = (await isSo()) ? inRow + 1 : 0;
    if (inRow >= looks) return { what, ms: performance.now() - from };
  }
  return { what, ms: null };
}

/** Calls of the key with a limit a minute that are served before the minute is over. */
async function countedTo(url: string, from: number): Promise<number> {
  let served = 0;
  for (let refused = 0; refused < 3 && performance.now() - from < 30_000;) {
    const { status } = await chat(url, KEYS.counted, 1);
    if (status === 200) served += 1;
    else refused += 1;
  }
  return served;
}

async function linesAt(url: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(/^headgate_batch_lines_running (\d+)$/m.exec(page)?.[1] ?? 0);
}

/** What is wrong with the results of the batch. */
async function batchFaults(url: string, id: string, names: readonly string[]): Promise<string[]> {
  const batch = await whenEnded(url, id, 180_000);
  const [output, errors] = [await resultsOf(url, batch.output_file_id), await resultsOf(url, batch.error_file_id)];
  return faultsOf(batch, names, output, errors);
}
