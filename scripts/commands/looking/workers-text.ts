import type { SourceState } from '../../../gateway/core/finding/found.ts';
import { adapterOf } from '../../../gateway/engines/adapters.ts';
import { sourceStatus } from '../../../gateway/http/pages/admin-status.ts';
import { sourceText } from '../live/sources-text.ts';
import type { WorkerReport } from './look-at-workers.ts';

/** All workers of the settings: where they are looked for, and each as it was found. */
export interface Looked {
  readonly sources: readonly SourceState[];
  readonly workers: readonly WorkerReport[];
}

const MOST_MODELS = 5;
/** Of one source: who all of them are stands in the JSON. */
const MOST_LINES = 20;

/** For a terminal: those that are found below their sources, then those that are listed. */
export function workerLines({ sources, workers }: Looked): string[] {
  const found = sources.flatMap((source) => {
    const own = workers.filter((worker) => worker.source === source.source);
    const more = own.length > MOST_LINES ? [`  and ${own.length - MOST_LINES} more`] : [];
    const shown = own.toSorted((a, b) => Number(a.ok) - Number(b.ok)).slice(0, MOST_LINES);
    const head = sourceStatus([source]).map(sourceText);
    return [...head, ...shown.flatMap((worker) => reportLines(worker).map((line) => `  ${line}`)), ...more];
  });
  return [...found, ...workers.filter(({ source }) => source === null).flatMap(reportLines)];
}

/** What to do about one that is not well stands below, where all that is in the way does. */
function reportLines({ url, ok, engine, version, models, load_from: from, notes }: WorkerReport): string[] {
  if (models.length === 0) return [notes[0] ?? url];
  const name = [engine === null || engine === 'sim' ? (engine ?? 'unknown engine') : adapterOf({ engine }).name, version]
    .filter((each) => each !== null)
    .join(' ');
  const more = models.length > MOST_MODELS ? ` and ${models.length - MOST_MODELS} more` : '';
  const load = from === null ? 'tells no load' : `tells its load at ${from}`;
  return [
    `${url}  ${name}: ${models.slice(0, MOST_MODELS).join(', ')}${more}; ${load}`,
    ...(ok ? notes : notes.slice(0, 1)).map((note) => `  ${note}`),
  ];
}

interface Troubles {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * What of it stands in the way: a source that cannot be asked, or of which no worker can be had, and whatever is wrong with one that the
 * settings list. One of several that were found may be about to start, or to end.
 */
export function workerTroubles({ sources, workers }: Looked): Troubles {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const source of sources) {
    const { source: name, isUp, message } = source;
    const own = workers.filter((worker) => worker.source === name);
    const said = own.filter(({ ok }) => !ok).map(saidOf);
    if (isUp === null) problems.push(`${name} has not answered in time: nobody knows of its workers.`);
    else if (!isUp) problems.push(`${name} ${message ?? 'cannot be asked'}; no worker of it is known.`);
    else if (own.length === 0) problems.push(`${name} names no worker that takes calls.`);
    (said.length === own.length ? problems : warnings).push(...said);
  }
  problems.push(...workers.filter(({ source, ok }) => source === null && !ok).map(saidOf));
  return { problems, warnings };
}

function saidOf({ notes }: WorkerReport): string {
  return notes.join(' ');
}
