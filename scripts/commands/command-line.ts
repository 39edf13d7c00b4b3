import { checkCommand } from '../../gateway/config/check.ts';
import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { parseSettingsFlags } from '../../gateway/config/layers/flags.ts';
import { loadSettings, type LoadedSettings, type LoadInput } from '../../gateway/config/load.ts';
import { SettingsError } from '../../gateway/config/schema/problems.ts';
import { systemInput } from '../../gateway/config/system.ts';

type CommandLine =
  | {
      readonly kind: 'loaded';
      readonly loaded: LoadedSettings;
      /** Loads again, from the same places. @throws SettingsError */
      readonly load: () => LoadedSettings;
      readonly own: ReadonlyMap<string, string | true>;
      readonly positionals: readonly string[];
      readonly cwd: string;
    }
  /** What is wrong has been told. */
  | { readonly kind: 'ended'; readonly exitCode: number };

interface CommandLineShape {
  /** Flags besides those of the settings. */
  readonly own?: Readonly<Record<string, 'switch' | 'value'>>;
  /** How many plain words the command takes. */
  readonly positionals?: number;
  /** How many more it may take. */
  readonly optional?: number;
  readonly fixed?: NonNullable<LoadInput['fixed']>;
}

/** Reads a command's flags and the settings behind them. What is wrong with either is told on standard error here. */
export function readCommandLine(argv: readonly string[], shape: CommandLineShape = {}): CommandLine {
  const parsed = parseSettingsFlags(argv, shape.own);
  const expected = shape.positionals ?? 0;
  const problems = parsed.kind === 'usage' ? [...parsed.problems] : [];
  if (parsed.kind === 'flags') {
    const extra = parsed.positionals[expected + (shape.optional ?? 0)];
    if (extra !== undefined) problems.push(`unexpected argument ${extra}`);
    else if (parsed.positionals.length < expected) problems.push('a name is missing');
  }
  if (parsed.kind === 'usage' || problems.length > 0) {
    process.stderr.write(`${problems.map((problem) => `headgate: ${problem}`).join('\n')}\nRun "headgate help" for usage.\n`);
    return { kind: 'ended', exitCode: EXIT_USAGE };
  }
  const input = systemInput();
  const load = (): LoadedSettings =>
    loadSettings({ ...input, flags: parsed.flags, ...(shape.fixed === undefined ? {} : { fixed: shape.fixed }) });
  try {
    const loaded = load();
    for (const warning of loaded.warnings) process.stderr.write(`headgate: warning: ${warning}\n`);
    return { kind: 'loaded', loaded, load, own: parsed.own, positionals: parsed.positionals, cwd: input.cwd };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const { text, exitCode } = checkCommand(error);
    process.stderr.write(`${text.trimEnd()}\n`);
    return { kind: 'ended', exitCode };
  }
}
