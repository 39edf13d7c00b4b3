import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { VERSION } from '../../gateway/core/version.ts';
import { COMMANDS, type Command } from './table.ts';

/** The `headgate` command: finds the program and hands over. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const [first] = argv;
  if (first === '--version' || first === '-V') {
    process.stdout.write(`headgate ${VERSION}\n`);
    return 0;
  }
  if (first === 'help' || first === '--help' || first === '-h') return help(argv[1]);
  // Flags alone mean serve.
  const named = first !== undefined && !first.startsWith('-');
  const name = named ? first : 'serve';
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) {
    const near = nearestName(
      name,
      COMMANDS.map((candidate) => candidate.name),
    );
    process.stderr.write(
      `headgate: unknown command ${name}${near === null ? '' : `; did you mean ${near}?`}\nRun "headgate help" for the list.\n`,
    );
    return EXIT_USAGE;
  }
  const rest = named ? argv.slice(1) : argv;
  if (!command.ownHelp && (rest.includes('--help') || rest.includes('-h'))) return help(name);
  return command.run(rest);
}

function help(name: string | undefined): number {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (name !== undefined && !command) {
    process.stderr.write(`headgate: unknown command ${name}\n`);
    return EXIT_USAGE;
  }
  process.stdout.write(command ? commandHelp(command) : overview());
  return 0;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  const lines = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}`);
  return `headgate ${VERSION}: a gateway and supervisor in front of vLLM

Usage: headgate [COMMAND] [FLAGS]

${lines.join('\n')}

Run "headgate help COMMAND" for its flags.
Exit codes: 0 done, 1 failed, 2 wrong usage, 64 settings invalid, 69 port in use, 130 interrupted twice.
`;
}

function commandHelp(command: Command): string {
  const flags = command.flags.map(([flag, text]) => `  ${flag.padEnd(24)}  ${text}`);
  return `Usage: headgate ${command.usage}\n\n${command.summary}\n${flags.length === 0 ? '' : `\n${flags.join('\n')}\n`}`;
}
