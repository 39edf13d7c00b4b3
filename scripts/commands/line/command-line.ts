import { checkCommand } from '../../../gateway/config/check.ts';
import { EXIT_USAGE } from '../../../gateway/config/exit-codes.ts';
import { type OwnFlag, parseSettingsFlags } from '../../../gateway/config/layers/flags.ts';
import { loadSettings, salvageSettings, type LoadedSettings, type LoadInput } from '../../../gateway/config/load.ts';
import type { Reading } from '../../../gateway/config/reload.ts';
import { problemText, SettingsError, type SettingsProblem } from '../../../gateway/config/schema/problems.ts';
import { rememberFiles } from '../../../gateway/config/layers/remembered-files.ts';
import { systemInput } from '../../../gateway/config/system.ts';

type CommandLine =
  | {
      readonly kind: 'loaded';
      readonly loaded: LoadedSettings;
      /** Loads again, from the same places. @throws SettingsError */
      readonly load: Reading['load'];
      /** What was read last is what holds. */
      readonly keep: () => void;
      readonly own: ReadonlyMap<string, string | true>;
      readonly positionals: readonly string[];
      readonly cwd: string;
      /** What is wrong with the settings, which hold as far as they are sound; there is something only where that is tolerated. */
      readonly problems: readonly SettingsProblem[];
    }
  /** What is wrong has been told. */
  | { readonly kind: 'ended'; readonly exitCode: number };

interface CommandLineShape {
  /** Flags besides those of the settings. */
  readonly own?: Readonly<Record<string, OwnFlag>>;
  /** The plain words that the command needs, by the names that its usage has for them. */
  readonly words?: readonly string[];
  /** How many more it may take. */
  readonly optional?: number;
  /** What is said of a word too many, after what it is. */
  readonly stray?: string;
  readonly fixed?: NonNullable<LoadInput['fixed']>;
  /**
   * For what only has to find something that runs, or was left behind: wrong settings are a warning and hold as far as they are sound.
   * Someone may be half through an edit in the night in which the answer is needed. `silently`: the answer will say what is wrong.
   */
  readonly tolerant?: 'aloud' | 'silently' | undefined;
}

/** Reads the flags of a command, by its name, and the settings behind them. What is wrong with either is told on standard error here. */
export function readCommandLine(command: string, argv: readonly string[], shape: CommandLineShape = {}): CommandLine {
  const parsed = parseSettingsFlags(argv, shape.own);
  const words = shape.words ?? [];
  const problems = parsed.kind === 'usage' ? [...parsed.problems] : [];
  if (parsed.kind === 'flags') {
    const extra = parsed.positionals[words.length + (shape.optional ?? 0)];
    if (extra !== undefined) problems.push(`unexpected argument ${extra}${shape.stray ?? ''}`);
    const missing = words.slice(parsed.positionals.length);
    if (missing.length > 0) problems.push(`${missing.join(' and ')} is missing: headgate ${command} ${words.join(' ')}`);
  }
  if (parsed.kind === 'usage' || problems.length > 0) {
    process.stderr.write(`${problems.map((problem) => `headgate: ${problem}`).join('\n')}\n"headgate help ${command}" tells its usage.\n`);
    return { kind: 'ended', exitCode: EXIT_USAGE };
  }
  const input = { ...systemInput(), flags: parsed.flags, ...(shape.fixed === undefined ? {} : { fixed: shape.fixed }) };
  const files = rememberFiles(input.readFile);
  const load: Reading['load'] = ({ tried, afresh } = { tried: [], afresh: true }) =>
    loadSettings({ ...input, readFile: afresh ? files.afresh() : files.remembered, fixed: [...(shape.fixed ?? []), ...tried] });
  const ready = { load, keep: files.keep, own: parsed.own, positionals: parsed.positionals, cwd: input.cwd };
  if (shape.tolerant !== undefined) {
    const { loaded, problems } = salvageSettings(input);
    const own = problems.filter(({ where }) => where.startsWith('flag '));
    // What was typed just now is no old edit of somebody's.
    if (own.length > 0) return invalid(new SettingsError(own));
    if (problems.length > 0 && shape.tolerant === 'aloud') process.stderr.write(`headgate: warning: ${unsoundText(problems)}\n`);
    return { kind: 'loaded', loaded, problems, ...ready };
  }
  try {
    const loaded = load();
    files.keep();
    for (const warning of loaded.warnings) process.stderr.write(`headgate: warning: ${warning}\n`);
    return { kind: 'loaded', loaded, problems: [], ...ready };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return invalid(error);
  }
}

function invalid(error: SettingsError): CommandLine {
  const { text, exitCode } = checkCommand(error);
  process.stderr.write(`${text.trimEnd()}\n`);
  return { kind: 'ended', exitCode };
}

/** One line, however much is wrong. */
export function unsoundText(problems: readonly SettingsProblem[]): string {
  const more = problems.length === 1 ? '' : ` and ${problems.length - 1} more`;
  return `${problemText(problems[0]!)}${more} ("headgate check" says all); goes on with what is sound in the settings.`;
}
