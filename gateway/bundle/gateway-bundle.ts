import type { Registry } from 'prom-client';
import type { DatabasePlace } from '../config/database-place.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { CanaryStatus } from '../canary/status.ts';
import type { Clock } from '../core/clock.ts';
import { VERSION } from '../core/version.ts';
import type { AdminRuntime, AdminStatus, Stats } from '../http/pages/admin-answers.ts';
import type { SupervisorSnapshot } from '../link/snapshot.ts';
import type { BatchRecords } from '../state/store/ports.ts';
import { assemble, type Part } from './assemble.ts';
import { FAILURE } from './common-rules.ts';
import { KIB, OnRecord, setUpParts } from './common-parts.ts';
import { shownJsonLine } from './log-lines.ts';
import { ownNames } from './machine.ts';
import { metricsPart } from './metrics-part.ts';
import { Pace } from './pace.ts';
import { privateTexts } from './settings-part.ts';
import { SNAPSHOT_RULE } from './snapshot-rule.ts';
import { troublesIn } from './state-folder.ts';
import { CANARY_RULE, RUNTIME_RULE, STATS_RULE, STATUS_RULE } from './state-rules.ts';
import { storedPart } from './stored-part.ts';
import { type FailureSaid, summaryOf } from './summary.ts';
import { allowed } from './veil/rule.ts';
import { Veil } from './veil/veil.ts';

/** What is asked for a bundle, of this process or of all that are one gateway. */
export interface GatewaySources {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** With the keys of clients, those of files as they are now. */
  readonly loaded: () => LoadedSettings;
  readonly adminKey: () => string | null;
  readonly stateDir: string | null;
  readonly registry: () => Registry | Promise<Registry>;
  readonly stats: () => Stats | Promise<Stats>;
  readonly runtime: () => AdminRuntime | Promise<AdminRuntime>;
  readonly status: () => AdminStatus | Promise<AdminStatus>;
  readonly canary: () => CanaryStatus;
  /** Last log lines by where they come from. */
  readonly logTails: () => Readonly<Record<string, readonly string[]>> | Promise<Readonly<Record<string, readonly string[]>>>;
  readonly snapshot: () => SupervisorSnapshot | null;
  readonly storeUp: () => boolean | null;
  readonly place: DatabasePlace | null;
  readonly batches: Pick<BatchRecords, 'listBatches'> | null;
}

/** The text of a bundle of a gateway that runs. */
export async function gatewayBundle(sources: GatewaySources): Promise<string> {
  const { clock, stateDir } = sources;
  const loaded = sources.loaded();
  const adminKey = sources.adminKey();
  const admin = adminKey === null ? [] : [{ kind: 'secret' as const, text: adminKey }];
  const pace = new Pace(clock);
  const veil = await Veil.over(privateTexts(loaded, sources.env, [...admin, ...ownNames()]), () => pace.rest());
  const found = new Found(veil);
  const snapshot = sources.snapshot();
  const onRecord = new OnRecord(stateDir, veil, pace);

  const parts: Part[] = [
    {
      name: 'versions',
      bytes: 4 * KIB,
      make: () => ({
        headgate: VERSION,
        node: process.versions.node,
        supervisor: snapshot?.version ?? null,
        vllm: snapshot?.vllmVersion ?? null,
      }),
    },
    ...setUpParts(loaded, sources.env, veil),
    { name: 'status', bytes: 512 * KIB, make: async () => allowed((found.status = await sources.status()), STATUS_RULE, veil) },
    { name: 'stats', bytes: 256 * KIB, make: async () => allowed((found.stats = await sources.stats()), STATS_RULE, veil) },
    { name: 'runtime', bytes: 128 * KIB, make: async () => allowed((found.runtime = await sources.runtime()), RUNTIME_RULE, veil) },
    { name: 'canary', bytes: 32 * KIB, make: () => allowed(sources.canary(), CANARY_RULE, veil) },
    { name: 'supervisor', bytes: 384 * KIB, make: () => snapshot && allowed(snapshot, SNAPSHOT_RULE, veil) },
    {
      name: 'stores',
      bytes: 8 * KIB,
      async make() {
        const stored = await storedPart(sources.place, sources.batches);
        found.databaseTrouble = stored.trouble;
        found.storeUp = sources.storeUp();
        return { shared_state: loaded.settings.state.url === null ? 'none' : 'redis', shared_state_up: found.storeUp, ...stored };
      },
    },
    ...onRecord.events(),
    onRecord.engineLogs(),
    { name: 'gateway_log', bytes: 512 * KIB, make: async () => logPart(await sources.logTails(), veil, pace) },
    onRecord.keptLogs(),
    { name: 'metrics', bytes: 1_024 * KIB, make: async () => metricsPart(await sources.registry(), veil, clock, pace, 960 * KIB) },
  ];
  const summary = () => summaryOf(found.findings(loaded.warnings.length, troublesIn(onRecord.past, clock.wall(), veil)));
  return assemble(parts, summary, veil, clock, pace);
}

/** Of each process the last lines first. Where they are too many, the last processes lose theirs. */
async function logPart(tails: Readonly<Record<string, readonly string[]>>, veil: Veil, pace: Pace) {
  const shown: Record<string, unknown> = {};
  let process = 0;
  for (const tail of Object.values(tails)) {
    const lines: unknown[] = [];
    let leftOut = 0;
    for (const line of tail.toReversed()) {
      const said = shownJsonLine(line, veil);
      if (said) lines.push(said);
      else leftOut += 1;
      await pace.rest();
    }
    shown[`process ${(process += 1)}`] = { lines_left_out: leftOut, newest_first: lines };
  }
  return shown;
}

/** What the parts have found that the summary goes by. */
class Found {
  status: AdminStatus | null = null;
  stats: Stats | null = null;
  runtime: AdminRuntime | null = null;
  storeUp: boolean | null = null;
  databaseTrouble: string | null = null;
  readonly #veil: Veil;

  constructor(veil: Veil) {
    this.#veil = veil;
  }

  findings(warnings: number, troubles: ReadonlyMap<string, number>) {
    const { status, stats, runtime, storeUp, databaseTrouble } = this;
    const name = (id: string) => String(allowed(id, 'worker', this.#veil));
    const queue = stats?.queue.depth;
    return {
      workers: (status?.workers ?? []).map((worker) => ({
        name: name(worker.id),
        state: worker.state,
        restarts: worker.restarts,
        failure: allowed(worker.last_failure, FAILURE, this.#veil) as FailureSaid | null,
        relaxed: worker.degradation.map(({ setting }) => this.#veil.text(setting)),
        kvUsage: worker.kv_cache_usage_ratio,
        waiting: worker.requests_waiting,
      })),
      isSupervised: status?.supervised ?? false,
      supervisorAwaySeconds: status?.supervisor?.away_seconds ?? null,
      simulated: status?.engine?.simulated ?? false,
      queued: (queue?.interactive ?? 0) + (queue?.batch ?? 0),
      openBreakers: Object.entries(stats?.breakers ?? {}).flatMap(([id, { state }]) => (state === 'open' ? [name(id)] : [])),
      loopP99Ms: runtime?.event_loop_delay.p99_ms ?? null,
      heapRatio: runtime ? runtime.memory.heap_used_bytes / runtime.memory.heap_limit_bytes : null,
      storeUp,
      databaseTrouble,
      warnings,
      troubles,
    };
  }
}
