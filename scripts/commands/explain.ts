import { explainSettings } from '../../gateway/config/explain.ts';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import { supervisorIsOn } from '../../gateway/config/schema/settings.ts';
import { stayAlive } from '../../gateway/core/clock.ts';
import { explainEngines } from '../../supervisor/doctor/engine-flags.ts';
import { visibleGpus } from '../../supervisor/gpu/visible.ts';
import { ProfileError } from '../../supervisor/profile/profile.ts';
import { cardsOf } from './cards.ts';
import { readCommandLine } from './command-line.ts';

/** `headgate explain` */
export async function explain(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'ended') return line.exitCode;
  process.stdout.write(`${explainSettings(line.loaded).trimEnd()}\n`);
  if (supervisorIsOn(line.loaded.settings)) process.stdout.write(await engines(line.loaded, line.cwd));
  return 0;
}

/** What the engines here would be launched with. */
async function engines({ settings }: LoadedSettings, cwd: string): Promise<string> {
  // A driver that hangs is given up by a timer, which alone would not keep us running.
  const alive = stayAlive();
  try {
    const { cards, env } = cardsOf(settings, process.env, cwd, false);
    const gpus = visibleGpus(await cards.read(), env['CUDA_VISIBLE_DEVICES']);
    return explainEngines(settings, { cwd, env, gpus });
  } catch (error) {
    if (!(error instanceof ProfileError)) throw error;
    return `# The engines cannot be explained; "headgate check" says what is wrong: ${error.message.split('\n')[0]}\n`;
  } finally {
    alive.cancel();
  }
}
