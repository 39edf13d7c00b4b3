import type { Registry } from 'prom-client';
import type { SupervisorSnapshot } from '../../link/snapshot.ts';
import type { WorkerDirectory } from '../../core/worker.ts';
import { renderMetrics } from '../../telemetry/metrics/exposition.ts';
import { liveness, readiness, startup, type ProbeAnswer, type ProbeFacts } from '../../telemetry/probes.ts';
import { saysVerbose, type Told } from '../probes/told.ts';
import type { HttpAnswer, HttpContext } from '../http-env.ts';
import type { Stats } from './admin-answers.ts';

export interface OperationsContext {
  readonly version: string;
  /** What /metrics and /stats are made of: of all processes, where several are one gateway. */
  readonly registry: () => Registry | Promise<Registry>;
  readonly stats: () => Stats | Promise<Stats>;
  readonly directory: WorkerDirectory;
  readonly draining: () => boolean;
  readonly everReady: () => boolean;
  readonly storeUp: () => boolean | null;
  readonly snapshot: () => SupervisorSnapshot | null;
  /** vLLM's version by worker, where it has told it. */
  readonly engineVersions: () => ReadonlyMap<string, string>;
}

/** What machines read all day: probes, metrics, stats, version. */
export function operations(context: OperationsContext): Record<'live' | 'ready' | 'startup' | 'metrics' | 'stats' | 'version', HttpAnswer> {
  const { version } = context;
  return {
    live: (c) => probe(c, liveness(version)),
    ready: (c) => probe(c, readiness(factsOf(context), saysVerbose(c.req.query('verbose')))),
    startup: (c) => probe(c, startup(factsOf(context))),
    metrics: async (c) => {
      const page = await renderMetrics(await context.registry(), c.req.header('accept'));
      return c.body(page.body, 200, { 'content-type': page.contentType });
    },
    stats: async (c) => c.json(await context.stats()),
    version: (c) => {
      const [engine = null] = context.engineVersions().values();
      return c.json({ version, node: process.versions.node, vllm: context.snapshot()?.vllmVersion ?? engine });
    },
  };
}

type ProbeContext = Pick<OperationsContext, 'version' | 'directory' | 'draining' | 'everReady' | 'storeUp'>;

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

function factsOf({ directory, draining, everReady, storeUp }: ProbeContext): ProbeFacts {
  return { directory, draining: draining(), settingsLoaded: true, everReady: everReady(), storeUp: storeUp() };
}

function probe(c: HttpContext, answer: ProbeAnswer): Response {
  return c.json(answer.body, answer.status, { 'cache-control': 'no-store' });
}
