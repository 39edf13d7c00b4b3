import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { readCommandLine } from './line/command-line.ts';
import { checkKey } from './keys/check-key.ts';
import { listKeys } from './keys/list-keys.ts';
import { newKey } from './keys/new-key.ts';

const VERBS = ['new', 'list', 'check'] as const;

/** `headgate key new NAME | list | check` */
export async function key(argv: readonly string[]): Promise<number> {
  const own = { models: 'value', expires: 'value', batch: 'switch', admin: 'switch', json: 'switch' } as const;
  const verb = argv.find((word) => !word.startsWith('-'));
  // A new key is often made before the settings are whole.
  const line = readCommandLine('key', argv, {
    words: ['new|list|check'],
    optional: 1,
    own,
    tolerant: verb === 'new' ? 'silently' : 'aloud',
  });
  if (line.kind === 'ended') return line.exitCode;
  const [, name] = line.positionals;
  switch (verb) {
    case 'new':
      return newKey(line.loaded, name ?? null, line.own);
    case 'list':
      return name === undefined ? listKeys(line.loaded, line.own.has('json')) : wrong(`unexpected argument ${name}`);
    case 'check':
      // On a command line it would stand in the shell's history, and in every list of processes.
      return name === undefined ? checkKey(line.loaded) : wrong('the key itself is read from standard input, not from the command line');
    default: {
      const near = nearestName(verb ?? '', VERBS);
      return wrong(`there is no "headgate key ${verb}"${near === null ? `; there are ${VERBS.join(', ')}` : `; did you mean ${near}?`}`);
    }
  }
}

function wrong(message: string): number {
  process.stderr.write(`headgate: ${message}\n"headgate help key" tells its usage.\n`);
  return EXIT_USAGE;
}
