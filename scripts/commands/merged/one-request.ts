import type { Clock } from '../../../gateway/core/clock.ts';
import { keptLinesPath } from '../../../gateway/core/log/kept-lines.ts';
import { type Line, workerOf } from './line.ts';
import { type Question, tell } from './past-and-present.ts';

/** Before a request began, and after it ended: engines stamp their lines to the second, and a death is told when it has been looked into. */
const AROUND_MS = 5_000;
/** Of a trace, or of an id that a client uses again and again. */
const MOST_LINES = 200;
/** uvicorn's line for each request of whomever; it names none. */
const ACCESS = /"[A-Z]+ \S+ HTTP\/[\d.]+" \d{3}/;

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
  const from = Math.min(...own.map(beganAt)) - AROUND_MS;
  const to = Math.max(...own.map(({ atMs }) => atMs)) + AROUND_MS;
  const workers = new Set(own.map(workerOf));
  await tell(clock, {
    ...question,
    isWanted: (line) => isOwn(line) || (line.atMs <= to && isSurrounding(line, workers)),
    fromMs: from,
    isPlain: false,
    follow: false,
  });
  return null;
}

function beganAt({ atMs, data }: Line): number {
  const lasted = data?.['duration_ms'];
  return typeof lasted === 'number' ? atMs - lasted : atMs;
}

/** Neither of another request, nor of a worker that had nothing to do with it. */
function isSurrounding(line: Line, workers: ReadonlySet<string | null>): boolean {
  if (line.data !== null && (line.data['event'] === 'request.end' || line.data['request_id'] !== undefined)) return false;
  if (line.origin !== 'engine') return true;
  return (workers.has(line.source) || [...workers].every((worker) => worker === null)) && !ACCESS.test(line.text);
}
