import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '../../load/workload/seeded.ts';
import { say } from '../scene.ts';
import { chat, Clients } from './calls.ts';
import { BOUND, type Members, PLACES, WORKERS } from './members.ts';

const MOST_OVER_MS = 1_000;
const LEAST_USED = 0.9;
/** One gateway may take so long to have all that the others leave. */
const RISE_MS = 6_000;

/** Bursts at one gateway, or at all at once, whenever chance has it. @returns what is wrong, none where all is well */
export async function showBursts({ urls, watch }: Members, seed: number, seconds: number): Promise<string[]> {
  const random = seeded(seed);
  const from = performance.now();
  const calls: ReturnType<typeof chat>[] = [];
  let bursts = 0;
  for (const end = from + seconds * 1000; performance.now() < end; bursts++) {
    const all = random() < 0.25;
    const one = Math.floor(random() * urls.length);
    const count = Math.ceil(random() * 1.5 * PLACES);
    const tokens = 20 + Math.floor(random() * 180);
    for (const [i, url] of urls.entries()) {
      if (all || i === one) for (let n = 0; n < count; n++) calls.push(chat(url, null, tokens));
    }
    await delay(100 + random() * 1_200);
  }
  const answers = await Promise.all(calls);
  const { most, overMs, looks } = watch.since(from, BOUND);
  const lost = answers.filter(({ status }) => status !== 200);
  const why = new Set(lost.map(({ status, reason }) => `${status} ${reason}`));
  say(`  ${bursts} bursts, ${calls.length} calls; of ${PLACES} places of a worker at most ${most} in use, in ${looks} looks;`);
  say(`  over ${BOUND} for ${overMs.toFixed(0)} ms at the longest; ${lost.length} calls not served`);
  return [
    ...(overMs > MOST_OVER_MS ? [`a worker had more than ${BOUND} calls for ${overMs.toFixed(0)} ms`] : []),
    ...(lost.length > 0 ? [`${lost.length} calls were not served: ${[...why].join(', ')}`] : []),
  ];
}

/** All the load is at one gateway, and the others are idle. */
export async function showOneSided({ urls, watch }: Members, seconds: number): Promise<string[]> {
  const clients = new Clients();
  const startedAt = performance.now();
  clients.start([urls[0]!], null, 2.5 * PLACES * WORKERS, () => 80);
  await delay(RISE_MS);
  const from = performance.now();
  await delay(seconds * 1000);
  const used = watch.since(from, BOUND).mean / (PLACES * WORKERS);
  await clients.end();
  const { most, overMs } = watch.since(startedAt, BOUND);
  say(`  ${(used * 100).toFixed(0)} % of all places in use, on average over ${seconds} s; at most ${most} of ${PLACES} at one worker`);
  const lost = [...clients.answers].filter(([status]) => status !== 200);
  return [
    ...(used < LEAST_USED ? [`one gateway alone used only ${(used * 100).toFixed(0)} % of the places`] : []),
    ...(overMs > MOST_OVER_MS ? [`a worker had more than ${BOUND} calls for ${overMs.toFixed(0)} ms`] : []),
    ...(lost.length > 0 ? [`calls were not served: ${JSON.stringify(lost)}`] : []),
  ];
}
