import { explainSettings } from '../../gateway/config/explain.ts';
import { readCommandLine } from './command-line.ts';

/** `headgate explain` */
export async function explain(argv: readonly string[]): Promise<number> {
  const line = readCommandLine(argv);
  if (line.kind === 'ended') return line.exitCode;
  process.stdout.write(`${explainSettings(line.loaded).trimEnd()}\n`);
  return 0;
}
