import type { Clock } from '../../../gateway/core/clock.ts';
import { keptLinesPath } from '../../../gateway/core/log/kept-lines.ts';
import { ACCESS } from './engine-parser.ts';
import { type Line, workerOf } from './line.ts';
import { type Question, tell } from './past-and-present.ts';

/** Around a request: engines stamp their lines to the second. */
const AROUND_MS = 1_000;
/** After one that went wrong: the death of its engine is told when it has been looked into. */
const LOOKED_INTO_MS = 5_000;
/** Of a trace, or of an id that a client uses again and again. */
const MOST_LINES = 200;
/** Of the engine's lines for requests, which name none: where more may be its own, they say nothing of it. */
const MOST_ACCESSES = 8;

/** Shows what is known of one request, and what others said while it ran. @returns why there is nothing; null: it was found */
export async function aroundRequest(clock: Clock, question: Question, id: string, stateDir: string): Promise<string | null> {
  const isOwn = ({ data }: Line): boolean => data !== null && (data['request_id'] === id || data['trace_id'] === id);
  const own: Line[] = [];
  const gateway = keptLinesPath(stateDir, 'gateway').replace(/jsonl$/, '');
  await tell(clock, {
    ...question,
    places: () => question.places().filter(({ path }) => path.startsWith(gateway)),
    isWanted: isOwn,
    text: id,
    lines: MOST_LINES,
    isPlain: false,
    follow: false,
    show(lines) {
      own.push(...lines);
      return Promise.resolve(true);
    },
  });
  if (own.length === 0)
    return `no line of the gateway is about ${id}: its request runs still, or its line was given up since (log.keep_mb), or was not kept (log.level).`;
  const began = Math.min(...own.map(beganAt));
  const ended = Math.max(...own.map(({ atMs }) => atMs));
  const told = ended + (own.some(isTrouble) ? LOOKED_INTO_MS : 0);
  const workers = new Set(own.map(workerOf));
  const asked = new Set(own.map(({ data }) => `${String(data?.['method'])} ${String(data?.['route'])}`));
  const isAccess = ({ origin, source, text, atMs, sinceMs = atMs }: Line): boolean => {
    const [, method, path] = (origin === 'engine' && workers.has(source) && ACCESS.exec(text)) || [];
    if (method === undefined || !asked.has(`${method} ${String(path).split('?')[0]}`)) return false;
    return sinceMs <= ended + AROUND_MS && atMs >= began - AROUND_MS;
  };
  const rest = { ...question, fromMs: began - AROUND_MS, isPlain: false, follow: false };
  const none = () => Promise.resolve(true);
  const accesses = await tell(clock, { ...rest, isWanted: isAccess, lines: MOST_ACCESSES + 1, show: none });
  await tell(clock, {
    ...rest,
    isWanted(line) {
      if (isOwn(line)) return true;
      if (ACCESS.test(line.text) && line.origin === 'engine') return accesses <= MOST_ACCESSES && isAccess(line);
      return (line.sinceMs ?? line.atMs) <= (line.origin === 'engine' ? ended : told) + AROUND_MS && isSurrounding(line, workers);
    },
  });
  return null;
}

function beganAt({ atMs, data }: Line): number {
  const lasted = data?.['duration_ms'];
  return typeof lasted === 'number' ? atMs - lasted : atMs;
}

function isTrouble({ data }: Line): boolean {
  return data?.['outcome'] === 'broken' || Number(data?.['status']) >= 500;
}

/** Neither of another request, nor of a worker that had nothing to do with it. */
function isSurrounding(line: Line, workers: ReadonlySet<string | null>): boolean {
  if (line.data !== null && (line.data['event'] === 'request.end' || line.data['request_id'] !== undefined)) return false;
  if (line.origin !== 'engine') return true;
  return workers.has(line.source) || [...workers].every((worker) => worker === null);
}
