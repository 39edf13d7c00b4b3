import type { Clock, Timer } from '../core/clock.ts';
import type { Worker, WorkerDirectory } from '../core/worker.ts';
import { Doubt } from './doubt.ts';
import { adapterOf } from '../engines/adapters.ts';
import { LoadSource } from '../engines/load-source.ts';
import { EnginePace, PaceFloor } from '../engines/pace.ts';
import { isAsleep, processStart } from '../vllm/metrics.ts';
import { type Sight, sightOfFailure } from '../vllm/sight.ts';
import { StaleGauges } from './stale-gauges.ts';
import type { WorkerSource } from './worker-source.ts';

interface ScraperOptions {
  readonly clock: Clock;
  readonly directory: Pick<WorkerDirectory, 'workers' | 'onChange'>;
  readonly source: Pick<WorkerSource, 'scrapes' | 'observe'>;
  /** Milliseconds between two scrapes of one worker; asked before each, so that a reload takes effect. */
  readonly intervalMs: () => number;
  /** Whether a worker that stands still is asked for a token: where no supervisor of ours does. Default: it is not. */
  readonly asksTokens?: boolean;
}

export interface Scraper {
  close(): void;
}

/** So long after the one before, a scrape says nothing about the time in between: scrapes have failed. */
const BLIND_MS = 10_000;
/** Successive multiples of this number, modulo one, spread evenly whatever their number. */
const GOLDEN_RATIO = 0.618_033_988_75;

/** One worker that is scraped again and again, one scrape at a time. */
interface Round {
  readonly gauges: StaleGauges;
  readonly source: LoadSource;
  /** null: it is not asked. */
  readonly doubt: Doubt | null;
  /** As the last page said. A long prompt is read in many steps, of which nothing else tells. */
  kvUsage: number;
  timer: Timer | null;
  stopped: boolean;
}

/** Reads the metrics of every worker that its source calls worth it into `worker.load`, and tells the source what it saw. */
export function startScraper({ clock, directory, source, intervalMs, asksTokens = false }: ScraperOptions): Scraper {
  const rounds = new Map<Worker, Round>();
  const floor = new PaceFloor();
  let started = 0;

  function follow(): void {
    const wanted = new Set(directory.workers().filter((worker) => source.scrapes(worker)));
    for (const [worker, round] of rounds) if (!wanted.has(worker)) stop(worker, round);
    for (const worker of wanted) if (!rounds.has(worker)) start(worker);
  }

  function start(worker: Worker): void {
    const round: Round = {
      gauges: new StaleGauges(),
      source: new LoadSource(),
      doubt: asksTokens ? new Doubt(clock, worker) : null,
      kvUsage: 0,
      timer: null,
      stopped: false,
    };
    rounds.set(worker, round);
    // The worker may have been away for long: what it did meanwhile is not known.
    worker.load.workedAt = null;
    if (round.source.pageOf(adapterOf(worker.view)) === null) judge(worker, false);
    const offset = ((started * GOLDEN_RATIO) % 1) * intervalMs();
    started += 1;
    round.timer = clock.after(offset, () => void run(worker, round));
  }

  function stop(worker: Worker, round: Round): void {
    round.stopped = true;
    round.timer?.cancel();
    round.doubt?.close();
    rounds.delete(worker);
  }

  async function run(worker: Worker, round: Round): Promise<void> {
    const startedAt = clock.now();
    const sight = await scrape(worker, round);
    if (round.stopped) return;
    source.observe(worker.id, sight);
    // What the source made of it may have stopped the round.
    if (round.stopped) return;
    // Back to the worker's own rhythm, so that slow answers do not bunch workers together.
    const interval = intervalMs();
    round.timer = clock.after(interval - ((clock.now() - startedAt) % interval), () => void run(worker, round));
  }

  /** What tells no load is judged by how it answers. */
  function judge(worker: Worker, told: boolean): void {
    if (told) worker.pace = null;
    else if (worker.load.scrapedAt === null) worker.pace ??= new EnginePace(floor);
  }

  async function scrape(worker: Worker, round: Round): Promise<Sight> {
    const { load } = worker;
    const { inFlight, unanswered, life } = worker;
    const askedAt = clock.now();
    const adapter = adapterOf(worker.view);
    const page = round.source.pageOf(adapter);
    if (page === null) judge(worker, false);
    if (page === null || (page.whileBusy && inFlight === 0)) return 'unseen';
    try {
      const transport = worker.transport;
      const { status, body } = await transport.get(page.path, page.timeoutMs);
      const figures = round.source.read(page, status, body);
      judge(worker, figures !== null);
      // A worker that was restarted meanwhile has another transport: the page is its predecessor's.
      if (figures && !round.stopped && worker.transport === transport) {
        const now = clock.now();
        const sinceMs = now - (load.scrapedAt ?? now);
        const moved = figures.work !== null && (figures.work !== load.work || figures.kvUsage !== round.kvUsage);
        round.kvUsage = figures.kvUsage;
        if (load.work !== null && moved) load.movedAt = now;
        if (load.workedAt === null || moved) load.workedAt = now;
        else if (unanswered === 0 || sinceMs > Math.max(BLIND_MS, 3 * intervalMs())) load.workedAt += sinceMs;
        Object.assign(load, round.gauges.corrected(figures, Math.max(inFlight, worker.inFlight), now));
        load.bornAt = processStart(body);
        load.scrapedAt = now;
        load.scrapeMs = now - askedAt;
        load.inFlightAtScrape = inFlight;
        round.doubt?.looked(moved);
      }
      // A page asked for before it was woken, or before that was known, says nothing of now.
      if (figures) return worker.life === life && isAsleep(body) ? 'asleep' : 'answered';
      return status === 200 ? 'answered' : round.source.sightOf(adapter, status, body);
    } catch (error) {
      const sight = sightOfFailure(error);
      return sight === 'missed' && !page.isWitness ? 'unseen' : sight;
    }
  }

  const off = directory.onChange(follow);
  follow();
  return {
    close() {
      off();
      for (const [worker, round] of rounds) stop(worker, round);
    },
  };
}
