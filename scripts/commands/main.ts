import { EXIT_INVALID, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { SETTINGS_FLAGS } from '../../gateway/config/layers/flags.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { VERSION } from '../../gateway/core/version.ts';
import { outliveReaders } from './output.ts';
import { COMMANDS, type Command } from './table.ts';

/** The `headgate` command: finds the program and hands over. @returns the exit code */
export async function main(argv: readonly string[]): Promise<number> {
  const [first] = argv;
  if (first === '--version' || first === '-V') {
    process.stdout.write(`headgate ${VERSION}\n`);
    return 0;
  }
  if (first === 'help' || first === '--help' || first === '-h') return await help(argv[1]);
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
  // What comes after -- is another program's.
  const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
  if (!command.ownHelp && (own.includes('--help') || own.includes('-h'))) return await help(name);
  // What was begun is brought to its end, and what was measured is kept, also when nobody reads what is said of it.
  if (command.ownHelp) outliveReaders();
  try {
    return await command.run(rest);
  } catch (error) {
    // What the settings or the environment ask for is not there; the class itself is loaded by those who need it.
    if (!(error instanceof Error) || error.name !== 'ProfileError') throw error;
    process.stderr.write(`headgate: ${error.message}\n`);
    return EXIT_INVALID;
  }
}

async function help(name: string | undefined): Promise<number> {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (name !== undefined && !command) {
    process.stderr.write(`headgate: unknown command ${name}\n`);
    return EXIT_USAGE;
  }
  if (command?.ownHelp) return await command.run(['--help']);
  process.stdout.write(command ? commandHelp(command) : overview());
  return 0;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ usage }) => usageText(usage).length));
  const lines = COMMANDS.map(({ usage, summary }) => `  ${usageText(usage).padEnd(width)}  ${summary}`);
  return `headgate ${VERSION}: a gateway and supervisor in front of vLLM

Usage: headgate [COMMAND] [FLAGS]

${lines.join('\n')}

Every command takes the flags of the settings, of which these matter to most:
${flagLines(settingsFlags(['config', 'host', 'port', 'model', 'engine']))}

"headgate help COMMAND" tells what each takes.
Exit codes: 0 done, 1 failed, 2 wrong usage, 64 settings invalid, 69 port in use, 130 interrupted twice.
`;
}

function commandHelp({ usage, summary, flags, settings }: Command): string {
  const parts = [`Usage: headgate ${usage}`, summary];
  if (flags.length > 0) parts.push(`Its own flags:\n${flagLines(flags)}`);
  if (settings.length > 0) parts.push(`Settings (a flag beats the environment and the file):\n${flagLines(settingsFlags(settings))}`);
  return `${parts.join('\n\n')}\n`;
}

function usageText(usage: string): string {
  return usage.replace(/ \[FLAGS\]$/, '');
}

function settingsFlags(names: readonly string[]): Command['flags'] {
  return SETTINGS_FLAGS.filter(({ name }) => names.includes(name)).map(({ name, argument, help, repeatable }) => [
    `--${name} ${argument}`,
    repeatable ? `${help} (repeatable)` : help,
  ]);
}

function flagLines(flags: Command['flags']): string {
  return flags.map(([flag, text]) => `  ${flag.padEnd(24)}  ${text}`).join('\n');
}
