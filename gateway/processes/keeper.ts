import { adminKey } from '../config/admin-key.ts';
import type { LoadedSettings } from '../config/load.ts';
import type { Reading } from '../config/reload.ts';
import { supervisorIsOn } from '../config/schema/settings.ts';
import { repeat, sleep, stayAlive, systemClock, type Timer } from '../core/clock.ts';
import { keepHistory } from '../core/history/keep-history.ts';
import type { Log } from '../core/log/log.ts';
import type { AdminStatus } from '../http/pages/admin-answers.ts';
import { openProbeListener, type ProbeListener } from '../http/probes/probe-listener.ts';
import type { Told } from '../http/probes/told.ts';
import { commandSupervisor } from '../link/commands.ts';
import { controlPath } from '../link/control-path.ts';
import type { SupervisorSnapshot } from '../link/snapshot.ts';
import { tellDrain } from '../telemetry/events/process-lines.ts';
import { Crew } from './crew.ts';
import { DrainLines } from './drain-lines.ts';
import { Gathering } from './gathering.ts';
import { HeldPorts } from './held-sockets.ts';
import { Ledger } from './ledger/ledger.ts';
import { PlacesOfAll } from './places-of-all.ts';
import { probesOfAll } from './probes-of-all.ts';
import type { ServerProcess } from './server-process.ts';
import { SharedSettings } from './shared-settings.ts';
import { SharedFindings } from './shared-findings.ts';
import { noteOrWarn, tellListening } from './start-lines.ts';
import { Wishes } from './wishes.ts';
import type { Beginning, Outlook, ServerWord, SharedFinding } from './words.ts';

const LOOK_MS = 1_000;
/** Beyond the time that calls have to end: what a process may take for its last words and its own end. */
const LAST_WORDS_MS = 5_000;

interface KeeperOptions extends Reading {
  readonly loaded: LoadedSettings;
  /** Relative paths of the settings start here. */
  readonly cwd: string;
  readonly log: Log;
  readonly stateDir: string;
  /** Standard output is a terminal that can take a line back. */
  readonly live: boolean;
  /** Processes that are to serve. */
  readonly count: number;
  /** One of them was told to end, who means all. */
  readonly onStop: () => void;
  /** None serves any more, and none will. */
  readonly onHopeless: () => void;
}

/** Several processes that are one gateway, for whoever runs it: as gateway/main.ts has it of a single one. */
export interface Keeper {
  readonly url: string;
  readonly log: Log;
  readonly firstReady: Promise<void>;
  snapshot(): SupervisorSnapshot | null;
  defaultModel(): string | null;
  status(): AdminStatus | null;
  adminKeyFile(): string | null;
  reload(): void;
  drain(settle: boolean): Promise<void>;
  /** Ends all of them at once. */
  endAtOnce(): void;
}

/**
 * Starts `count` processes that listen on one port, and keeps them: what they share is handed out here, what they say is told once, and what
 * they are told is told to all. No call and no connection passes here. @throws when a port is taken, or none of them can serve
 */
export async function startKeeper(options: KeeperOptions): Promise<Keeper> {
  const clock = systemClock;
  const { cwd, stateDir, count, loaded } = options;
  const { log, history } = keepHistory(options.log, clock, stateDir, 'gateway', !supervisorIsOn(loaded.settings));
  const ledger = new Ledger();
  const gathering = new Gathering(clock);
  const control = controlPath(loaded.settings, cwd);
  const wishes = new Wishes(clock, (model, waiting) => {
    // What comes of it is seen in the next snapshot.
    void commandSupervisor(clock, control, `/v1/models/${encodeURIComponent(model)}/load?waiting=${waiting}`);
  });
  const findings = new SharedFindings(clock);
  let drained = new Set<string>();
  const told = new Map<number, Told>();
  const idle = new Set<number>();
  const ports: { api: number | null; admin: number | null } = { api: null, admin: null };
  const ready = Promise.withResolvers<void>();
  const listening = Promise.withResolvers<{ url: string; adminUrl: string | null }>();
  const held = new HeldPorts();
  let isServing = false;
  let seen: Pick<Beginning, 'everReady' | 'workers'> = { everReady: false, workers: null };
  let outlook: Outlook = { snapshot: null, defaultModel: null, status: null };
  let speaker: ServerProcess | null = null;
  let drains: DrainLines | null = null;
  let settling: Promise<void> | null = null;
  const places = new PlacesOfAll(clock, loaded.settings, ledger, (word) => speaker?.tell(word));

  const crew: Crew = new Crew({
    clock,
    log,
    count,
    beginning: (index) => ({
      loaded: settings.loaded,
      cwd,
      stateDir,
      live: options.live,
      ports: { ...ports },
      ...seen,
      drained: [...drained],
      findings: findings.of(index),
      gateway: places.gateway,
      places: places.got,
    }),
    sockets: (index) => held.of(index),
    dropSockets: (index) => held.drop(index),
    heard,
    started(process) {
      if (speaker === null) letSpeak(process);
    },
    gone,
    onHopeless(reason) {
      if (isServing) options.onHopeless();
      else listening.reject(new Error(`No process of the gateway could be started: ${reason}`));
    },
  });

  /** What all of them see is told by one. */
  function letSpeak(process: ServerProcess | null): void {
    speaker = process;
    process?.tell({ kind: 'speak' });
  }

  function gone(process: ServerProcess): void {
    ledger.gone(process.number);
    gathering.gone(process.number);
    told.delete(process.number);
    idle.delete(process.number);
    for (const [worker, finding] of findings.leftBy(process.number)) found(process.number, worker, finding);
    if (speaker === process) {
      letSpeak(inOrder()[0] ?? crew.all[0] ?? null);
    }
    drains?.gone(process.number);
    answerIdle();
    tellTerms();
  }

  function tellTerms(to?: ServerProcess, heard = 0): void {
    const terms = ledger.terms();
    for (const process of crew.all) {
      const own = terms.get(process.number);
      if (own) process.tell({ kind: 'terms', heard: process === to ? heard : 0, terms: own });
    }
  }

  function found(from: number, worker: string, finding: SharedFinding): void {
    findings.note(from, worker, finding);
    for (const process of crew.all) {
      if (process.number !== from) process.tell({ kind: 'finding', worker, finding: findings.asTold(finding, process.index) });
    }
  }

  function heard(process: ServerProcess, word: ServerWord): void {
    switch (word.kind) {
      case 'needs':
        ledger.heard(process.number, word.needs, word.times);
        return tellTerms(process, word.words);
      case 'listening':
        ports.api = Number(new URL(word.url).port);
        ports.admin = word.adminUrl === null ? null : Number(new URL(word.adminUrl).port);
        return listening.resolve(word);
      case 'failed':
        return listening.reject(Object.assign(new Error(word.message), { code: word.code, port: word.port }));
      case 'alive':
        told.set(process.number, word.probes);
        seen = { everReady: seen.everReady || word.everReady, workers: word.workers ?? seen.workers };
        if (word.workers !== null) drained = new Set(word.workers.drained);
        if (word.outlook !== null) outlook = { ...word.outlook, snapshot: word.outlook.snapshot ?? outlook.snapshot };
        process.isReady ||= word.isReady;
        if (crew.isReady) ready.resolve();
        if (drains !== null) probes?.tell();
        return;
      case 'history':
        return history.add(word.level, word.event, word.msg, word.fields);
      case 'drain':
        return drains?.heard(process.number, word.stage, word.inFlight, word.durationMs);
      case 'idle':
        idle.add(process.number);
        return answerIdle();
      case 'wish':
        return wishes.heard(process.number, word.model, word.waiting);
      case 'finding':
        return found(process.number, word.worker, word.finding);
      case 'well':
      case 'stored':
      case 'prompts':
        return crew.tell(word, process);
      case 'order':
        drained[word.order === 'drain' ? 'add' : 'delete'](word.worker);
        return crew.tell(word, process);
      case 'places':
        places.got = word.got;
        return crew.tell(word, process);
      case 'ask':
        return void answer(process, word);
      case 'part':
        return gathering.answered(process.number, word.id, word.part);
      case 'stop':
        return void (isServing && options.onStop());
    }
  }

  /** When none of them has calls any more, all may go. */
  function answerIdle(): void {
    if (drains !== null && crew.all.every(({ number, isListening }) => idle.has(number) || !isListening)) crew.tell({ kind: 'allIdle' });
  }

  async function answer(process: ServerProcess, { id, question, trial }: Extract<ServerWord, { kind: 'ask' }>): Promise<void> {
    const told =
      question === 'reload' ? await (trial ? settings.try(trial) : settings.reload()) : await gathering.parts(question, inOrder());
    process.tell({ kind: 'answer', id, answer: told });
  }

  /** Those that serve, the one that speaks for all first. */
  function inOrder(): ServerProcess[] {
    return crew.all.filter(({ isListening }) => isListening).toSorted((a, b) => Number(b === speaker) - Number(a === speaker));
  }

  const settings = new SharedSettings({
    ...options,
    ...{ clock, log },
    tell: (word) => crew.tell(word),
    // Who answers this has taken them over before.
    taken: () => gathering.parts('tail', inOrder()),
  });
  // Between the end of one process and the start of the next only timers may be left, and those of the clock keep no process alive.
  const alive = stayAlive();
  const timer: Timer = repeat(clock, LOOK_MS, () => crew.look());
  let probes: ProbeListener | null = null;
  let forgetWhereabouts = (): void => {};
  const key = adminKey(loaded.settings, cwd);
  const keyFile = key.kind === 'file' ? key.file : null;

  async function free(): Promise<void> {
    settings.close();
    held.close();
    alive.cancel();
    timer.cancel();
    places.close();
    forgetWhereabouts();
    await probes?.close();
    log.flush();
  }

  try {
    const { server, admin } = loaded.settings;
    const { host, probe_port: port } = server;
    if (port !== null) {
      const onDeath = (error: Error): void => log.error('probes.lost', `Nothing answers on server.probe_port any more: ${error.message}`);
      const tell = (): Told => probesOfAll(inOrder().flatMap((process) => told.get(process.number) ?? []));
      probes = await openProbeListener({ host, port, clock, tell, onDeath });
    }
    await held.open(server, admin.port === null ? null : { ...admin, port: admin.port });
    crew.start(0);
    // The first finds out whether the ports are free, and which they are.
    const { url, adminUrl } = await listening.promise;
    for (let index = 1; index < count; index++) crew.start(index);
    isServing = true;
    if (probes !== null) log.info('listening', `probes on ${probes.url}`);
    tellListening(log, url, adminUrl, keyFile, count);
    history.add('info', 'gateway.start', `The gateway serves on ${url}, with ${count} processes.`);
    forgetWhereabouts = noteOrWarn(log, clock, stateDir, url, adminUrl);
    return {
      url,
      log,
      firstReady: ready.promise,
      snapshot: () => outlook.snapshot,
      defaultModel: () => outlook.defaultModel,
      status: () => outlook.status as AdminStatus | null,
      adminKeyFile: () => keyFile,
      reload: () => void settings.reload(),
      drain: (settle) => (settling ??= drain(settle)),
      endAtOnce: () => crew.killAll(),
    };
  } catch (error) {
    crew.killAll();
    await crew.empty();
    await free();
    throw error;
  }

  async function drain(settle: boolean): Promise<void> {
    crew.end();
    const numbers = crew.all.map(({ number }) => number);
    drains = new DrainLines(numbers, (stage, inFlight, ms) => tellDrain(log, stage, inFlight, ms));
    crew.tell({ kind: 'drain', settle });
    const { settle_ms, grace_ms } = settings.loaded.settings.shutdown;
    await Promise.race([crew.empty(), sleep(clock, (settle ? settle_ms : 0) + grace_ms + LAST_WORDS_MS)]);
    crew.killAll();
    await crew.empty();
    await free();
  }
}
