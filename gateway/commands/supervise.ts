import { runSupervisor } from '../../supervisor/main.ts';
import { readCommandLine } from './command-line.ts';

/** `headgate supervise` */
export async function supervise(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'usage') return line.exitCode;
  if (line.kind === 'invalid') return line.report();
  return runSupervisor(line.loaded.settings, { cwd: line.cwd, env: process.env, stdout: process.stdout });
}
