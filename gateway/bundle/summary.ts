/** What a summary goes by: figures that are there already. null where nobody says. */
export interface Findings {
  readonly workers: readonly {
    readonly name: string;
    readonly state: string;
    readonly restarts: number;
    readonly failure: { readonly class: string; readonly phase: string; readonly advice: string } | null;
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
  const troubles = [...found.troubles].toSorted((a, b) => b[1] - a[1]);
  if (troubles.length > 0) {
    const shown = troubles.slice(0, MOST_TROUBLES).map(([name, count]) => `${name} (${count})`);
    said.push(`Warnings and errors on record of the last day: ${shown.join(', ')}${troubles.length > MOST_TROUBLES ? ', and more' : ''}.`);
  }
  const quiet = said.length === 0 ? ['Nothing looks wrong to Headgate itself.'] : said;
  return found.simulated ? [...quiet, 'The engine is the simulated one: no model runs.'] : quiet;
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
      ...(failure ? [`failed last with ${failure.class} at ${failure.phase}${failure.advice === '' ? '' : ` (${failure.advice})`}`] : []),
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
