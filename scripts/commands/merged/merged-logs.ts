import { statOf } from '../past/open-file.ts';
import { nearestName } from '../../../gateway/config/schema/nearest-name.ts';
import { stayAlive, systemClock } from '../../../gateway/core/clock.ts';
import { type EngineLog, engineLogs } from '../../../gateway/core/history/engine-logs.ts';
import { workerOf } from './line.ts';
import { aroundRequest } from './one-request.ts';
import type { Outlet } from './outlet.ts';
import { type Question, tell } from './past-and-present.ts';
import { enginePlaces, ourPlaces, type Place } from './places.ts';
import { type Showing, shownLine } from './show.ts';

export interface Asked {
  readonly stateDir: string;
  /** Only what these engines have printed, and what is said of them; none: everything. */
  readonly workers: readonly string[];
  /** Of which starts; null: of all, and what gateway and supervisor say. */
  readonly kind: EngineLog['kind'] | null;
  /** Wall-clock milliseconds; null: from the beginning. */
  readonly fromMs: number | null;
  /** How many of the last lines; null: all. */
  readonly lines: number | null;
  /** Id of a request, or of its trace. */
  readonly request: string | null;
  readonly json: boolean;
  readonly follow: boolean;
  /** Nothing wishes for plain text, and it is a terminal. */
  readonly colors: boolean;
}

/** Why no line was shown. */
export interface Nothing {
  readonly why: string;
  /** Something was named that is not there; otherwise there was nothing to say. */
  readonly isWrong: boolean;
}

/** What gateway, supervisor and engines have said, by time, as long as somebody reads it. @returns what went wrong, or why there is nothing; null: lines were shown */
export async function mergedLogs(asked: Asked, outlet: Outlet): Promise<Nothing | null> {
  const { stateDir, workers, kind } = asked;
  const isMeant = (log: EngineLog): boolean =>
    (workers.length === 0 || workers.includes(log.worker)) && (kind === null || log.kind === kind);
  const places = () => [
    ...(kind === null ? ourPlaces(stateDir) : []),
    ...enginePlaces(stateDir, isMeant, !asked.json && workers.length === 0),
  ];
  const known = [...new Set(engineLogs(stateDir).map(({ worker }) => worker))].toSorted();
  const showing: Showing = { ...asked, width: Math.max('supervisor'.length, ...known.map(({ length }) => length)) };
  const question: Question = {
    places,
    isWanted: workers.length === 0 ? () => true : (line) => workers.includes(workerOf(line) ?? ''),
    fromMs: asked.fromMs,
    lines: asked.lines,
    isPlain: workers.length === 0 && asked.fromMs === null,
    follow: asked.follow,
    onTrouble: (path, reason) => void process.stderr.write(`headgate: warning: ${path} is left out: ${reason}\n`),
    show: (lines) => outlet.write(lines.map((line) => shownLine(line, showing)).join('')),
  };
  // Between two looks only timers are left, and those of the clock keep no process alive.
  const alive = stayAlive();
  try {
    if (asked.request !== null) {
      const why = await aroundRequest(systemClock, question, asked.request, stateDir);
      return why === null ? null : { why, isWrong: true };
    }
    const count = await tell(systemClock, question, outlet.over);
    return outlet.over.aborted || count > 0 || asked.follow || asked.lines === 0 ? null : whyNothing(asked, known, places());
  } finally {
    alive.cancel();
  }
}

function whyNothing({ stateDir, workers, kind, fromMs }: Asked, known: readonly string[], places: readonly Place[]): Nothing {
  const unknown = workers.find((worker) => !known.includes(worker));
  if (unknown !== undefined) {
    const near = nearestName(unknown, known);
    const those = known.length === 0 ? '' : ` There are logs of ${known.join(', ')}.`;
    return { why: `nothing is on record of a worker ${unknown}${near === null ? '.' : `; did you mean ${near}?`}${those}`, isWrong: true };
  }
  if (kind !== null)
    return {
      why: `there is no log of ${kind === 'failed' ? 'a start that failed' : 'a start before this one'} in ${stateDir}.`,
      isWrong: true,
    };
  const lastMs = Math.max(...places.map(({ path }) => statOf(path)?.mtimeMs ?? -Infinity));
  if (fromMs !== null && lastMs > -Infinity) {
    const last = `${new Date(lastMs).toISOString().slice(0, 'YYYY-MM-DDThh:mm'.length)}Z`;
    return { why: `nothing was said since ${new Date(fromMs).toISOString()}; the last was of ${last}.`, isWrong: false };
  }
  const where = '--config and the folder it is run in say which state folder is meant';
  return { why: `nothing is on record in ${stateDir}; ${where}.`, isWrong: false };
}
