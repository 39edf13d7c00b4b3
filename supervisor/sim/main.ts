import { UsageError } from './settings/flags.ts';
import { helpText, usageText } from './settings/help.ts';
import { Run } from './start/run.ts';
import { ConfigError } from './settings/config-error.ts';
import type { Environment } from './settings/knobs.ts';
import { findMachine } from './start/machine.ts';
import { readSettings, VERSION } from './settings/settings.ts';

/**
 * The simulated vLLM. `argv` is what would follow `vllm`, so it begins with `serve`. Serves until a signal or a failure ends it.
 * Resolves to the exit status that vLLM would have: 0, 1, 2 or 130.
 */
export async function runSim(argv: readonly string[], env: Environment): Promise<number> {
  if (argv.includes('--version') || argv[0] === '-v') {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  const [command, ...rest] = argv;
  if (command === '-h' || command === '--help') {
    process.stdout.write(helpText());
    return 0;
  }
  if (command !== 'serve') {
    process.stderr.write(
      `usage: vllm [-h] [-v] {serve} ...\nvllm: error: argument subparser: invalid choice: '${command ?? ''}' (choose from 'serve')\n`,
    );
    return 2;
  }
  if (rest.some((argument) => argument === '-h' || argument === '--help' || argument.startsWith('--help='))) {
    process.stdout.write(helpText());
    return 0;
  }
  try {
    const machine = await findMachine(env);
    return await new Run(readSettings(rest, env, machine.gpu), machine, env).run();
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(usageText(error));
      return 2;
    }
    if (error instanceof ConfigError) {
      process.stderr.write(
        `(APIServer pid=${process.pid}) Traceback (most recent call last):\n(APIServer pid=${process.pid}) ${error.message}\n`,
      );
      return 1;
    }
    throw error;
  }
}

if (import.meta.main) process.exit(await runSim(process.argv.slice(2), process.env));
