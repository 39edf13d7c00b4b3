import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { explainSettings } from '../../gateway/config/explain.ts';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import { SETTINGS } from '../../gateway/config/schema/form.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { supervisorIsOn } from '../../gateway/config/schema/settings.ts';
import { stayAlive } from '../../gateway/core/clock.ts';
import { explainEngines } from '../../supervisor/doctor/engine-flags.ts';
import { visibleGpus } from '../../supervisor/gpu/visible.ts';
import { ProfileError } from '../../supervisor/profile/profile.ts';
import { cardsOf } from './cards.ts';
import { readCommandLine } from './line/command-line.ts';

/** `headgate explain [SECTION]` */
export async function explain(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('explain', argv, { optional: 1 });
  if (line.kind === 'ended') return line.exitCode;
  const [section] = line.positionals;
  if (section !== undefined) return explainSection(line.loaded, section);
  process.stdout.write(`${explainSettings(line.loaded).trimEnd()}\n`);
  if (supervisorIsOn(line.loaded.settings)) process.stdout.write(await engines(line.loaded, line.cwd));
  return 0;
}

/** One section, or one setting by its dotted path. */
function explainSection(loaded: LoadedSettings, section: string): number {
  const text = explainSettings(loaded, section.split('.'));
  if (text !== null) {
    process.stdout.write(`${text.trimEnd()}\n`);
    return 0;
  }
  const paths = SETTINGS.root.leaves().map(({ path }) => path);
  const sections = [...new Set(paths.map(([first]) => first!))];
  const near = nearestName(section, [...sections, ...paths.map((path) => path.join('.')), ...paths.map((path) => path.at(-1)!)]);
  const meant = near === null ? null : (paths.find((path) => path.at(-1) === near)?.join('.') ?? near);
  const rest = meant === null ? `there are ${sections.join(', ')}` : `did you mean ${meant}?`;
  process.stderr.write(`headgate: there is no section or setting ${section}; ${rest}\n`);
  return EXIT_USAGE;
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
