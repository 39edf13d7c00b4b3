import { resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { EXIT_FAILED, EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { systemClock } from '../../gateway/core/clock.ts';
import { failed } from './asking/ask.ts';
import { readCommandLine } from './line/command-line.ts';
import { type Asked, mergedLogs } from './merged/merged-logs.ts';
import { Outlet } from './merged/outlet.ts';
import { engineLogs, type EngineLog } from '../../gateway/core/history/engine-logs.ts';
import { whyClosed } from './past/open-file.ts';
import { linewise } from './past/printable.ts';
import { momentOf } from './past/since.ts';
import { follow, lastLines } from './past/tail.ts';

const DEFAULT_LINES = 200;
/** They are held before they are shown. */
const MOST_LINES = 1_000_000;
const MOST_WORKERS = 64;

const OWN = {
  follow: 'switch',
  failed: 'switch',
  previous: 'switch',
  json: 'switch',
  lines: 'value',
  since: 'value',
  worker: 'value',
  request: 'value',
} as const;

interface Named {
  readonly stateDir: string;
  readonly worker: string;
  readonly kind: EngineLog['kind'];
  readonly follows: boolean;
}

/**
 * `headgate logs`: what gateway, supervisor and engines have said, by time, from the state folder, whether or not anything runs; of one
 * WORKER, its engine's own words.
 */
export async function logs(argv: readonly string[]): Promise<number> {
  const line = readCommandLine('logs', argv, { optional: MOST_WORKERS, tolerant: 'aloud', own: OWN });
  if (line.kind === 'ended') return line.exitCode;
  const { own, positionals } = line;
  const text = (name: keyof typeof OWN): string | null => (own.has(name) ? String(own.get(name)) : null);
  const lines = own.has('lines') ? Number(own.get('lines')) : null;
  if (lines !== null && (!Number.isInteger(lines) || lines < 0 || lines > MOST_LINES))
    return wrong(`--lines takes a whole number, up to ${MOST_LINES}.`);
  const since = text('since');
  const fromMs = since === null ? null : momentOf(since, systemClock.wall());
  if (since !== null && fromMs === null) return wrong(`--since ${since} is no time; write 90m, 12h, 7d or an ISO time.`);
  const kind = own.has('failed') ? 'failed' : own.has('previous') ? 'previous' : null;
  const request = text('request');
  if (kind !== null && request !== null) return wrong('--request looks everywhere; --failed and --previous name one log.');
  if (own.has('follow') && request !== null)
    return wrong('--request shows a request that has ended, and what was said until then: there is nothing for --follow to wait for.');
  const stateDir = resolve(line.cwd, line.loaded.settings.supervisor.state_dir);
  const worker = text('worker');
  const closed = whyClosed(stateDir);
  if (closed !== null) return failed(closed);
  process.stderr.on('error', () => {});
  const outlet = new Outlet(process.stdout);
  if (positionals.length === 1 && since === null && worker === null && request === null && !own.has('json'))
    return ownWords(
      { stateDir, worker: positionals[0]!, kind: kind ?? 'current', follows: own.has('follow') },
      lines ?? DEFAULT_LINES,
      outlet,
    );
  const asked: Asked = {
    ...{ stateDir, kind, fromMs, request },
    workers: worker === null ? positionals : [...positionals, worker],
    lines: lines ?? (since === null && request === null ? DEFAULT_LINES : null),
    json: own.has('json'),
    follow: own.has('follow'),
    colors: process.stdout.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb',
  };
  const nothing = await mergedLogs(asked, outlet);
  if (nothing === null || nothing.isWrong) return ended(outlet, nothing === null ? null : nothing.why);
  failed(nothing.why);
  return 0;
}

/** The log of one engine as it is. */
async function ownWords(log: Named, lines: number, outlet: Outlet): Promise<number> {
  const { stateDir, worker, kind, follows } = log;
  const found = pick(engineLogs(stateDir), stateDir, worker, kind);
  if (typeof found === 'string') return failed(found);
  process.stderr.write(`${found.path}\n`);
  const show = linewise((shown) => void outlet.write(shown));
  try {
    const { text, end } = lastLines(found.path, lines);
    show(text);
    if (follows) await follow(found.path, end, show, outlet.over);
    else {
      show(null);
      if (text !== '' && !text.endsWith('\n')) await outlet.write('\n');
    }
    // It may not have heard yet that nobody reads.
    await turn();
    return ended(outlet, null);
  } catch (error) {
    process.stderr.write(`headgate: ${(error as Error).message}\n`);
    return EXIT_FAILED;
  }
}

/** The log that is meant, or why there is none. */
function pick(all: readonly EngineLog[], stateDir: string, name: string, kind: EngineLog['kind']): EngineLog | string {
  const workers = [...new Set(all.map((log) => log.worker))].toSorted();
  if (workers.length === 0)
    return `no engine has run here: there are no logs in ${stateDir}. Workers that Headgate did not launch keep their own.`;
  if (!workers.includes(name)) {
    const near = nearestName(name, workers);
    return `there is no log of a worker ${name}${near === null ? '.' : `; did you mean ${near}?`} There are those of ${workers.join(', ')}.`;
  }
  return (
    all.find((log) => log.worker === name && log.kind === kind) ??
    `there is no ${kind === 'failed' ? 'log of a failure' : `${kind} log`} of ${name}.`
  );
}

function ended(outlet: Outlet, nothing: string | null): number {
  const told = nothing ?? outlet.trouble;
  return told === null ? 0 : failed(told);
}

function wrong(told: string): number {
  process.stderr.write(`headgate: ${told}\n`);
  return EXIT_USAGE;
}
