import type { Clock } from '../../core/clock.ts';
import type { LiveFigures } from '../../core/events.ts';
import type { SupervisorSnapshot } from '../../link/snapshot.ts';
import type { WorkerDirectory } from '../../core/worker.ts';
import { renderMetrics } from '../../telemetry/metrics/exposition.ts';
import type { Metrics } from '../../telemetry/metrics/metrics.ts';
import { liveness, readiness, startup, type ProbeAnswer, type ProbeFacts } from '../../telemetry/probes.ts';
import { statsBody } from '../../telemetry/stats.ts';
import { saysVerbose, type Told } from '../probes/told.ts';
import type { HttpAnswer, HttpContext } from '../http-env.ts';

export interface OperationsContext {
  readonly version: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly figures: LiveFigures;
  readonly directory: WorkerDirectory;
  readonly draining: () => boolean;
  readonly everReady: () => boolean;
  readonly snapshot: () => SupervisorSnapshot | null;
  /** vLLM's version by worker, where it has told it. */
  readonly engineVersions: () => ReadonlyMap<string, string>;
}

/** What machines read all day: probes, metrics, stats, version. */
export function operations(context: OperationsContext): Record<'live' | 'ready' | 'startup' | 'metrics' | 'stats' | 'version', HttpAnswer> {
  const { version, directory, metrics, figures, clock } = context;
  return {
    live: (c) => probe(c, liveness(version)),
    ready: (c) => probe(c, readiness(factsOf(context), saysVerbose(c.req.query('verbose')))),
    startup: (c) => probe(c, startup(factsOf(context))),
    metrics: async (c) => {
      const page = await renderMetrics(metrics.registry, c.req.header('accept'));
      return c.body(page.body, 200, { 'content-type': page.contentType });
    },
    stats: (c) => c.json(statsBody({ figures, directory, ledger: metrics.ledger, clock })),
    version: (c) => {
      const [engine = null] = context.engineVersions().values();
      return c.json({ version, node: process.versions.node, vllm: context.snapshot()?.vllmVersion ?? engine });
    },
  };
}

type ProbeContext = Pick<OperationsContext, 'version' | 'directory' | 'draining' | 'everReady'>;

/** What every probe would be answered now. */
export function probesNow(context: ProbeContext): Told {
  const facts = factsOf(context);
  const [live, started] = [liveness(context.version), startup(facts)];
  return {
    '/livez': { plain: live, verbose: live },
    '/readyz': { plain: readiness(facts, false), verbose: readiness(facts, true) },
    '/startupz': { plain: started, verbose: started },
  };
}

function factsOf({ directory, draining, everReady }: ProbeContext): ProbeFacts {
  return { directory, draining: draining(), settingsLoaded: true, everReady: everReady() };
}

function probe(c: HttpContext, answer: ProbeAnswer): Response {
  return c.json(answer.body, answer.status, { 'cache-control': 'no-store' });
}
