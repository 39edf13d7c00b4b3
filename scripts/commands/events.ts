import { resolve } from 'node:path';
import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { systemClock } from '../../gateway/core/clock.ts';
import { type HistoryEntry, textOf } from '../../gateway/core/history/entry.ts';
import { readHistory } from '../../gateway/core/history/read-history.ts';
import { readCommandLine } from './line/command-line.ts';
import { failed } from './asking/ask.ts';
import { historyPath } from '../../gateway/core/history/history-file.ts';
import { eventText } from './past/event-text.ts';
import { whyClosed } from './past/open-file.ts';
import { momentOf } from './past/since.ts';

const DEFAULT_SINCE = '24h';

/** `headgate events`: what has happened here, from the files of the state folder, whether or not anything runs. */
export async function events(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('events', argv, { tolerant: 'aloud', own: { json: 'switch', since: 'value', worker: 'value' } });
  if (line.kind === 'ended') return line.exitCode;
  const since = String(line.own.get('since') ?? DEFAULT_SINCE);
  const from = momentOf(since, systemClock.wall());
  if (from === null) {
    process.stderr.write(`headgate: --since ${since} is no time; write 90m, 12h, 7d or an ISO time.\n`);
    return EXIT_USAGE;
  }
  const stateDir = resolve(line.cwd, line.loaded.settings.supervisor.state_dir);
  const closed = whyClosed(
    stateDir,
    (['supervisor', 'gateway'] as const).map((by) => historyPath(stateDir, by)),
  );
  if (closed !== null) return failed(closed);
  const all = readHistory(stateDir);
  const worker = line.own.get('worker');
  const wanted = all.filter((entry) => Date.parse(entry.at) >= from && (worker === undefined || entry['worker'] === worker));
  const isJson = line.own.has('json');
  for (const entry of wanted) process.stdout.write(isJson ? `${JSON.stringify(entry)}\n` : eventText(entry));
  if (wanted.length === 0) process.stderr.write(`headgate: ${whyNothing(all, stateDir, since, worker)}\n`);
  return 0;
}

function whyNothing(all: readonly HistoryEntry[], stateDir: string, since: string, worker: string | true | undefined): string {
  const last = all.at(-1);
  if (!last) return `nothing is on record in ${stateDir}; --config and the folder it is run in say which state folder is meant.`;
  const workers = [...new Set(all.flatMap((entry) => textOf(entry, 'worker') ?? []))];
  if (typeof worker === 'string' && !workers.includes(worker)) {
    const near = nearestName(worker, workers);
    return `nothing is on record of a worker ${worker}${near === null ? '.' : `; did you mean ${near}?`} On record: ${workers.join(', ') || 'none'}.`;
  }
  return `nothing has happened since ${since}; the last entry is of ${last.at}. --since 7d looks further back.`;
}
