import type { LoadedSettings } from './load.ts';
import { SettingsError, problemText } from './schema/problems.ts';
import { EXIT_INVALID } from './exit-codes.ts';

/** What `headgate check` prints of the settings, one problem or warning a line, and how it ends. */
export function checkCommand(result: LoadedSettings | SettingsError): { text: string; exitCode: 0 | 64 } {
  if (result instanceof SettingsError) {
    const count = result.problems.length;
    const lines = [...result.problems.map(problemText), `${count} ${count === 1 ? 'problem' : 'problems'} in the settings`];
    return { text: `${lines.join('\n')}\n`, exitCode: EXIT_INVALID };
  }
  const source = result.file === null ? 'no settings file; defaults, environment and flags' : result.file;
  const lines = [...result.warnings.map((warning) => `warning: ${warning}`), `settings are valid (${source})`];
  return { text: `${lines.join('\n')}\n`, exitCode: 0 };
}
