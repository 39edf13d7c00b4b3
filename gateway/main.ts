import type { Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createApp, type AppContext } from './app.ts';
import { openEarlyPolicies } from './early-policies.ts';
import { controlPath } from './link/control-path.ts';
import { adminAccess, apiAccess, metricsArePublic } from './config/access.ts';
import { databasePlace } from './config/database-place.ts';
import { filesPlace } from './config/files-place.ts';
import { adminKey as findOrMakeAdminKey, type AdminKey } from './config/admin-key.ts';
import { Canary } from './canary/canary.ts';
import { BundleDesk } from './bundle/desk.ts';
import { gatewayBundle } from './bundle/gateway-bundle.ts';
import { explainJson } from './config/explain.ts';
import type { LoadedSettings } from './config/load.ts';
import { whatItHas } from './link/contradictions.ts';
import { supervisionMark } from './link/settings-mark.ts';
import { type Reading, type ReloadAnswer, reloadAnswer } from './config/reload.ts';
import { type TrialOrder, Trials } from './config/trial.ts';
import { kubernetesPlace } from './config/kubernetes-place.ts';
import { systemInput } from './config/system.ts';
import { asksForKeys, supervisorIsOn, type Settings } from './config/schema/settings.ts';
import { sharesWorkers } from './config/schema/state.ts';
import { resumesIn } from './config/schema/values/resume.ts';
import { Bag } from './core/bag/bag.ts';
import type { Call } from './core/call.ts';
import { repeat, sleep, systemClock } from './core/clock.ts';
import { GatewayError } from './core/errors.ts';
import type { LiveFigures } from './core/events.ts';
import { fanOut, type Listener } from './core/fan-out.ts';
import { keepHistory } from './core/history/keep-history.ts';
import { recordingLog } from './core/history/recording-log.ts';
import { modelToLoad } from './core/pools/to-load.ts';
import { systemRandom } from './core/random.ts';
import { idMaker } from './core/secrets/id-maker.ts';
import type { SupervisorSnapshot } from './link/snapshot.ts';
import type { AdminStatus } from './http/pages/admin-answers.ts';
import { adminStatus, sharedStatus, statusOfFound } from './http/pages/admin-status.ts';
import { LiveStatus } from './http/pages/live-status.ts';
import { batchFigures } from './batches/runner/open-batches.ts';
import { Guesses } from './http/guesses.ts';
import { BodyMemory } from './http/body/read-body.ts';
import { budgetsInForce } from './keys/key-ring.ts';
import { HeldKeys } from './keys/held-keys.ts';
import { readInThread } from './keys/read-in-thread.ts';
import { Turns } from './http/body/turns.ts';
import { Crowd, crowdLimits } from './http/crowd.ts';
import { openFilesLimit } from './config/open-files.ts';
import { ofThisThread, Overload } from './http/overload.ts';
import { openListeners, type Listeners } from './http/listeners.ts';
import { openProbeListener, type ProbeListener } from './http/probes/probe-listener.ts';
import { Sessions } from './http/pages/sessions.ts';
import { Feed } from './console/feed.ts';
import { Happenings } from './console/happenings.ts';
import { Observer } from './console/observer.ts';
import { RecentCalls } from './console/recent-calls.ts';
import { probesNow } from './http/pages/operations.ts';
import { Lifecycle } from './http/lifecycle.ts';
import { Refusals } from './http/refusals.ts';
import { relayedRoute } from './http/routes.ts';
import { Visitors } from './http/visitors.ts';
import { type ClientSide, serveCall, type ServeContext } from './http/serve-call.ts';
import { toGateway } from './core/hops/to-gateway.ts';
import { viaOf } from './core/hops/via.ts';
import { answerPreflight, isPreflight } from './http/cors.ts';
import { createHttpServer } from './http/server.ts';
import { openFleet } from './fleet/open-fleet.ts';
import type { Kin } from './processes/kin.ts';
import { news } from './processes/news.ts';
import { booksOf, pageOfAll, reloadOfAll, seenByAll, spokenLog, statusOfAll } from './processes/of-all.ts';
import { noteOrWarn, tellListening } from './processes/start-lines.ts';
import type { Beginning, KnownWorkers } from './processes/words.ts';
import { pipeline } from './pipeline.ts';
import { InFlight } from './policies/account.ts';
import { Admission } from './policies/admission/admission.ts';
import { BatchWindows } from './policies/window/batch-window.ts';
import { Dispatch } from './policies/dispatch/dispatch.ts';
import { GroupSplit } from './policies/dispatch/group-split.ts';
import { BudgetBooks } from './policies/budgets/budgets.ts';
import { PressureWatch } from './policies/capacity/pressure-watch.ts';
import { watchEventLoop } from './telemetry/metrics/event-loop.ts';
import { createEvents } from './telemetry/events/events.ts';
import { lostEvent } from './telemetry/events/lost-event.ts';
import { unaskedAnswer, unservedModel } from './telemetry/events/odd-answers.ts';
import { tellTrial, tellTrialStays } from './telemetry/events/process-lines.ts';
import { linkLog } from './telemetry/events/link-log.ts';
import { crowdLog, fewFiles, shortageLog } from './telemetry/events/shortage-log.ts';
import { keysAtStart, tellKeys } from './telemetry/events/keys-log.ts';
import { overloadLog } from './telemetry/events/overload-log.ts';
import { lastFailures } from './telemetry/events/last-failures.ts';
import { refusalSums } from './telemetry/events/refusal-sums.ts';
import { createLog, type Log } from './core/log/log.ts';
import { failureFields } from './telemetry/events/request-line.ts';
import { createMetrics } from './telemetry/metrics/metrics.ts';
import { runtimeBody } from './telemetry/runtime.ts';
import { statsBody } from './telemetry/stats.ts';
import { openTraces } from './telemetry/traces/open-traces.ts';
import { Usage } from './usage/usage.ts';
import { VERSION } from './core/version.ts';
import { startDiscovery } from './discovery/discovery.ts';
import { ownAddress } from './discovery/own-address.ts';
import { createDirectory } from './workers/directory.ts';
import { startListedSource } from './workers/listed-source.ts';
import { openRecords, type Records } from './records.ts';
import { openStored, type Stored } from './stored.ts';
import { startScraper } from './workers/scraper.ts';
import { startSupervisedSource } from './workers/supervised-source.ts';
import { createTransport } from './workers/wire/transport.ts';
import type { Well } from './workers/look.ts';
import { Rationed } from './workers/rationed.ts';
import { watchReadiness } from './workers/readiness.ts';
import { watchSettingsMismatch } from './workers/settings-mismatch.ts';

/** Enough that no two gateways have the same. */
const STORE_ID_CHARS = 12;
/** To each worker, beside those for calls. */
const ASKING_SOCKETS = 2;
/** How often one of several processes says how it is. */
const ALIVE_MS = 1_000;
/** How long one of several processes may take to hear of the workers before it serves. */
const KNOWS_WORKERS_MS = 5_000;
/** Fewer than most systems grant, and than a busy day can take. */
const FEW_FILES = 4_096;
const NO_SOURCES: Settings['sessions']['from'] = [];

interface GatewayOptions extends Reading {
  readonly loaded: LoadedSettings;
  /** Relative paths of the settings start here. */
  readonly cwd: string;
  /** How many files the process may have open. Default: as the system says. */
  readonly openFiles?: number;
  /** Default: made from the settings, on standard output. */
  readonly log?: Log;
  /** The folder where what happens is taken down for later. Default: nowhere. */
  readonly historyDir?: string;
  readonly fileRecords?: Records['files'];
  readonly batchRecords?: Records['batches'];
  /** This is one of several processes that are one gateway. */
  readonly kin?: Kin;
}

export interface Gateway {
  /** Where apps reach it. */
  readonly url: string;
  readonly log: Log;
  /** Resolves when a worker of the default model has been ready once. */
  readonly firstReady: Promise<void>;
  /** The supervisor's last word, if there is one. */
  snapshot(): SupervisorSnapshot | null;
  /** Id of the default model, once known. */
  defaultModel(): string | null;
  /** What /admin/status answers. */
  status(): AdminStatus;
  /** Where the key of /admin and /debug is; null: it is set, or there is none. */
  adminKeyFile(): string | null;
  reload(): ReloadAnswer;
  /** Calls that have not ended, for tests and leak checks. */
  readonly figures: LiveFigures;
  readonly openUpstreamSockets: () => number;
  /**
   * Stops taking requests, lets what flows end within the grace, cuts the rest with an error event, and frees everything.
   * `settle`: first wait for load balancers to notice. Calling it again changes nothing.
   */
  drain(settle: boolean): Promise<void>;
  /** New connections are refused from now on; those that are open are served on. */
  stopAccepting(): void;
}

/** Puts the gateway together from its settings and listens. The only file that sees every part. @throws when a port is taken */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const clock = systemClock;
  const random = systemRandom;
  let loaded = options.loaded;
  let settings = loaded.settings;
  const startedAt = clock.now();

  const plainLog = options.log ?? createLog({ level: settings.log.level, format: settings.log.format, clock });
  const { kin } = options;
  const kept = kin
    ? { history: kin.history, log: recordingLog(plainLog, kin.history, !supervisorIsOn(settings)) }
    : options.historyDir === undefined
      ? null
      : keepHistory(plainLog, clock, options.historyDir, 'gateway', !supervisorIsOn(settings));
  const log = kept?.log ?? plainLog;
  // What all processes of a gateway see alike only one of them tells.
  const ofAll = kin ? spokenLog(log, kin.speaks) : log;
  const loop = watchEventLoop(clock);
  const metrics = createMetrics({ clock, loop, version: VERSION, nodeVersion: process.versions.node });
  const holder = idMaker()();
  // What other gateways know this one by, whichever of its processes they meet.
  const gatewayId = kin?.beginning.gateway ?? holder;
  const budgets = new BudgetBooks(() => early.gateways ?? usage.processes ?? kin?.beginning.count ?? 1);
  const stateDir = options.historyDir ?? null;
  const database = databasePlace(settings, stateDir, options.cwd);
  const records = openRecords(database, clock);
  const usage = new Usage({
    clock,
    log: ofAll,
    records: records && records.usage,
    holder,
    budgets,
    sharedBudgets: () => early.sharedBudgets,
  });
  const workersLogElsewhere = supervisorIsOn(settings);
  const books = {
    ...createEvents({ metrics, log, clock, workersLogElsewhere, speaks: kin?.speaks, onCounted: usage.counted }),
    ...booksOf(kin, metrics.ledger),
  };
  const refused = kept ? refusalSums(kept.history, clock) : null;
  const failures = lastFailures(options.historyDir ?? null);
  let stored: Stored | null = null;
  const lines = {
    admitted: (call: Call) => stored?.runner?.admitted(call),
    requestEnded: (call: Call) => stored?.runner?.requestEnded(call),
  };
  const withLines = settings.batches.enabled ? [lines] : [];
  // Calls are none of a canary's business while none runs.
  let isWatched = false;
  const watched: Listener = {
    routed: (call, worker) => isWatched && canary.routed(call, worker),
    attemptEnded: (call, attempt) => isWatched && canary.attemptEnded(call, attempt),
    requestEnded: (call) => isWatched && canary.requestEnded(call),
  };
  const recent = new RecentCalls(clock);
  const traces = await openTraces({
    ...{ clock, log, metrics, newId: idMaker(), instance: holder, pid: process.pid, version: VERSION, settings: settings.telemetry },
    urlOf: (worker) => directory.workers().find(({ id }) => id === worker)?.view.url ?? null,
  });
  const tracer = traces && traces.tracer;
  const { trust_incoming: trustTrace } = settings.telemetry;
  // First: who writes a request down says whether its trace is kept.
  const traced = tracer === null ? [] : [tracer.listener];
  const events = fanOut([...traced, books, failures, recent, ...(refused ? [refused] : []), ...withLines, watched], lostEvent(log));
  const onUnexpected = (error: unknown, requestId: string): void => {
    // Its place, not its text: that may quote what a client sent.
    const fields = failureFields(new GatewayError('internal', 'unexpected', { cause: error }));
    log.error('internal.error', 'a request failed through a fault of the gateway', { request_id: requestId, ...fields });
  };

  let adminKey = takeAdminKey();
  function takeAdminKey(): AdminKey {
    const key = findOrMakeAdminKey(settings, options.cwd);
    if (key.kind === 'none') ofAll.warn('admin.key', `${key.problem} Until then /admin and /debug are closed, and the rest serves.`);
    if (key.kind === 'file' && key.warning !== null) ofAll.warn('admin.key', key.warning);
    return key;
  }
  const adminKeyFile = (): string | null => (adminKey.kind === 'file' ? adminKey.file : null);
  const openFiles = options.openFiles ?? openFilesLimit();
  const onShortage = shortageLog(log, clock, openFiles);

  // === the workers ===
  const directory = createDirectory({
    clock,
    events,
    models: settings.models,
    retireLimitMs: () => Math.max(settings.timeouts.stream_max_ms, settings.timeouts.request_max_ms),
    createTransport: ({ id, url, apiPath, apiKey }) =>
      createTransport({
        url,
        apiPath,
        apiKey,
        clock,
        connectMs: () => settings.timeouts.connect_ms,
        onUnasked: () => unaskedAnswer(log, id),
        onShortage,
      }),
  });
  const supervised = supervisorIsOn(settings)
    ? startSupervisedSource({
        clock,
        directory,
        control: controlPath(settings, options.cwd),
        onLinkChange: linkLog(ofAll),
        ...(kin ? { by: kin.pid, tellWish: (model: string, waiting: number) => kin.tell({ kind: 'wish', model, waiting }) } : {}),
      })
    : null;
  const onKept = (id: string): void =>
    ofAll.info('worker.kept', `${id} is not listed any more, and serves on until a worker in its place is ready.`, { worker: id });
  const { env, readFile } = systemInput();
  let listeners: Listeners | null = null;
  const discovery = supervised
    ? null
    : startDiscovery({
        ...{ clock, random, events, readFile },
        settings: () => settings,
        kubernetes: () => kubernetesPlace(settings, env, readFile),
        isOwn: ownAddress(() => [...(listeners?.servers ?? [])].map((server) => server.address())),
        onListings: (found) => listed?.update(found),
        before: new Map(kin?.beginning.workers?.found),
      });
  const { drained = [], workers: known = null } = kin?.beginning ?? {};
  const onWell = kin && ((worker: string, found: Well, line: string) => kin.tell({ kind: 'well', worker, found, line }));
  const listed =
    discovery &&
    startListedSource({
      clock,
      directory,
      workers: discovery.listings(),
      kept: known?.kept ?? [],
      via: viaOf([gatewayId]),
      onKept,
      onWell,
      drained,
    });
  const source = supervised ?? listed!;
  const scraper = startScraper({
    clock,
    directory,
    source,
    intervalMs: () => settings.pressure.scrape_interval_ms,
    asksTokens: listed !== null,
  });
  const snapshot = (): SupervisorSnapshot | null => supervised?.snapshot() ?? null;

  // === keys ===
  const heldKeys = new HeldKeys({
    clock,
    cwd: options.cwd,
    loaded,
    read: (asked) => readInThread(asked, clock),
    onChange(told, file) {
      tellKeys(ofAll, told, file);
      metrics.ledger.lastReloadOk = told.kind === 'keys';
    },
  });
  const { door } = heldKeys;
  /** Their file may have changed since it was read for these settings, and is none of a trial's. */
  const withHeldKeys = (of: LoadedSettings): LoadedSettings => ({ ...of, keys: heldKeys.keys });
  const guesses = new Guesses(clock, kin?.beginning.count);
  // Apart, so that wrong keys of clients keep no operator out.
  const mistakes = new Guesses(clock, kin?.beginning.count);

  // === the policies ===
  const newId = idMaker();
  const inFlight = new InFlight();
  const pressureWatch = new PressureWatch(events);
  const groups = new GroupSplit(random, directory);
  const fleet =
    listed && sharesWorkers(settings.state)
      ? openFleet({ id: gatewayId, clock, directory, kin, log: ofAll, settings: () => settings })
      : null;
  const share = fleet?.share ?? kin?.share;
  const admission = new Admission({
    groups,
    clock,
    events,
    directory,
    admission: () => settings.admission,
    pressure: () => settings.pressure,
    timeouts: () => settings.timeouts,
    share,
    short: (model, count) => stored?.runner?.onShort(model, count),
    takenByOthers: (model) => dispatch.shared.takenByOthers(model),
    ...(supervised ? { wish: (model: string, waiting: number) => supervised.wish(modelToLoad(directory, model), waiting) } : {}),
  });
  const windows = new BatchWindows(clock, events, () => settings.batch_window);
  const wantsPrefix = (): boolean => settings.load_balancer.affinity === 'prefix' && directory.workers().length > 1;
  const dispatch = new Dispatch({
    groups,
    clock,
    random,
    events,
    directory,
    breaker: () => settings.circuit_breaker,
    balancer: () => settings.load_balancer,
    sessions: () => settings.sessions,
    pressure: () => settings.pressure,
    retry: () => settings.retry,
    share,
    kin: kin && {
      speaks: kin.speaks,
      tell: (worker, finding) => kin.tell({ kind: 'finding', worker, finding }),
      prompts: (prompts) => kin.tell({ kind: 'prompts', prompts }),
      stored: (answer, place) => kin.tell({ kind: 'stored', answer, place }),
    },
    relay: () => relaySettings,
    resumes: (model) => resumed.byModel.get(model) ?? resumed.others,
    isDraining: () => lifecycle.stage !== 'serving',
    onStopping: ({ id }) => source.observe(id, 'stopping'),
    toGateway: (call) => toGateway(call, gatewayId),
    onUnserved: (worker, model, isNews) => {
      if (isNews) unservedModel(log, worker.id, model);
      listed?.askModels(worker.id);
    },
    newRequestId: newId,
  });
  const canary = new Canary({
    ...{ clock, events, directory, split: groups },
    breakers: () => dispatch.breakers,
    watch: (isOn) => (isWatched = isOn),
    isOneOfSeveral: (kin?.beginning.count ?? 1) > 1,
  });
  let relaySettings = { ...settings.timeouts, ...settings.stream };
  let resumed = resumesIn(settings);
  const early = await openEarlyPolicies({
    ...{ clock, random, events, log, directory, door, budgets, usage, holder },
    newId: () => newId().slice(0, STORE_ID_CHARS),
    settings: () => settings,
    gateway: gatewayId,
    processes: kin?.beginning.count ?? 1,
    process: kin?.beginning.index ?? 0,
  });
  const parts = {
    clock,
    random,
    events,
    directory,
    inFlight,
    admission,
    windows,
    dispatch,
    timeouts: () => settings.timeouts,
    early: early.layers,
    fallsBack: () => settings.models.some(({ fallback }) => fallback.length > 0),
    onUnexpected,
  };
  let handler = pipeline(parts);

  const figures: LiveFigures = {
    inFlight: () => inFlight.count,
    queueDepth: (priority) => admission.depth(priority),
    windowMs: () => windows.widths(),
    windowPending: () => windows.pending,
    batches: () => ({ requests: windows.requests, batches: windows.batches }),
    breakers: () => dispatch.breakers,
    routed: () => dispatch.routed,
    cache: () => early.cached,
    sessions: () => dispatch.sessions,
    prefixes: () => dispatch.prefixes.figures,
    batchLines: () => (stored?.runner ? batchFigures(stored.runner) : null),
    storeUp: () => early.storeUp,
    sources: () => discovery?.sources() ?? [],
    limitsUsed: () => early.limitsUsed(),
    gateways: () => fleet?.gateways ?? null,
    placesAt: (worker) => Math.min(admission.placesOf(worker), fleet?.most(worker.id) ?? Infinity),
  };
  kin?.share.start(directory);
  await fleet?.begin(early.sharedPlaces);
  for (const [worker, finding] of kin?.beginning.findings ?? []) dispatch.follow(worker, finding);
  metrics.attach({ directory, figures, supervisor: snapshot });

  const readiness = watchReadiness(directory, kin?.beginning.everReady);
  const offMark = watchSettingsMismatch(
    directory,
    snapshot,
    () => supervisionMark(settings),
    (running) => {
      const kept = 'its workers keep those until it is stopped and started again';
      const other = `other settings under supervisor or models${whatItHas(settings, running)}`;
      ofAll.warn('supervisor.found', `The supervisor that runs here was started with ${other}; ${kept}.`);
    },
  );
  const pressureTimer = repeat(
    clock,
    () => settings.pressure.scrape_interval_ms,
    () => {
      pressureWatch.look(settings.pressure, directory.workers(), clock.now());
      dispatch.lookAfterWaiting();
    },
  );

  const requestTimeoutMs = (): number => settings.server.header_timeout_ms + settings.server.upload_timeout_ms;

  // === reload ===
  const trials = new Trials(options, clock, (owner) => void obeyTrial({ kind: 'end', owner }));

  function reload(): ReloadAnswer {
    const read = trials.reload(loaded);
    if (read.ok) adopt(read.loaded, read.changed);
    const { ok, changed, needsRestart, problems } = reloadAnswer(read);
    events.configReloaded({ ok, changed, needsRestart, error: ok ? null : problems.join('; ') });
    return reloadAnswer(read);
  }

  function obeyTrial(order: TrialOrder): ReloadAnswer {
    const read = trials.obey(loaded, order);
    if (read.ok) adopt(withHeldKeys(read.loaded), read.changed);
    else if (order.kind === 'end' && trials.owner === order.owner) tellTrialStays(log, order.owner, read.problems);
    if (read.ok) tellTrial(log, order.owner, order.kind === 'try' ? order.seconds : null, read.changed);
    return reloadAnswer(read);
  }

  /** From now on these hold. */
  function adopt(next: LoadedSettings, changed: readonly string[]): void {
    loaded = next;
    settings = next.settings;
    relaySettings = { ...settings.timeouts, ...settings.stream };
    resumed = resumesIn(settings);
    log.level = settings.log.level;
    adminKey = takeAdminKey();
    access = { api: apiAccess(settings), admin: adminAccess(settings) };
    heldKeys.adopt(loaded);
    directory.setModels(settings.models);
    discovery?.configure();
    if (discovery) listed?.update(discovery.listings());
    if (changed.includes('workers')) canary.workersChanged();
    dispatch.configure();
    early.configure();
    usage.configure(takesDown(settings));
    if (changed.some((path) => path.startsWith('batch_window'))) windows.reset();
    handler = pipeline(parts);
    for (const server of listeners?.servers ?? []) server.requestTimeout = requestTimeoutMs();
    admission.poke();
  }

  usage.configure(takesDown(settings));

  // === the listeners ===
  const live = new Bag<ClientSide>();
  const bodies = new BodyMemory(() => settings.server.max_body_bytes, kin?.beginning.count);
  const toWorkers = (): number =>
    directory.workers().reduce((sum, { view }) => sum + Math.ceil(view.maxNumSeqs * (1 + settings.admission.headroom)) + ASKING_SOCKETS, 0);
  const crowd = new Crowd(() => crowdLimits(openFiles, toWorkers()), crowdLog(log, clock, openFiles));
  const overload = new Overload(
    clock,
    overloadLog(log),
    ofThisThread(() => live.size),
  );
  const lifecycle = new Lifecycle();
  const ownStatus = () => {
    const draining = lifecycle.stage !== 'serving';
    const alone = adminStatus(
      snapshot(),
      supervised !== null,
      supervised?.link() ?? null,
      directory,
      clock,
      VERSION,
      failures.of,
      draining,
    );
    const isUp = figures.storeUp();
    const store = isUp === null ? null : { answers: isUp, when_unavailable: settings.state.when_unavailable };
    const own = { ...statusOfFound(alone, discovery?.sources() ?? [], directory), store };
    return fleet === null ? own : sharedStatus(own, fleet.gateways, directory, figures.placesAt);
  };
  const status = kin ? () => statusOfAll(kin, ownStatus()) : ownStatus;
  const liveStatus = new LiveStatus({ clock, directory, read: status });
  const observer = new Observer({
    ...{ clock, recent, directory, figures, underWay },
    gpus: () => snapshot()?.gpus ?? [],
    tokens: () => metrics.ledger,
  });
  const seen = kin ? seenByAll(kin, () => observer.moment()) : { moment: () => observer.moment(), past: () => observer.past() };
  const happenings = new Happenings(stateDir);
  const feed = new Feed({ clock, directory, status, ...seen, happenings: () => happenings.last() });
  const ownStats = () => statsBody({ figures, directory, ledger: metrics.ledger, clock });
  const ownRuntime = () => runtimeBody({ version: VERSION, clock, startedAt, loop });
  const ownPage = {
    registry: () => metrics.registry,
    stats: ownStats,
    runtime: ownRuntime,
    logTails: () => ({ gateway: log.tail() }),
    unwritten: () => usage.unwritten(),
  };
  const page = kin ? pageOfAll(kin, ownStats, ownRuntime) : ownPage;
  const refusals = new Refusals({ random, events, onUnexpected });
  stored = openStored({
    ...{ clock, random, events, log, directory, door, crowd, overload, lifecycle, newId },
    trace: tracer && tracer.line,
    settings: () => settings,
    records: records && { ...records, files: options.fileRecords ?? records.files, batches: options.batchRecords ?? records.batches },
    place: filesPlace(settings, database, stateDir, options.cwd),
    handler: () => handler,
    spare: (model) => admission.spare(model),
    wantsPrefix,
    sharesPlaces: kin !== undefined,
  });
  const serve: ServeContext = {
    clock,
    directory,
    maxBodyBytes: () => settings.server.max_body_bytes,
    trustTrace: () => trustTrace,
    gatewayId,
    handler: () => handler,
    lifecycle: () => lifecycle.stage,
    newId,
    trace: tracer && tracer.request,
    live,
    bodies,
    turns: new Turns(),
    sessionSources: () => (settings.load_balancer.affinity === 'session' ? settings.sessions.from : NO_SOURCES),
    wantsPrefix,
    answerPlace: (answer, asker) => dispatch.answers.of(answer, asker),
    crowd,
    overload,
    door,
    mistakes,
    refusals,
    onUnexpected,
  };
  const operatorKey = (): string | null => (adminKey.kind === 'none' ? null : adminKey.key);
  const bundles = new BundleDesk(clock, () =>
    gatewayBundle({
      ...{ clock, stateDir, snapshot, place: database, env: systemInput().env, adminKey: operatorKey, ...page, status },
      loaded: () => withHeldKeys(loaded),
      canary: () => canary.status(),
      storeUp: figures.storeUp,
      batches: records && (options.batchRecords ?? records.batches),
    }),
  );
  const context: Omit<AppContext, 'surface'> = {
    console: { feed, sessions: new Sessions(clock, operatorKey, door), directory },
    files: stored.files,
    batches: stored.batches,
    directory,
    lifecycle: () => lifecycle.stage,
    newId,
    gatewayId,
    refusals,
    guesses,
    mistakes,
    door,
    metricsArePublic: () => metricsArePublic(settings, adminKey.kind !== 'none' || door.ring.hasAdmin),
    operations: {
      version: VERSION,
      registry: page.registry,
      stats: page.stats,
      directory,
      draining: () => lifecycle.stage !== 'serving',
      everReady: readiness.everReady,
      storeUp: figures.storeUp,
      snapshot,
      engineVersions: () => listed?.versions() ?? new Map(),
    },
    admin: {
      version: VERSION,
      clock,
      key: operatorKey,
      ...page,
      directory,
      snapshot,
      keys: (most) => ({ ...heldKeys.listed(most), open: !door.asks || door.rules.admitsAnyone, usage_kept: takesDown(settings) }),
      usage: (question) => usage.report(question, page.unwritten),
      status: liveStatus,
      bundle: () => bundles.bundle(),
      explain: () => explainJson(loaded),
      reload: kin ? () => reloadOfAll(kin) : reload,
      canary: (order) => canary.obey(order),
      trial: kin ? (order) => reloadOfAll(kin, order) : obeyTrial,
      command(id, verb, reset) {
        if (supervised) return verb === 'restart' ? supervised.restart(id, reset) : supervised[verb](id);
        if (verb !== 'restart') {
          const result = listed![verb](id);
          // It may be otherwise at another.
          if (kin && (result.kind === 'accepted' || verb === 'undrain')) kin.tell({ kind: 'order', worker: id, order: verb });
          return result;
        }
        return { kind: 'conflict', message: `${id} was not launched by Headgate and cannot be told to restart.` };
      },
      modelCommand: supervised ? (id, verb) => supervised[verb](id) : null,
      lease: supervised ? (order) => supervised.lease(order, newId) : null,
    },
  };

  let access = { api: apiAccess(settings), admin: adminAccess(settings) };
  const apps = new Visitors(() => access.api);
  const operators = new Visitors(() => access.admin);
  function listener(surface: AppContext['surface']): Server {
    const app = createApp({ ...context, surface });
    const handle = getRequestListener(app.fetch, { overrideGlobalObjects: false, autoCleanupIncoming: false });
    return createHttpServer({
      headerTimeoutMs: settings.server.header_timeout_ms,
      requestTimeoutMs: requestTimeoutMs(),
      clock,
      newId,
      refusals,
      visitors: surface === 'admin' ? operators : apps,
      // A listener of its own is for those who look after the gateway: it is always served.
      crowd: surface === 'admin' ? null : crowd,
      onRequest(incoming, response, path) {
        if (incoming.method === 'OPTIONS' && isPreflight(incoming)) {
          if (lifecycle.stage !== 'serving') response.shouldKeepAlive = false;
          return answerPreflight(incoming, response, newId);
        }
        // A relayed request goes straight to its handler: the router would take 7 µs to find what the table says at once.
        const route = surface === 'admin' ? null : relayedRoute(incoming.method, path);
        if (route) void serveCall(serve, incoming, response, route);
        else void handle(incoming, response);
      },
    });
  }

  const knownNews = news<KnownWorkers>();
  const alive = kin && repeat(clock, ALIVE_MS, () => tellAlive(kin));
  function tellAlive(to: Kin): void {
    // A terminal is shown what is being loaded, then and later.
    const status = readiness.everReady() && !to.beginning.live ? null : ownStatus();
    const outlook = to.speaks() ? { snapshot: snapshot(), defaultModel: directory.resolve(null)?.id ?? null, status } : null;
    const isReady = readiness.isReady();
    // Who does not serve yet has heard of some of them alone.
    const workers = listed && listeners && to.speaks() ? knownNews({ ...listed.standing(), found: discovery!.findings() }) : null;
    to.tell({ kind: 'alive', probes: probesNow(context.operations), everReady: readiness.everReady(), isReady, workers, outlook });
  }

  // What only a living process knows is told before it may die.
  const knownSoon = kin && new Rationed(clock, () => tellAlive(kin));
  if (kin && listed) directory.onChange(() => kin.speaks() && knownSoon!.soon());

  /** Seen by others or asked by this process, as far as there is anything to be heard of them. */
  async function knowsWorkers({ everReady, workers }: Beginning): Promise<void> {
    if (supervised) return supervised.known(everReady);
    await discovery!.heard();
    await listed!.known(everReady ? (workers?.ready ?? null) : null);
    listed!.update(discovery!.listings());
  }

  // What it was told while it began is done now, when all that it needs is there.
  kin?.lend({
    adopt(next, changed, isTrial) {
      if (!isTrial) metrics.ledger.lastReloadOk = next !== null;
      if (next !== null) adopt(isTrial ? withHeldKeys(next) : next, changed);
    },
    follow: (worker, finding) => dispatch.follow(worker, finding),
    well: (worker, found, line) => listed?.take(worker, found, line),
    stored: (answer, place) => dispatch.answers.take(answer, place),
    prompts: (prompts) => dispatch.prefixes.take(prompts),
    obey: (worker, order) => void listed?.[order](worker),
    places: (got) => fleet?.follow(got),
    part: (question) =>
      ({
        metrics: () => metrics.registry.getMetricsAsJSON(),
        stats: ownStats,
        runtime: ownRuntime,
        tail: () => log.tail(),
        usage: () => usage.unwritten(),
        moment: () => observer.moment(),
        past: () => observer.past(),
      })[question](),
  });

  let forgetWhereabouts = (): void => {};
  let probes: ProbeListener | null = null;
  try {
    const { host, port } = settings.admin;
    const { host: probeHost, probe_port: probePort } = settings.server;
    if (probePort !== null && !kin) {
      const onDeath = (error: Error): void => log.error('probes.lost', `Nothing answers on server.probe_port any more: ${error.message}`);
      const tell = () => probesNow(context.operations);
      probes = await openProbeListener({ host: probeHost, port: probePort, clock, tell, onDeath });
    }
    // Others may serve, or do so in a moment: nobody is to be told by this one that there are no workers.
    if (kin && kin.beginning.ports.api !== null)
      await Promise.race([knowsWorkers(kin.beginning), sleep(clock, KNOWS_WORKERS_MS), kin.leaving]);
    const { api, admin } = kin?.beginning.ports ?? { api: null, admin: null };
    const { sockets = null } = kin?.beginning ?? {};
    const apiAt = { host: settings.server.host, port: api ?? settings.server.port, isOurs: api !== null, sockets: sockets?.api ?? null };
    const adminAt = port === null ? null : { host, port: admin ?? port, isOurs: admin !== null, sockets: sockets?.admin ?? null };
    listeners = await openListeners(apiAt, adminAt, listener);
  } catch (error) {
    await free();
    throw error;
  }
  const { url, adminUrl } = listeners;
  if (kin) {
    kin.tell({ kind: 'listening', url, adminUrl });
    tellAlive(kin);
    void readiness.first.then(() => tellAlive(kin));
  } else {
    if (probes !== null) log.info('listening', `probes on ${probes.url}`);
    tellListening(log, url, adminUrl, adminKeyFile());
    kept?.history.add('info', 'gateway.start', `The gateway serves on ${url}.`);
    if (options.historyDir !== undefined) forgetWhereabouts = noteOrWarn(log, clock, options.historyDir, url, adminUrl);
  }
  if (door.asks) ofAll.info('keys', keysAtStart(door.ring.size, settings.auth.allow_anonymous === true));
  if (openFiles !== null && openFiles < FEW_FILES) ofAll.warn('files.few', fewFiles(openFiles, crowdLimits(openFiles, toWorkers()).most));

  /** Calls of clients, and of lines. */
  function* underWay(): Generator<{ readonly call: Call }> {
    yield* live;
    yield* stored?.runner?.calls() ?? [];
  }

  async function free(): Promise<void> {
    forgetWhereabouts();
    alive?.cancel();
    knownSoon?.close();
    kin?.share.close();
    await fleet?.close();
    pressureTimer.cancel();
    canary.close();
    dispatch.close();
    overload.close();
    heldKeys.close();
    refused?.close();
    observer.close();
    readiness.close();
    offMark();
    scraper.close();
    discovery?.close();
    source.close();
    await listeners?.close();
    await probes?.close();
    await stored?.close();
    await directory.close();
    await usage.close();
    await records?.close();
    trials.close();
    await early.close();
    await traces?.close();
    loop.stop();
    log.flush();
  }

  return {
    url,
    log,
    firstReady: readiness.first,
    snapshot,
    defaultModel: () => directory.resolve(null)?.id ?? null,
    status: ownStatus,
    adminKeyFile,
    reload,
    figures,
    openUpstreamSockets: () => directory.workers().reduce((sum, worker) => sum + worker.transport.openSockets, 0),
    stopAccepting: () => listeners!.stopAccepting(),
    drain(settle) {
      liveStatus.close();
      feed.close();
      stored?.runner?.stop();
      const othersIdle = async () => void (await Promise.all([stored?.files.idle(), kin?.idle()]));
      const takeIn = () => listeners!.takeIn();
      const drained = lifecycle.drain({
        clock,
        events,
        inFlight,
        windows,
        live: { [Symbol.iterator]: underWay },
        settings: settings.shutdown,
        settle,
        takeIn,
        free,
        othersIdle,
      });
      probes?.tell();
      if (kin) tellAlive(kin);
      return drained;
    },
  };
}

/** Whether there is anybody of whom it is to be known what he used. */
function takesDown({ auth, limits }: Settings): boolean {
  return asksForKeys(auth) || budgetsInForce(limits.anonymous) !== null;
}
