import { resolve } from 'node:path';
import { EXIT_FAILED, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { failed } from './asking/ask.ts';
import { readCommandLine } from './command-line.ts';
import { outliveReaders } from './output.ts';
import { engineLogs, type EngineLog } from '../../gateway/core/history/engine-logs.ts';
import { linewise, printable } from './past/printable.ts';
import { follow, lastLines } from './past/tail.ts';

const DEFAULT_LINES = 200;

/** `headgate logs [WORKER]`: what the engine has printed last, from the state folder, whether or not anything runs. */
export async function logs(argv: readonly string[]): Promise<number> {
  const own = { follow: 'switch', failed: 'switch', previous: 'switch', lines: 'value' } as const;
  const line = readCommandLine('logs', argv, { optional: 1, tolerant: 'aloud', own });
  if (line.kind === 'ended') return line.exitCode;
  const lines = Number(line.own.get('lines') ?? DEFAULT_LINES);
  if (!Number.isInteger(lines) || lines < 0) {
    process.stderr.write('headgate: --lines takes a whole number.\n');
    return EXIT_USAGE;
  }
  const stateDir = resolve(line.cwd, line.loaded.settings.supervisor.state_dir);
  const kind = line.own.has('failed') ? 'failed' : line.own.has('previous') ? 'previous' : 'current';
  const found = pick(engineLogs(stateDir), stateDir, line.positionals[0], kind);
  if (typeof found === 'string') return failed(found);
  outliveReaders();
  process.stderr.write(`${found.path}\n`);
  try {
    const { text, end } = lastLines(found.path, lines);
    process.stdout.write(printable(text));
    if (!line.own.has('follow')) {
      if (text !== '' && !text.endsWith('\n')) process.stdout.write('\n');
      return 0;
    }
    await follow(
      found.path,
      end,
      linewise((lines) => process.stdout.write(lines)),
    );
    return 0;
  } catch (error) {
    process.stderr.write(`headgate: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  }
}

/** The log that is meant, or why there is none. */
function pick(all: readonly EngineLog[], stateDir: string, worker: string | undefined, kind: EngineLog['kind']): EngineLog | string {
  const workers = [...new Set(all.map((log) => log.worker))].toSorted();
  if (workers.length === 0)
    return `no engine has run here: there are no logs in ${stateDir}. Workers that Headgate did not launch keep their own.`;
  if (worker === undefined && workers.length > 1) return `there are logs of several workers; name one: ${workers.join(', ')}.`;
  const name = worker ?? workers[0]!;
  if (!workers.includes(name)) {
    const near = nearestName(name, workers);
    return `there is no log of a worker ${name}${near === null ? '.' : `; did you mean ${near}?`} There are those of ${workers.join(', ')}.`;
  }
  return (
    all.find((log) => log.worker === name && log.kind === kind) ??
    `there is no ${kind === 'failed' ? 'log of a failure' : `${kind} log`} of ${name}.`
  );
}
