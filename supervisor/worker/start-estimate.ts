import type { WorkerStage } from '../../gateway/core/worker.ts';

/** How long one start took to get where; milliseconds from its launch. */
export interface StartSample {
  readonly modelLoadedMs: number | null;
  readonly graphsMs: number | null;
  readonly totalMs: number;
}

/** Where a start is now. */
export interface StartPoint {
  /** null: not launched yet. */
  readonly stage: WorkerStage | null;
  readonly inStageMs: number;
  /** 0..1 of the weights that have been read. */
  readonly loaded: number;
}

export interface StartEstimate {
  readonly leftMs: number;
  /** 0..99 */
  readonly percent: number;
}

/** Where each stage begins as a share of the whole, as long as no start has been measured: reading weights takes most of it. */
const USUAL: Readonly<Record<WorkerStage, number>> = { process: 0, model_loaded: 0.6, cuda_graphs: 0.94, warmup: 0.96, ready: 1 };
const ORDER: readonly WorkerStage[] = ['process', 'model_loaded', 'cuda_graphs', 'warmup', 'ready'];
/** A stage that takes longer than ever stays just short of its end. */
const ALMOST = 0.95;

/** How much longer a start takes, from the last ones measured (`priorMs` stands in for them) and from what its log has told. Pure. */
export function estimateStart(samples: readonly StartSample[], priorMs: number, point: StartPoint): StartEstimate {
  const totalMs = median(samples.map((sample) => sample.totalMs)) ?? priorMs;
  if (point.stage === null) return { leftMs: totalMs, percent: 0 };
  const marks = { ...USUAL, ...measuredMarks(samples, totalMs) };
  const begin = marks[point.stage];
  const end = marks[ORDER[ORDER.indexOf(point.stage) + 1] ?? 'ready'];
  const byClock = end > begin ? point.inStageMs / ((end - begin) * totalMs) : 1;
  const share = begin + (end - begin) * Math.min(ALMOST, Math.max(byClock, point.loaded * ALMOST));
  return { leftMs: totalMs * (1 - share), percent: Math.min(99, Math.floor(share * 100)) };
}

function measuredMarks(samples: readonly StartSample[], totalMs: number): Partial<Record<WorkerStage, number>> {
  const loadedMs = median(samples.flatMap(({ modelLoadedMs }) => modelLoadedMs ?? []));
  const graphsMs = median(samples.flatMap(({ graphsMs: ms }) => ms ?? []));
  if (loadedMs === null || loadedMs > (graphsMs ?? totalMs) || (graphsMs ?? 0) > totalMs) return {};
  const loaded = loadedMs / totalMs;
  // The end of a short start may be over before anybody has read of its graphs.
  const graphs = graphsMs === null ? Math.max(USUAL.cuda_graphs, loaded) : graphsMs / totalMs;
  // What is left after the graphs is waiting for the server and the first token.
  return { model_loaded: loaded, cuda_graphs: graphs, warmup: graphs + (1 - graphs) / 2 };
}

function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}
