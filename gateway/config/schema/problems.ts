import type { Origin } from './origins.ts';
import { type Path, originWhere, pathText } from './origins.ts';

/** One thing that is wrong with the settings. */
export interface SettingsProblem {
  /** `file:line:column`, `environment NAME`, `flag --name`, or the name of a file. */
  readonly where: string;
  /** `batch_window.window_ms`; empty when it is not about one setting. */
  readonly path: string;
  readonly message: string;
}

/** The settings cannot be used. Holds every problem that was found, not only the first. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(problemText).join('\n'));
    this.problems = problems;
  }
}

/** A problem on one line, as `headgate check` prints it. */
export function problemText({ where, path, message }: SettingsProblem): string {
  // A variable or a flag names its setting already; the path adds something only inside a list.
  const named = /^(environment|flag) /.test(where) && !path.includes('[');
  return path === '' || named ? `${where}: ${message}` : `${where}: ${path}: ${message}`;
}

/** A problem on its way to being reported, while its place can still be compared with others. */
export interface Finding {
  readonly origin: Origin;
  readonly path: Path;
  readonly message: string;
}

/** In the order in which a person would meet them: the file from its top, then the environment, then flags. */
export function toProblems(findings: readonly Finding[]): SettingsProblem[] {
  const seen = new Set<string>();
  return findings
    .toSorted((a, b) => compareOrigins(a.origin, b.origin))
    .map(({ origin, path, message }) => ({ where: originWhere(origin), path: pathText(path), message }))
    .filter((problem) => {
      const text = problemText(problem);
      return !seen.has(text) && seen.add(text);
    });
}

const LAYER_ORDER = { default: 0, file: 1, environment: 2, flag: 3, command: 4 } as const;

function compareOrigins(a: Origin, b: Origin): number {
  if (a.kind === 'file' && b.kind === 'file') return compareText(a.file, b.file) || a.line - b.line || a.column - b.column;
  if (a.kind === 'environment' && b.kind === 'environment') return compareText(a.name, b.name);
  return LAYER_ORDER[a.kind] - LAYER_ORDER[b.kind];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
