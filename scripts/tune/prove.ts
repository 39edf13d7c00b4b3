import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from './asked/ground.ts';
import type { Point } from './grid/axes.ts';
import { Journal } from './asked/journal.ts';
import type { TuneOptions } from './asked/options.ts';
import { PointServer } from './point/point-server.ts';
import { Shown } from '../report/shown.ts';

/**
 * Starts the engine once more, now with the tuning as an operator would. @returns why it does not serve as it was measured, in words; null:
 * it does, with these very flags
 */
export async function prove(
  folder: string,
  name: string,
  point: Point,
  ground: Ground,
  options: TuneOptions,
  signal: AbortSignal,
): Promise<string | null> {
  using journal = new Journal(folder);
  const { cwd, vllmCache, startTimeoutMs } = ground;
  const stateDir = join(folder, 'points', 'proof');
  // Where the state folder is elsewhere, so is what lies beside it.
  const profiles = join(ground.tuningFolder, '..');
  const server = await PointServer.launch({ cwd, where: options.where, profiles, tuning: name, stateDir, vllmCache, startTimeoutMs });
  let stage = 'starts';
  const shown = new Shown(() => `the tuning is tried: ${stage}`);
  try {
    journal.add({ kind: 'launched', point: `--tuning ${name}`, ...server.launched });
    const ready = await server.ready(point, signal, (now) => (stage = now));
    if (ready.kind === 'interrupted') return 'it was interrupted before that was tried';
    return ready.kind === 'over' ? ready.reason : null;
  } finally {
    const left = await server.stop();
    shown.end();
    if (left === null) {
      journal.add({ kind: 'ended', stateDir });
      rmSync(stateDir, { recursive: true, force: true });
    }
  }
}
