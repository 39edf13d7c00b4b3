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
/** Until it is known how many there are, what stands behind the first is held: more than this is told without them. */
const MOST_HELD = 100_000;

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
  const isAsked = ({ source, text, atMs, sinceMs = atMs }: Line): boolean => {
    const [, method, path] = (workers.has(source) && ACCESS.exec(text)) || [];
    if (method === undefined || !asked.has(`${method} ${String(path).split('?')[0]}`)) return false;
    return sinceMs <= ended + AROUND_MS && atMs >= began - AROUND_MS;
  };
  let accesses = 0;
  let held: Line[] = [];
  const { lines: most, show } = question;
  const showHeld = (): Promise<boolean> => {
    const some = accesses > MOST_ACCESSES ? held.filter((line) => !isAccess(line)) : held;
    held = [];
    return show(most === null ? some : some.slice(Math.max(0, some.length - most)));
  };
  await tell(clock, {
    ...question,
    fromMs: began - AROUND_MS,
    lines: most === null ? null : most + MOST_ACCESSES,
    isPlain: false,
    follow: false,
    isWanted(line) {
      if (isOwn(line)) return true;
      if (isAccess(line)) return isAsked(line) && ++accesses <= MOST_ACCESSES;
      return (line.sinceMs ?? line.atMs) <= (line.origin === 'engine' ? ended : told) + AROUND_MS && isSurrounding(line, workers);
    },
    async show(lines) {
      for (const line of lines) held.push(line);
      if (held.length > MOST_HELD) accesses = Infinity;
      return accesses > 0 && accesses <= MOST_ACCESSES ? true : showHeld();
    },
  });
  await showHeld();
  return null;
}

function isAccess({ origin, text }: Line): boolean {
  return origin === 'engine' && ACCESS.test(text);
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
