import { join } from 'node:path';
import type { Ground } from './asked/ground.ts';
import type { Point } from './grid/axes.ts';
import { Journal } from './asked/journal.ts';
import type { TuneOptions } from './asked/options.ts';
import { forgetState } from './point/leftovers.ts';
import { PointServer, type Ready } from './point/point-server.ts';
import type { Written } from './report/found.ts';
import { Shown } from '../report/shown.ts';

interface Proof {
  readonly folder: string;
  /** Of the tuning. */
  readonly name: string;
  readonly point: Point;
  readonly ground: Ground;
  readonly options: TuneOptions;
  readonly signal: AbortSignal;
}

/** Starts the engine once more, now with the tuning as an operator would. @returns whether it serves with these very flags, or why not */
export async function prove({ folder, name, point, ground, options, signal }: Proof): Promise<Pick<Written, 'serves' | 'problem'>> {
  using journal = new Journal(folder);
  const { cwd, vllmCache, startTimeoutMs } = ground;
  const stateDir = join(folder, 'points', 'proof');
  // Where the state folder is elsewhere, so is what lies beside it.
  const profiles = join(ground.tuningFolder, '..');
  // What an earlier try has left would be taken for experience.
  forgetState(stateDir);
  const server = await PointServer.launch({ cwd, where: options.where, profiles, tuning: name, stateDir, vllmCache, startTimeoutMs });
  let stage = 'starts';
  const shown = new Shown(() => `the tuning is tried: ${stage}`);
  const tried = async (): Promise<Ready> => {
    journal.add({ kind: 'launched', point: `--tuning ${name}`, ...server.launched });
    return await server.ready(point, signal, (now) => (stage = now));
  };
  const [ready] = await Promise.allSettled([tried()]);
  const left = await server.stop();
  shown.end();
  if (left !== null) return { serves: false, problem: `it cannot be ended: ${left}` };
  journal.add({ kind: 'ended', stateDir });
  // "headgate serve" itself has ended; its log stays.
  if (ready.status === 'rejected') return { serves: false, problem: (ready.reason as Error).message };
  const { value } = ready;
  if (value.kind === 'over') return { serves: false, problem: value.reason };
  forgetState(stateDir);
  return { serves: value.kind === 'ready' ? true : null, problem: null };
}
