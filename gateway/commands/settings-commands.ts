import { checkCommand } from '../config/check.ts';
import { explainSettings } from '../config/explain.ts';
import { readCommandLine } from './command-line.ts';

/** `headgate check` */
export async function check(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'usage') return line.exitCode;
  const { text, exitCode } = checkCommand(line.kind === 'invalid' ? line.error : line.loaded);
  (exitCode === 0 ? process.stdout : process.stderr).write(`${text.trimEnd()}\n`);
  return exitCode;
}

/** `headgate explain` */
export async function explain(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'usage') return line.exitCode;
  if (line.kind === 'invalid') return line.report();
  process.stdout.write(`${explainSettings(line.loaded).trimEnd()}\n`);
  return 0;
}
