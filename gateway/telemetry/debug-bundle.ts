import type { Clock } from '../core/clock.ts';
import type { SupervisorSnapshot } from '../link/snapshot.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import { redacted } from '../core/secrets/data.ts';

interface BundleParts {
  readonly clock: Clock;
  readonly version: string;
  /** The effective settings as plain data. */
  readonly settings: unknown;
  /** The classic text of /metrics. */
  readonly metrics: string;
  readonly stats: unknown;
  readonly runtime: unknown;
  readonly directory: WorkerDirectory;
  readonly supervisor: SupervisorSnapshot | null;
  /** Last log lines by where they come from: `gateway`, or a worker's id. */
  readonly logTails: Readonly<Record<string, readonly string[]>>;
}

/** The body of GET /admin/debug/bundle: what someone needs to help from afar, with secrets taken out. */
export function debugBundleBody(parts: BundleParts) {
  const views = parts.directory.workers().map((worker) => worker.view);
  const { supervisor } = parts;
  return {
    generated_at: new Date(parts.clock.wall()).toISOString(),
    version: parts.version,
    settings: redacted(parts.settings),
    runtime: parts.runtime,
    stats: parts.stats,
    workers: redacted(views),
    models: parts.directory.models(),
    last_failures: redacted(views.flatMap((view) => (view.lastFailure ? [{ worker: view.id, ...view.lastFailure }] : []))),
    gpus: supervisor?.gpus ?? [],
    supervisor: supervisor && {
      version: supervisor.version,
      engine: supervisor.engine,
      engine_reason: supervisor.engineReason,
      vllm_version: supervisor.vllmVersion,
      profile: supervisor.profile,
      tuning: supervisor.tuning,
    },
    log_tails: redacted(parts.logTails),
    metrics: parts.metrics.split('\n'),
  };
}
