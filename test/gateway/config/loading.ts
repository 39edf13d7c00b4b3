import { NO_FLAGS, parseSettingsFlags } from '../../../gateway/config/layers/flags.ts';
import { type LoadInput, type LoadedSettings, loadSettings } from '../../../gateway/config/load.ts';
import { SettingsError, problemText } from '../../../gateway/config/schema/problems.ts';

export interface Given {
  /** Text of ./headgate.yaml; absent: there is no file. */
  readonly file?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly argv?: readonly string[];
  readonly fixed?: LoadInput['fixed'];
}

/** The input of the loader for a made-up machine whose only file is /srv/headgate.yaml. */
export function inputOf({ file, env = {}, argv = [], fixed = [] }: Given): LoadInput {
  const parsed = parseSettingsFlags(argv);
  if (parsed.kind === 'usage') throw new Error(parsed.problems.join('\n'));
  return {
    flags: argv.length === 0 ? NO_FLAGS : parsed.flags,
    env,
    cwd: '/srv',
    readFile: (path) => (path === '/srv/headgate.yaml' && file !== undefined ? Buffer.from(file) : null),
    fixed,
  };
}

export function load(given: Given): LoadedSettings {
  return loadSettings(inputOf(given));
}

/** Every problem as a line; empty when the settings load. */
export function problemsOf(given: Given): string[] {
  try {
    load(given);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map(problemText);
    throw error;
  }
}
