import { historyPath } from '../../../gateway/core/history/history-file.ts';
import { KEPT_FILES, keptPath } from '../../../gateway/core/log/kept-file.ts';
import { keptLinesPath } from '../../../gateway/core/log/kept-lines.ts';
import { type EngineLog, engineLogs } from '../../../gateway/core/history/engine-logs.ts';
import { readZone } from '../../../gateway/core/history/engine-zone.ts';
import { statOf } from '../past/open-file.ts';
import { EngineParser } from './engine-parser.ts';
import { HistoryParser, LogParser, type Wanted } from './json-parser.ts';
import type { Parser } from './line.ts';
import { RouteFold } from './route-fold.ts';

/** A file that has lines, and who reads them. */
export interface Place {
  readonly path: string;
  readonly parser: (wanted: Wanted) => Parser;
  /** It is the one that is written to. */
  readonly isLive: boolean;
  readonly isShared: boolean;
  readonly isEngine: boolean;
}

const BOTH = ['supervisor', 'gateway'] as const;

/** Files of gateway and supervisor that are there, or may come. */
export function ourPlaces(stateDir: string): Place[] {
  return BOTH.flatMap((by) => [
    ...ages(KEPT_FILES).map((age) => ({
      path: keptPath(keptLinesPath(stateDir, by), age),
      parser: (wanted: Wanted) => new LogParser(by, wanted),
      isLive: age === 0,
      isShared: true,
      isEngine: false,
    })),
    ...[`${historyPath(stateDir, by)}.1`, historyPath(stateDir, by)].map((path, at) => ({
      path,
      parser: (wanted: Wanted) => new HistoryParser(wanted),
      isLive: at === 1,
      isShared: false,
      isEngine: false,
    })),
  ]);
}

/**
 * Logs of engines, each once: that of a failure may be another name of one that is there. `folds`: the list of an engine's routes is one
 * line.
 */
export function enginePlaces(stateDir: string, isMeant: (log: EngineLog) => boolean, folds = false): Place[] {
  const seen = new Set<string>();
  const kinds = ['current', 'previous', 'failed'];
  const logs = engineLogs(stateDir)
    .filter(isMeant)
    .toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  return logs.flatMap(({ path, worker, kind }) =>
    // What was over the limit of a log.
    [`${path}.1`, path].flatMap((file) => {
      const found = statOf(file);
      const mark = `${found?.dev}:${found?.ino}`;
      if (!found || seen.has(mark)) return [];
      seen.add(mark);
      return [
        {
          path: file,
          parser() {
            const parser = new EngineParser(worker, readZone(file));
            return folds ? new RouteFold(parser) : parser;
          },
          isLive: kind === 'current' && file === path,
          isShared: false,
          isEngine: true,
        },
      ];
    }),
  );
}

function ages(count: number): number[] {
  return Array.from({ length: count }, (_, at) => count - 1 - at);
}
