import { resolve } from 'node:path';
import type { Settings } from '../../gateway/config/schema/settings.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import { planFleet } from '../plan/plan.ts';
import { ownProfiles, profileFolders } from '../profile/folders.ts';
import { loadProfiles } from '../profile/profile.ts';
import { originsOf } from './plans.ts';
import { flagLines } from './text.ts';

interface Io {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly gpus: readonly GpuReading[];
}

/** For `headgate explain`: the flags of each model's engine and the layer that set each, as comments. @throws ProfileError */
export function explainEngines(settings: Settings, { cwd, env, gpus }: Io): string {
  const profiles = loadProfiles(...profileFolders(settings, cwd));
  const plan = planFleet(settings, profiles, gpus, { cwd, env, stateDir: resolve(cwd, settings.supervisor.state_dir) });
  const own = ownProfiles(settings, cwd);
  const lines = plan.models.flatMap(({ id }, index) => {
    const choice = plan.choices[index];
    const head = `engine flags of ${id}`;
    return choice?.kind === 'refused'
      ? [`${head}: none. ${choice.reason}`]
      : [`${head}:`, ...flagLines(originsOf(plan, id, profiles)).map((line) => `  ${line}`)];
  });
  return [...(own === null ? [] : [`profiles of ${own} laid over those of the package`]), ...lines].map((line) => `# ${line}\n`).join('');
}
