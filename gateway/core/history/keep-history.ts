import type { Clock } from '../clock.ts';
import type { Log } from '../log/log.ts';
import type { Historian } from './entry.ts';
import { type History, HistoryFile } from './history-file.ts';
import { lostLife } from './lost-life.ts';
import { recordingLog } from './recording-log.ts';

interface KeptHistory {
  readonly history: History;
  /** Takes down what belongs there, and passes everything on. */
  readonly log: Log;
}

/**
 * Begins to take down what one of our two processes does, in its state folder; a life before that ended without a word is told of first.
 * `workers`: whether what the log says of workers is its own to take down.
 */
export function keepHistory(plain: Log, clock: Clock, stateDir: string, by: Historian, workers: boolean): KeptHistory {
  const onUnwritten = (reason: string): void =>
    plain.warn('history', `What happens could not be written down for "headgate events": ${reason}.`, { file: stateDir });
  const history = new HistoryFile({ stateDir, by, clock, onUnwritten });
  const log = recordingLog(plain, history, workers);
  const lost = lostLife(stateDir, by);
  if (lost) {
    const { pid, startedAt } = lost;
    const how = 'had ended without a word: it was killed, the machine went down, or the disk was full';
    log.warn(`${by}.lost`, `The ${by} of process ${pid}, begun at ${startedAt}, ${how}.`);
  }
  return { history, log };
}
