/** How often a driver that has trouble is asked in all, and how long it is left alone between. */
export interface LookPatience {
  readonly times: number;
  readonly pauseMs: number;
}

/** How patient a worker's supervisor is. One worker's whole behavior in numbers, so that a test can shrink them. */
export interface SupervisionPolicy {
  /** Before the plan is made. */
  readonly firstLooks: LookPatience;
  /** From spawn to a healthy answer, as long as the log shows no progress any more. */
  readonly startTimeoutMs: number;
  /** A start past its time goes on while its log still says something new at least this often. */
  readonly stallMs: number;
  readonly probeIntervalMs: number;
  readonly warmUpAttempts: number;
  readonly warmUpPauseMs: number;
  /** Between health probes of a ready worker. */
  readonly healthIntervalMs: number;
  /** Failed health probes in a row, asked again after `probeIntervalMs`, after which a ready worker is given up. A time-out means busy. */
  readonly healthMisses: number;
  /** A question unanswered for this long: from here on it is looked at whether its process does anything at all. */
  readonly lateMs: number;
  /** Its process does nothing for this long while a question waits: the answer is waited for no longer. */
  readonly frozenMs: number;
  /** So often in a row: no new requests. */
  readonly frozenProbes: number;
  /** Time-outs in a row after which silence counts as a lack of progress. */
  readonly silentProbes: number;
  /** While requests run, as it seems, and no token comes it is looked at this often. */
  readonly stillIntervalMs: number;
  /** Requests run, as it seems, and no token comes for this long: it is asked for one. */
  readonly doubtMs: number;
  /** The same for an engine that has stood still so often before and made the token all the same: twice as long each time, up to this. */
  readonly mostDoubtMs: number;
  /** How long that token is waited for at least; longer where the engine's first tokens usually take long, up to `tokenTimeoutMs`. */
  readonly doubtTokenMs: number;
  /** How long a token is waited for that an engine is asked for in which nothing else waits, or that is out of service. */
  readonly tokenTimeoutMs: number;
  /** Requests run, no token comes for this long, and the one that it was asked for did not come either: no new requests. */
  readonly stallRouteMs: number;
  /** The same for this long, and several that it was asked for did not come: it is started again. */
  readonly stallRestartMs: number;
  /** The same two where there is only one witness: nothing short can be asked of its model, or nobody answers any question. */
  readonly unprovenRouteMs: number;
  readonly unprovenRestartMs: number;
  /** A worker that nobody has asked for anything for this long is asked for one token. */
  readonly idleProbeMs: number;
  /** From "draining" being published to the first signal, so that nobody routes to a worker that is told to stop. */
  readonly settleMs: number;
  /** What the engine was given to finish its requests in (`--shutdown-timeout`), plus the margin it needs to take itself down. */
  readonly stopGraceMs: number;
  /** The same for a worker with nothing to finish: still starting, or broken. */
  readonly abandonGraceMs: number;
  /** From the signal to the whole group to the one that cannot be refused. */
  readonly groupGraceMs: number;
  /** How long leftovers of a dead worker are asked to end before they are killed. */
  readonly sweepGraceMs: number;
  readonly backoffMs: readonly number[];
  readonly backoffJitterShare: number;
  /** A worker that has been ready this long has earned a fresh start of its back-off. */
  readonly stableAfterMs: number;
  readonly crashLoop: { readonly exits: number; readonly windowMs: number };
  /** Starts that fail in a row with the same signature before trying again is pointless. */
  readonly sameStartFailures: number;
  readonly portAttempts: number;
  /** How long a start waits for GPU memory that somebody else holds, before it is a failure; also before less of it is asked for. */
  readonly vramPatienceMs: number;
  /** How long to keep trying while somebody else holds what the worker needs. */
  readonly busyPatienceMs: number;
  /** A worker that was given up for what may pass by itself gets one more chance after this long, again and again. */
  readonly halfOpenMs: number;
  /** How long a relaxed worker must have served before a restart may take back a step: the first time, after one relapse, after two. */
  readonly climbHoldMs: readonly number[];
  /** How long a model stays at least once it is ready, where its profile does not say. */
  readonly dwellMs: number;
  /** How long it stays without work, where its profile does not say; null: as long as nobody wants another. */
  readonly idleUnloadMs: number | null;
  /** The same failure this soon after a step was taken back is a relapse. */
  readonly relapseMs: number;
}

const HOUR_MS = 3_600_000;

/** The figures of production. `startTimeoutMs` and `shutdownTimeoutMs` come from the settings. */
export function supervisionPolicy(startTimeoutMs: number, shutdownTimeoutMs: number): SupervisionPolicy {
  return {
    firstLooks: { times: 3, pauseMs: 3000 },
    startTimeoutMs,
    stallMs: Math.min(300_000, startTimeoutMs),
    probeIntervalMs: 250,
    warmUpAttempts: 3,
    warmUpPauseMs: 1000,
    healthIntervalMs: 5000,
    healthMisses: 3,
    lateMs: 1000,
    frozenMs: 3000,
    frozenProbes: 2,
    silentProbes: 3,
    stillIntervalMs: 2000,
    doubtMs: 5000,
    mostDoubtMs: 60_000,
    doubtTokenMs: 8000,
    tokenTimeoutMs: 30_000,
    stallRouteMs: 12_000,
    stallRestartMs: 45_000,
    unprovenRouteMs: 120_000,
    unprovenRestartMs: 180_000,
    idleProbeMs: 300_000,
    settleMs: 500,
    stopGraceMs: shutdownTimeoutMs + 15_000,
    abandonGraceMs: 10_000,
    groupGraceMs: 5000,
    sweepGraceMs: 2000,
    backoffMs: [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 120_000, 300_000],
    backoffJitterShare: 0.2,
    stableAfterMs: 600_000,
    crashLoop: { exits: 5, windowMs: 600_000 },
    sameStartFailures: 3,
    portAttempts: 10,
    vramPatienceMs: 60_000,
    busyPatienceMs: 300_000,
    halfOpenMs: 600_000,
    climbHoldMs: [6 * HOUR_MS, 12 * HOUR_MS, 24 * HOUR_MS],
    dwellMs: 30_000,
    idleUnloadMs: null,
    relapseMs: 600_000,
  };
}
