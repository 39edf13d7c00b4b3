import { readPrefix } from '../../../gateway/openai/prefix/read-prefix.ts';
import type { Prefix } from '../../../gateway/core/call.ts';
import { seeded } from '../../load/workload/seeded.ts';
import { wordsOfChance } from '../../load/workload/words.ts';
import { say } from '../scene.ts';
import { chooserOf } from './arms.ts';
import type { Load } from './loads.ts';
import { workerOf } from './virtual-run.ts';

const PROMPTS = 100;
/** That are looked at for each figure. */
const BYTES = 100_000_000;
const SIZES = [1_000, 10_000, 100_000];
const WORKERS = 4;

/** What a call costs the gateway's thread, by the size of its prompt. Microseconds. */
export function showCost(load: Load): void {
  for (const size of SIZES) {
    const uniform = seeded(size);
    const shared = wordsOfChance(size / 10, uniform).slice(0, size / 2);
    const bodies = Array.from({ length: PROMPTS }, () => {
      const content = `${shared} ${wordsOfChance(size / 4, uniform)}`.slice(0, size);
      // As it comes: what is parsed is a text of its own.
      return JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] });
    });
    const parsed = bodies.map((body) => JSON.parse(body) as { readonly messages: unknown });
    const parsing = perPrompt(size, () => bodies.forEach((body) => JSON.parse(body)));
    const prefixes: (Prefix | null)[] = parsed.map((body) => readPrefix(body, '/v1/chat/completions', 'm', false));
    const reading = perPrompt(size, () => parsed.forEach((body) => readPrefix(body, '/v1/chat/completions', 'm', false)));
    const workers = Array.from({ length: WORKERS }, (_, at) => workerOf(`w${at}`, { ...load, kvTokens: 1_000_000 }));
    const plain = chooserOf('p2c', workers, { next: uniform }, () => 0);
    const tree = chooserOf('tree', workers, { next: uniform }, () => 0);
    const asked = prefixes.map((prefix) => ({ prefix, head: '', prompt: [] }));
    const without = perPrompt(size, () => asked.forEach((one) => plain.choose(one, 0).onRead()));
    const choosing = perPrompt(size, () => asked.forEach((one) => tree.choose(one, 0).onRead()));
    const us = (micros: number): string => micros.toFixed(1).padStart(6);
    say(
      `  ${String(size / 1000).padStart(3)} KB: blocks named in ${us(reading)} µs (JSON.parse of the same: ${us(parsing)}), worker chosen and told in ${us(choosing)} µs (p2c: ${us(without)})`,
    );
  }
}

/** Of the thread's own time, whatever else runs here; its clock is coarse, so many are counted together, and the first do not count. */
function perPrompt(size: number, run: () => void): number {
  const rounds = Math.ceil(BYTES / size / PROMPTS);
  for (let round = 0; round < rounds / 4; round++) run();
  const from = process.threadCpuUsage();
  for (let round = 0; round < rounds; round++) run();
  const { user, system } = process.threadCpuUsage(from);
  return (user + system) / rounds / PROMPTS;
}
