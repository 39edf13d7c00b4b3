import { resolve } from 'node:path';
import { planFleet } from '../../supervisor/fleet-plan.ts';
import { loadProfiles, ProfileError } from '../../supervisor/profile.ts';
import { checkCommand, EXIT_INVALID } from '../config/check.ts';
import { explainSettings } from '../config/explain.ts';
import { supervisorIsOn, type Settings } from '../config/settings.ts';
import { readCommandLine } from './command-line.ts';

/** `headgate check` */
export async function check(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'usage') return line.exitCode;
  if (line.kind === 'invalid') return line.report();
  const problem = profileProblem(line.loaded.settings, line.cwd);
  if (problem !== null) {
    process.stderr.write(`${problem}\n`);
    return EXIT_INVALID;
  }
  process.stdout.write(`${checkCommand(line.loaded).text.trimEnd()}\n`);
  return 0;
}

/** What is wrong with the profiles, or with what the settings ask of them. */
function profileProblem(settings: Settings, cwd: string): string | null {
  try {
    const profiles = loadProfiles();
    // Which GPU there is does not matter to whether the names exist.
    if (supervisorIsOn(settings))
      planFleet(settings, profiles, [], { cwd, env: process.env, stateDir: resolve(cwd, settings.supervisor.state_dir) });
    return null;
  } catch (error) {
    if (error instanceof ProfileError) return error.message;
    throw error;
  }
}

/** `headgate explain` */
export async function explain(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'usage') return line.exitCode;
  if (line.kind === 'invalid') return line.report();
  process.stdout.write(`${explainSettings(line.loaded).trimEnd()}\n`);
  return 0;
}
