/** What of a failure is told in a sentence. */
export interface FailureSaid {
  readonly class: string;
  readonly phase: string;
  readonly advice: string;
}

/** What a summary goes by: figures that are there already. null where nobody says. */
export interface Findings {
  readonly workers: readonly {
    readonly name: string;
    readonly state: string;
    readonly restarts: number;
    readonly failure: FailureSaid | null;
    readonly relaxed: readonly string[];
    readonly kvUsage: number;
    readonly waiting: number;
  }[];
  readonly isSupervised: boolean;
  readonly supervisorAwaySeconds: number | null;
  readonly simulated: boolean;
  readonly queued: number;
  readonly openBreakers: readonly string[];
  readonly loopP99Ms: number | null;
  readonly heapRatio: number | null;
  readonly storeUp: boolean | null;
  readonly databaseTrouble: string | null;
  readonly warnings: number;
  /** By what happened: how often in the last day. */
  readonly troubles: ReadonlyMap<string, number>;
}

/** Streams are felt to stutter from here on. */
const SLOW_LOOP_MS = 100;
const FULL_KV = 0.95;
const FULL_HEAP = 0.85;
const MOST_WORKERS = 8;
const MOST_TROUBLES = 12;

/** What looks wrong, a sentence each, the gravest first; where nothing does, that. */
export function summaryOf(found: Findings): string[] {
  const said = [...workersSaid(found), ...serversSaid(found), ...loadSaid(found)];
  if (found.warnings > 0) said.push(`The settings hold, with ${times(found.warnings, 'warning')}: see "settings_check".`);
  said.push(...troublesSaid(found.troubles));
  const quiet = said.length === 0 ? ['Nothing looks wrong to Headgate itself.'] : said;
  return found.simulated ? [...quiet, 'The engine is the simulated one: no model runs.'] : quiet;
}

/** A sentence, if there was any. `troubles`: by what happened, how often in the last day. */
export function troublesSaid(troubles: ReadonlyMap<string, number>): string[] {
  const all = [...troubles].toSorted((a, b) => b[1] - a[1]);
  if (all.length === 0) return [];
  const shown = all.slice(0, MOST_TROUBLES).map(([name, count]) => `${name} (${count})`);
  return [`Warnings and errors on record of the last day: ${shown.join(', ')}${all.length > MOST_TROUBLES ? ', and more' : ''}.`];
}

/** The end of a sentence about a worker. */
export function failureSaid({ class: name, phase, advice }: FailureSaid): string {
  return `failed last with ${name} at ${phase}${advice === '' ? '' : ` (${advice})`}`;
}

function* workersSaid({ workers, isSupervised, supervisorAwaySeconds: away }: Findings): Generator<string> {
  if (isSupervised && away !== null) yield `The supervisor has not answered for ${away} s: what is said of workers may be out of date.`;
  const ready = workers.filter(({ state }) => state === 'ready');
  if (workers.length === 0) yield 'There are no workers.';
  else if (ready.length === 0) yield `No worker is ready, of ${workers.length}.`;
  else if (ready.length < workers.length) yield `${ready.length} of ${workers.length} workers are ready.`;
  let told = 0;
  for (const { name, state, restarts, failure, relaxed } of workers) {
    if (told === MOST_WORKERS) return void (yield 'There is more to say of other workers: see "status".');
    if (failure === null && restarts === 0 && relaxed.length === 0) continue;
    told += 1;
    const parts = [
      ...(failure ? [failureSaid(failure)] : []),
      ...(restarts > 0 ? [`was started again ${times(restarts, 'time')}`] : []),
      ...(relaxed.length > 0 ? [`runs with less than its profile asks for (${relaxed.join(', ')})`] : []),
    ];
    yield `${name}, which is ${state}, ${parts.join('; ')}.`;
  }
}

function* serversSaid({ storeUp, databaseTrouble }: Findings): Generator<string> {
  if (storeUp === false) yield 'The server of state.url does not answer.';
  if (databaseTrouble !== null) yield `The database does not answer: ${databaseTrouble}.`;
}

function* loadSaid({ workers, queued, openBreakers, loopP99Ms, heapRatio }: Findings): Generator<string> {
  if (openBreakers.length > 0) yield `The breaker is open for ${openBreakers.slice(0, MOST_WORKERS).join(', ')}.`;
  const full = workers.filter(({ kvUsage }) => kvUsage >= FULL_KV);
  if (full.length > 0)
    yield `The KV cache of ${full
      .map(({ name }) => name)
      .slice(0, MOST_WORKERS)
      .join(', ')} is nearly full.`;
  if (queued > 0) yield `${queued} calls wait for a place.`;
  if (loopP99Ms !== null && loopP99Ms >= SLOW_LOOP_MS)
    yield `The gateway itself is late: its event loop by ${Math.round(loopP99Ms)} ms (99th percentile).`;
  if (heapRatio !== null && heapRatio >= FULL_HEAP) yield `The gateway's heap is ${Math.round(heapRatio * 100)} % full.`;
}

function times(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
