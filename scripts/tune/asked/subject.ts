import { hash } from 'node:crypto';
import { type PlannedLoad, readWorkload } from '../../load/plan-load.ts';
import { shownSpan } from '../../report/numbers.ts';
import { objectivesText } from '../grid/objectives.ts';
import type { Ground } from './ground.ts';
import type { Subject } from './journal.ts';
import type { TuneOptions } from './options.ts';

/** What a run is about: two of which all of this is the same measure the same. @throws WorkloadError for a file that cannot be read */
export function subjectOf(
  { subject, tuning, engine, engineVersion, cards, axes }: Ground,
  options: TuneOptions,
  planned: PlannedLoad,
): Subject {
  const { search, prunes, repeats, load, loadMs, hasOwnPace, objectives } = options;
  const pace = hasOwnPace
    ? planned.paceText
    : `${shownSpan(loadMs)} with every place taken, then ${shownSpan(loadMs)} at 80 % of what that came to`;
  return {
    model: subject.model,
    profile: subject.gpu,
    ...{ engine, engineVersion, cards, axes, search, prunes, repeats },
    seed: load.seed,
    load: `${pace}; ${planned.promptsText}`,
    objectives: objectivesText(objectives),
    requests: requestsHash(options),
    settings: hashOf([subject.source, tuning, subject.base]),
  };
}

/** Of what is sent, when, and how: headers and the bodies' own fields, which may be secret, and what files hold, which may have changed. */
export function requestsHash({
  load,
  hasOwnPace,
  loadMs,
  warmupMs,
}: Pick<TuneOptions, 'load' | 'hasOwnPace' | 'loadMs' | 'warmupMs'>): string {
  const { endpoint, stream, headers, extra, timeoutMs, schedule, prompts, cancelShare, seed } = load;
  const files = [schedule.kind === 'trace' ? schedule.file : null, prompts.kind === 'file' ? prompts.file : null];
  const held = files.map((file) => (file === null ? null : hash('sha256', readWorkload(file))));
  const sorted = Object.entries(headers).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return hashOf([
    endpoint,
    stream,
    sorted,
    extra,
    timeoutMs,
    hasOwnPace ? schedule : null,
    loadMs,
    warmupMs,
    prompts,
    held,
    cancelShare,
    seed,
  ]);
}

function hashOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value)).slice(0, 16);
}
