import { join } from 'node:path';
import { askState } from '../../../gateway/link/ask-state.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import { ask, type Asked } from '../calls/ask.ts';
import { OddClients } from '../calls/odd-clients.ts';
import { Traffic } from '../calls/traffic.ts';
import { FaultProxy } from '../faults/fault-proxy.ts';
import { FaultyWorker } from '../faults/faulty-worker.ts';
import { WorkerProcess } from '../faults/worker-process.ts';
import { type GatewayOptions, GatewayProcess } from '../gateway/gateway-process.ts';
import { requestsAt } from '../gateway/look.ts';
import type { CallSeen } from '../law/call-seen.ts';
import { GatewayLog } from './gateway-log.ts';
import { LIMIT_MS, settingsWith, workersAt } from './settings.ts';

/** What stands on a stage before the fault. */
export interface Setting {
  /** Laid over the settings of all rows. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The first worker is a process of its own. */
  readonly isProcess?: boolean;
  /** Between two words of a worker, in milliseconds. */
  readonly gapMs?: number;
  /** So many characters beside each word of a stream. */
  readonly padding?: number;
  /** Workers that the gateway may count on for so many calls each. */
  readonly maxSeqs?: number;
  readonly gateway?: Partial<Pick<GatewayOptions, 'openFiles' | 'env' | 'folder'>>;
  /** Under `headgate serve` with so many simulated engines instead of the two workers. */
  readonly engines?: number;
  readonly everyMs?: number;
  /** What calls name as their model; absent: they name none. */
  readonly model?: string;
}

/**
 * A gateway in front of two workers, the first behind a line that can fail, with calls that keep coming. A stage lasts for one row, or for
 * some schedules of random faults.
 */
export class Stage implements AsyncDisposable {
  readonly setting: Setting;
  readonly a: FaultyWorker;
  readonly b: FaultyWorker;
  readonly program: WorkerProcess | null;
  readonly line: FaultProxy;
  readonly odd = new OddClients();
  /** Numbers from 0 on below 1. */
  readonly chance = (): number => this.#chance();
  readonly calls: CallSeen[] = [];
  /** What the gateway's log tells. */
  readonly log = new GatewayLog();
  /** What a row does to a process, where no worker and no line counts it. */
  struck = 0;
  /** What a row has seen while it struck, for its own check. */
  readonly noted: Noted = { enginePid: 0, statuses: [], momentsMs: [], exitCode: null, uploadError: null, said: [] };
  gateway!: GatewayProcess;
  traffic!: Traffic;
  isOver = false;
  readonly #traffics: Traffic[] = [];
  #chance: () => number;

  private constructor(setting: Setting, chance: () => number) {
    this.setting = setting;
    this.#chance = chance;
    const { gapMs = 4, padding = 0 } = setting;
    this.a = new FaultyWorker({ gapMs, padding }, this.chance);
    this.b = new FaultyWorker({ gapMs, padding }, this.chance);
    this.program = setting.isProcess === true ? new WorkerProcess() : null;
    this.line = new FaultProxy(this.program ?? this.a);
  }

  static async open(setting: Setting, chance: () => number): Promise<Stage> {
    const stage = new Stage(setting, chance);
    try {
      await Promise.all([stage.a.listen(), stage.b.listen(), stage.program?.start()]);
      await stage.line.listen();
      const { engines, gateway = {} } = setting;
      stage.gateway = await GatewayProcess.start({
        settings: stage.settings(),
        command: engines === undefined ? 'gateway' : 'serve',
        ...gateway,
      });
      stage.gateway.onLine = (line) => stage.log.hear(line);
      return stage;
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  get workers(): readonly FaultyWorker[] {
    return [this.a, this.b];
  }

  /** Settings of its gateway, with others laid over. */
  settings(over: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    const { engines, maxSeqs } = this.setting;
    const workers = engines === undefined ? { workers: workersAt([this.line.url, this.b.url], maxSeqs) } : {};
    return { ...settingsWith({ ...workers, ...this.setting.settings, ...over }) };
  }

  /** Begins to send calls. */
  begin(name: string, options: Partial<ConstructorParameters<typeof Traffic>[0]> = {}): Traffic {
    const { everyMs = 30, model } = this.setting;
    const change = (asked: Asked): Asked => (model === undefined ? asked : { ...asked, extra: { model } });
    const base = (): string => this.gateway.url;
    const onEnd = (call: CallSeen): void => this.#seen(call);
    (this.traffic as Traffic | undefined)?.stop();
    this.traffic = new Traffic({ base, name, everyMs, limitMs: LIMIT_MS * 2, chance: this.chance, onEnd, change, ...options });
    this.#traffics.push(this.traffic);
    return this.traffic;
  }

  /** No call is sent any more. Resolves when all have ended. */
  async endTraffic(): Promise<void> {
    await Promise.all(this.#traffics.map((traffic) => traffic.end()));
  }

  /** Calls that were to be sent, and were not. */
  get dropped(): number {
    return this.#traffics.reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** What is left to chance from now on. */
  reseed(chance: () => number): void {
    this.#chance = chance;
  }

  /** Requests that workers still have, wherever they run. NaN: one of them does not say. */
  async openAtWorkers(): Promise<number> {
    const elsewhere = [...(this.program === null ? [] : [this.program.url]), ...(await this.engines())];
    const told = await Promise.all(elsewhere.map((url) => requestsAt(url)));
    return told.reduce((sum, count) => sum + count, this.a.openRequests + this.b.openRequests);
  }

  /** Addresses of its simulated engines. */
  async engines(): Promise<readonly string[]> {
    if (this.setting.engines === undefined) return [];
    const state = await stateOf(this.gateway);
    return state?.workers.flatMap(({ url }) => url ?? []) ?? [];
  }

  /** One call beside the others, which counts as they do. */
  async askAlone(id: string, options: Partial<Parameters<typeof ask>[1]> = {}): Promise<CallSeen> {
    const call = await ask(this.gateway.url, { mark: { id, words: 6 }, stream: false, limitMs: LIMIT_MS * 2, ...options });
    this.#seen(call);
    return call;
  }

  /** Has the gateway read these settings. @returns the status of its answer; 0: none */
  async reload(settings: Readonly<Record<string, unknown>> | string): Promise<number> {
    this.gateway.configure(settings);
    const answer = await this.gateway.admin('/admin/reload', 'POST', 10_000);
    await answer?.arrayBuffer();
    return answer?.status ?? 0;
  }

  get strikes(): number {
    return this.a.strikes.length + this.b.strikes.length + this.line.strikes.length + this.odd.opened + this.struck;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    (this.traffic as Traffic | undefined)?.stop();
    this.odd.end();
    await this.gateway?.[Symbol.asyncDispose]();
    this.line.heal();
    const closing = [this.line.close(), this.a.die(), this.b.die(), this.program?.stop() ?? Promise.resolve()];
    await Promise.allSettled(closing);
  }

  #seen(call: CallSeen): void {
    this.calls.push(call);
    if (call.ending !== 'ok' && call.ending !== 'left') this.log.told();
  }
}

interface Noted {
  enginePid: number;
  statuses: number[];
  /** When something was killed. */
  momentsMs: number[];
  exitCode: number | string | null;
  uploadError: string | null;
  /** What does not hold, in words. */
  said: string[];
}

/** What the supervisor of a gateway says; null: none answers. */
export function stateOf({ folder }: GatewayProcess): Promise<SupervisorSnapshot | null> {
  return askState(join(folder, '.headgate', 'control.sock'));
}
