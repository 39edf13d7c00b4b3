import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { createApp, type AppContext } from './app.ts';
import { controlPath } from './link/control-path.ts';
import { adminAccess, apiAccess } from './config/access.ts';
import { adminKey as findOrMakeAdminKey, type AdminKey } from './config/admin-key.ts';
import { explainJson } from './config/explain.ts';
import type { LoadedSettings } from './config/load.ts';
import { problemText, SettingsError, type SettingsProblem } from './config/schema/problems.ts';
import { whatItHas } from './link/contradictions.ts';
import { supervisionMark } from './link/settings-mark.ts';
import { diffSettings, doubtful, settingsAfterReload } from './config/reload.ts';
import { supervisorIsOn, type Settings } from './config/schema/settings.ts';
import { Bag } from './core/bag/bag.ts';
import { repeat, systemClock } from './core/clock.ts';
import { GatewayError } from './core/errors.ts';
import type { LiveFigures } from './core/events.ts';
import { fanOut } from './core/fan-out.ts';
import { keepHistory } from './core/history/keep-history.ts';
import { systemRandom } from './core/random.ts';
import type { SupervisorSnapshot } from './link/snapshot.ts';
import { noteWhereabouts } from './link/whereabouts.ts';
import type { ReloadAnswer } from './http/pages/admin.ts';
import type { AdminStatus } from './http/pages/admin-answers.ts';
import { adminStatus } from './http/pages/admin-status.ts';
import { LiveStatus } from './http/pages/live-status.ts';
import { Guesses } from './http/guesses.ts';
import { BodyMemory } from './http/body/read-body.ts';
import { Turns } from './http/body/turns.ts';
import { Crowd, crowdLimits } from './http/crowd.ts';
import { openFilesLimit } from './config/open-files.ts';
import { Overload } from './http/overload.ts';
import { openListeners, type Listeners } from './http/listeners.ts';
import { openProbeListener, type ProbeListener } from './http/probes/probe-listener.ts';
import { probesNow } from './http/pages/operations.ts';
import { Lifecycle } from './http/lifecycle.ts';
import { Refusals } from './http/refusals.ts';
import { relayedRoute } from './http/routes.ts';
import { Visitors } from './http/visitors.ts';
import { type ClientSide, serveCall, type ServeContext } from './http/serve-call.ts';
import { answerPreflight, isPreflight } from './http/cors.ts';
import { createHttpServer } from './http/server.ts';
import { pipeline } from './pipeline.ts';
import { InFlight } from './policies/account.ts';
import { Admission } from './policies/admission/admission.ts';
import { BatchWindows } from './policies/window/batch-window.ts';
import { Dispatch } from './policies/dispatch/dispatch.ts';
import { PressureWatch } from './policies/capacity/pressure-watch.ts';
import { watchEventLoop } from './telemetry/metrics/event-loop.ts';
import { createEvents } from './telemetry/events/events.ts';
import { lostEvent } from './telemetry/events/lost-event.ts';
import { unaskedAnswer } from './telemetry/events/unasked-answer.ts';
import { linkLog } from './telemetry/events/link-log.ts';
import { crowdLog, fewFiles, shortageLog } from './telemetry/events/shortage-log.ts';
import { overloadLog } from './telemetry/events/overload-log.ts';
import { lastFailures } from './telemetry/events/last-failures.ts';
import { refusalSums } from './telemetry/events/refusal-sums.ts';
import { createLog, type Log } from './core/log/log.ts';
import { failureFields } from './telemetry/events/request-line.ts';
import { createMetrics } from './telemetry/metrics/metrics.ts';
import { VERSION } from './core/version.ts';
import { createDirectory } from './workers/directory.ts';
import { startListedSource } from './workers/listed-source.ts';
import { startScraper } from './workers/scraper.ts';
import { startSupervisedSource } from './workers/supervised-source.ts';
import type { WorkerListing } from './workers/worker-listing.ts';
import { createTransport } from './workers/wire/transport.ts';
import { watchReadiness } from './workers/readiness.ts';
import { watchSettingsMismatch } from './workers/settings-mismatch.ts';

/** To each worker, beside those for calls. */
const ASKING_SOCKETS = 2;
/** Fewer than most systems grant, and than a busy day can take. */
const FEW_FILES = 4_096;

interface GatewayOptions {
  readonly loaded: LoadedSettings;
  /** Reads the settings anew. @throws SettingsError */
  readonly load: () => LoadedSettings;
  /** What is wrong with settings that were read anew, beyond what reading them shows: what they name is not there. */
  readonly examine?: (loaded: LoadedSettings) => readonly SettingsProblem[];
  /** Relative paths of the settings start here. */
  readonly cwd: string;
  /** How many files the process may have open. Default: as the system says. */
  readonly openFiles?: number;
  /** Default: made from the settings, on standard output. */
  readonly log?: Log;
  /** The folder where what happens is taken down for later. Default: nowhere. */
  readonly historyDir?: string;
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
}

/** Puts the gateway together from its settings and listens. The only file that sees every part. @throws when a port is taken */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const clock = systemClock;
  const random = systemRandom;
  let loaded = options.loaded;
  let settings = loaded.settings;
  const startedAt = clock.now();

  const plainLog = options.log ?? createLog({ level: settings.log.level, format: settings.log.format, clock });
  const kept =
    options.historyDir === undefined ? null : keepHistory(plainLog, clock, options.historyDir, 'gateway', !supervisorIsOn(settings));
  const log = kept?.log ?? plainLog;
  const loop = watchEventLoop(clock);
  const metrics = createMetrics({ clock, loop, version: VERSION, nodeVersion: process.versions.node });
  const books = createEvents({ metrics, log, clock, workersLogElsewhere: supervisorIsOn(settings) });
  const refused = kept ? refusalSums(kept.history, clock) : null;
  const failures = lastFailures(options.historyDir ?? null);
  const events = fanOut([books, failures, ...(refused ? [refused] : [])], lostEvent(log));
  const onUnexpected = (error: unknown, requestId: string): void => {
    // Its place, not its text: that may quote what a client sent.
    const fields = failureFields(new GatewayError('internal', 'unexpected', { cause: error }));
    log.error('internal.error', 'a request failed through a fault of the gateway', { request_id: requestId, ...fields });
  };

  let adminKey = takeAdminKey();
  function takeAdminKey(): AdminKey {
    const key = findOrMakeAdminKey(settings, options.cwd);
    if (key.kind === 'none') log.warn('admin.key', `${key.problem} Until then /admin and /debug are closed, and the rest serves.`);
    if (key.kind === 'file' && key.warning !== null) log.warn('admin.key', key.warning);
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
    createTransport: ({ id, url, apiKey }) =>
      createTransport({
        url,
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
        onLinkChange: linkLog(log),
      })
    : null;
  const onKept = (id: string): void =>
    log.info('worker.kept', `${id} is not listed any more, and serves on until a worker in its place is ready.`, { worker: id });
  const listed = supervised ? null : startListedSource({ clock, directory, workers: listings(settings), onKept });
  const scraper = startScraper({
    clock,
    directory,
    source: supervised ?? listed!,
    intervalMs: () => settings.pressure.scrape_interval_ms,
    asksTokens: listed !== null,
  });
  const snapshot = (): SupervisorSnapshot | null => supervised?.snapshot() ?? null;

  // === the policies ===
  const inFlight = new InFlight();
  const pressureWatch = new PressureWatch(events);
  const admission = new Admission({
    clock,
    events,
    directory,
    admission: () => settings.admission,
    pressure: () => settings.pressure,
    timeouts: () => settings.timeouts,
    ...(supervised ? { wish: (model: string, waiting: number) => supervised.wish(model, waiting) } : {}),
  });
  const windows = new BatchWindows(clock, events, () => settings.batch_window);
  const newId = (): string => randomUUID().replaceAll('-', '');
  const dispatch = new Dispatch({
    clock,
    random,
    events,
    directory,
    breaker: () => settings.circuit_breaker,
    balancer: () => settings.load_balancer,
    pressure: () => settings.pressure,
    retry: () => settings.retry,
    relay: () => relaySettings,
    onStopping: ({ id }) => (supervised ?? listed!).observe(id, 'stopping'),
    newRequestId: newId,
  });
  let relaySettings = { ...settings.timeouts, ...settings.stream };
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
  };
  metrics.attach({ directory, figures, supervisor: snapshot });

  const readiness = watchReadiness(directory);
  const offMark = watchSettingsMismatch(
    directory,
    snapshot,
    () => supervisionMark(settings),
    (running) => {
      const kept = 'its workers keep those until it is stopped and started again';
      const other = `other settings under supervisor or models${whatItHas(settings, running)}`;
      log.warn('supervisor.found', `The supervisor that runs here was started with ${other}; ${kept}.`);
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
  function reload(): ReloadAnswer {
    let next: LoadedSettings;
    try {
      next = options.load();
      const problems = options.examine?.(next) ?? [];
      if (problems.length > 0) return notReloaded(problems.map(problemText));
    } catch (error) {
      if (error instanceof SettingsError) return notReloaded(error.problems.map(problemText));
      // Nothing that is wrong with a file is worth the streams that run.
      return notReloaded([`The settings could not be examined: ${error instanceof Error ? error.message : String(error)}`]);
    }
    const doubt = doubtful(loaded, next);
    if (doubt !== null) return notReloaded([doubt]);
    const { changed, needsRestart } = diffSettings(settings, next.settings);
    settings = settingsAfterReload(settings, next.settings);
    loaded = { ...next, settings };
    relaySettings = { ...settings.timeouts, ...settings.stream };
    log.level = settings.log.level;
    adminKey = takeAdminKey();
    access = { api: apiAccess(settings), admin: adminAccess(settings) };
    directory.setModels(settings.models);
    listed?.update(listings(settings));
    dispatch.configure();
    if (changed.some((path) => path.startsWith('batch_window'))) windows.reset();
    handler = pipeline(parts);
    for (const server of listeners?.servers ?? []) server.requestTimeout = requestTimeoutMs();
    admission.poke();
    events.configReloaded({ ok: true, changed, needsRestart, error: null });
    return { ok: true, changed, needsRestart, problems: [] };
  }

  function notReloaded(problems: readonly string[]): ReloadAnswer {
    events.configReloaded({ ok: false, changed: [], needsRestart: [], error: problems.join('; ') });
    return { ok: false, changed: [], needsRestart: [], problems };
  }

  // === the listeners ===
  let listeners: Listeners | null = null;
  const live = new Bag<ClientSide>();
  const bodies = new BodyMemory(() => settings.server.max_body_bytes);
  const toWorkers = (): number =>
    directory.workers().reduce((sum, { view }) => sum + Math.ceil(view.maxNumSeqs * (1 + settings.admission.headroom)) + ASKING_SOCKETS, 0);
  const crowd = new Crowd(() => crowdLimits(openFiles, toWorkers()), crowdLog(log, clock, openFiles));
  const overload = new Overload(clock, overloadLog(log));
  const lifecycle = new Lifecycle();
  const liveStatus = new LiveStatus({
    clock,
    directory,
    read: () => adminStatus(snapshot(), supervised !== null, supervised?.link() ?? null, directory, clock, VERSION, failures.of),
  });
  const refusals = new Refusals({ random, events, onUnexpected });
  const serve: ServeContext = {
    clock,
    directory,
    maxBodyBytes: () => settings.server.max_body_bytes,
    trustTrace: () => settings.telemetry.trust_incoming,
    handler: () => handler,
    lifecycle: () => lifecycle.stage,
    newId,
    live,
    bodies,
    turns: new Turns(),
    answerPlace: (answer) => dispatch.answerPlace(answer),
    crowd,
    overload,
    refusals,
    onUnexpected,
  };
  const context: Omit<AppContext, 'surface'> = {
    directory,
    lifecycle: () => lifecycle.stage,
    newId,
    refusals,
    guesses: new Guesses(clock),
    operations: {
      version: VERSION,
      clock,
      metrics,
      figures,
      directory,
      draining: () => lifecycle.stage !== 'serving',
      everReady: readiness.everReady,
      snapshot,
      engineVersions: () => listed?.versions() ?? new Map(),
    },
    admin: {
      version: VERSION,
      clock,
      startedAt,
      key: () => (adminKey.kind === 'none' ? null : adminKey.key),
      metrics,
      log,
      figures,
      directory,
      snapshot,
      status: liveStatus,
      explain: () => explainJson(loaded),
      reload,
      command(id, verb, reset) {
        if (supervised) return verb === 'restart' ? supervised.restart(id, reset) : supervised[verb](id);
        if (verb !== 'restart') return listed![verb](id);
        return { kind: 'conflict', message: `${id} was not launched by Headgate and cannot be told to restart.` };
      },
      modelCommand: supervised ? (id, verb) => supervised[verb](id) : null,
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

  let forgetWhereabouts = (): void => {};
  let probes: ProbeListener | null = null;
  try {
    const { host, port } = settings.admin;
    const { host: probeHost, probe_port: probePort } = settings.server;
    if (probePort !== null) {
      const onDeath = (error: Error): void => log.error('probes.lost', `Nothing answers on server.probe_port any more: ${error.message}`);
      const tell = () => probesNow(context.operations);
      probes = await openProbeListener({ host: probeHost, port: probePort, clock, tell, onDeath });
    }
    listeners = await openListeners(settings.server, port === null ? null : { host, port }, listener);
  } catch (error) {
    await free();
    throw error;
  }
  const { url, adminUrl } = listeners;
  if (probes !== null) log.info('listening', `probes on ${probes.url}`);
  if (adminUrl !== null) log.info('listening', `admin on ${adminUrl}`);
  log.info('listening', `gateway on ${url}`);
  kept?.history.add('info', 'gateway.start', `The gateway serves on ${url}.`);
  forgetWhereabouts = options.historyDir === undefined ? forgetWhereabouts : note(options.historyDir, url, adminUrl ?? url);
  const keyFile = adminKeyFile();
  if (keyFile !== null) log.info('listening', `the key of /admin and /debug is in ${keyFile}`);
  if (openFiles !== null && openFiles < FEW_FILES) log.warn('files.few', fewFiles(openFiles, crowdLimits(openFiles, toWorkers()).most));

  /** For the commands of the terminal. */
  function note(stateDir: string, apiUrl: string, adminAt: string): () => void {
    const started = new Date(clock.wall()).toISOString();
    try {
      return noteWhereabouts(stateDir, { pid: process.pid, url: apiUrl, adminUrl: adminAt, startedAt: started });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn('whereabouts', `Commands in this folder have to be told --port, because its address could not be written down: ${reason}`);
      return () => {};
    }
  }

  async function free(): Promise<void> {
    forgetWhereabouts();
    pressureTimer.cancel();
    overload.close();
    refused?.close();
    readiness.close();
    offMark();
    scraper.close();
    (supervised ?? listed)?.close();
    await listeners?.close();
    await probes?.close();
    await directory.close();
    loop.stop();
    log.flush();
  }

  return {
    url,
    log,
    firstReady: readiness.first,
    snapshot,
    defaultModel: () => directory.resolve(null)?.id ?? null,
    status: () => liveStatus.read(),
    adminKeyFile,
    reload,
    figures,
    openUpstreamSockets: () => directory.workers().reduce((sum, worker) => sum + worker.transport.openSockets, 0),
    drain(settle) {
      liveStatus.close();
      const drained = lifecycle.drain({ clock, events, inFlight, windows, live, settings: settings.shutdown, settle, free });
      probes?.tell();
      return drained;
    },
  };
}

function listings({ workers }: Settings): WorkerListing[] {
  return workers.map(({ url, api_key, models, max_num_seqs }) => ({ url, apiKey: api_key, models, maxNumSeqs: max_num_seqs }));
}
