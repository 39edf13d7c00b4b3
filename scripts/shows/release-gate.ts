import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KnownDelays } from '../load/stub/known-delays.ts';
import { MODEL, SEATS, startEngines } from './engines.ts';
import { Scene, say } from './scene.ts';

export interface ShownGate {
  readonly exitCode: number;
  readonly verdict: string;
  readonly failed: readonly string[];
}

/** A gateway in front of two engines that a release gate is run on. `slowMs`: one of them is a server that takes so long to a first token instead. */
export async function showGate(slowMs: number | null, args: readonly string[]): Promise<ShownGate> {
  using scene = await Scene.open({}, {});
  const urls = await startEngines(scene, slowMs === null ? [1, 1] : [1]);
  const slow = slowMs === null ? null : new KnownDelays({ ttftMs: slowMs, tokenMs: 20, sigma: 0, seed: 1 });
  try {
    const all = slow === null ? urls : [...urls, await slow.listen()];
    scene.set({ workers: all.map((url) => ({ url, max_num_seqs: SEATS, models: [MODEL] })), timeouts: { first_token_ms: 60_000 } });
    scene.start('gateway');
    await scene.ready();
    const gate = scene.start('release-gate', '--preset', 'personal', '--out', 'result', ...args);
    const [exitCode] = (await once(gate, 'exit')) as [number];
    const file = join(scene.folder, 'result', 'result.json');
    if (!existsSync(file)) throw new Error(`headgate release-gate ended with ${exitCode} and left no result`);
    const result = JSON.parse(readFileSync(file, 'utf8')) as {
      verdict: string;
      profiles: { profile: string; skipped?: string; verdicts?: { criterion: string; outcome: string; said: string }[] }[];
    };
    const failed: string[] = [];
    for (const { profile, skipped, verdicts = [] } of result.profiles) {
      say(`  ${profile.toUpperCase()}${skipped === undefined ? '' : ` skipped: ${skipped}`}`);
      for (const { criterion, outcome, said } of verdicts) {
        say(`    ${outcome.padEnd(6)}  ${criterion}: ${said}`);
        if (outcome === 'failed') failed.push(criterion);
      }
    }
    return { exitCode, verdict: result.verdict, failed };
  } finally {
    slow?.close();
  }
}
