import { EventEmitter } from 'node:events';
import { request } from 'node:http';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { controlPath, controlTarget } from '../../../gateway/link/control-path.ts';
import type { Settings, SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import type { WorkerView } from '../../../gateway/core/worker.ts';
import type { CardReader } from '../../../supervisor/gpu/gpu.ts';
import { instancePrefix } from '../../../supervisor/system/instance-id.ts';
import type { SupervisionPolicy } from '../../../supervisor/system/policy.ts';
import { find } from '../../../supervisor/system/processes.ts';
import { runSupervisor } from '../../../supervisor/main.ts';
import { collectedLog } from '../../support/collected-log.ts';
import { COMPILE_CACHE } from '../../support/compile-cache.ts';
import { scratchFolder } from './scratch.ts';
import { freePort } from '../../support/ports.ts';

export const FAKE_ENGINE = fileURLToPath(new URL('./fake-engine.ts', import.meta.url));

/** Settings of a supervisor that launches the fake engine, with ports of its own. */
export async function fakeEngineSettings(mode: string, more: SettingsInput = {}): Promise<SettingsInput> {
  const port = await freePort(21);
  return {
    ...more,
    supervisor: {
      engine: 'vllm',
      profile: 'none',
      vllm_command: [process.execPath, FAKE_ENGINE, mode, 'serve'],
      port_range: [port, port + 20],
      ...more.supervisor,
    },
  };
}

/** Waits shortened; everything else as in production. */
export const QUICK: Partial<SupervisionPolicy> = {
  firstLooks: { times: 3, pauseMs: 20 },
  probeIntervalMs: 50,
  settleMs: 50,
  stopGraceMs: 1500,
  abandonGraceMs: 1500,
  groupGraceMs: 500,
  sweepGraceMs: 300,
  backoffMs: [50, 100],
  healthIntervalMs: 200,
  halfOpenMs: 3_600_000,
};

export interface RunningSupervisor {
  readonly folder: string;
  readonly settings: Settings;
  readonly exitCode: Promise<number>;
  /** Lines of its log. */
  readonly log: readonly Record<string, unknown>[];
  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGUSR2' | 'SIGHUP'): void;
  state(): Promise<SupervisorSnapshot>;
  /** Waits until the first worker is as wanted. */
  worker(wanted: (view: WorkerView) => boolean): Promise<WorkerView>;
  post(path: string): Promise<number>;
  /** Live processes that carry the mark of this supervisor's workers. */
  processes(): number[];
}

/** Runs a supervisor in this process, in a folder of its own; stopped after the test. Without a probe its machine has no GPU. */
export async function superviseHere(
  input: SettingsInput,
  env: Readonly<Record<string, string>> = {},
  folder: string = scratchFolder(),
  policy: Partial<SupervisionPolicy> = {},
  cards: CardReader = { read: async () => [] },
): Promise<RunningSupervisor> {
  const settings = settingsSchema.parse(input);
  const { log, lines } = collectedLog();
  const signals = new EventEmitter();
  const exitCode = runSupervisor(settings, {
    cwd: folder,
    env: { ...COMPILE_CACHE, PATH: process.env['PATH'], ...env },
    log,
    cards,
    policy: { ...QUICK, ...policy },
    signals,
  });
  let ended = false;
  void exitCode.then(() => (ended = true));
  onTestFinished(async () => {
    if (!ended) signals.emit('SIGTERM', 'SIGTERM');
    await exitCode;
  });
  const running = {
    folder,
    settings,
    exitCode,
    log: lines,
    signal: (name: string) => void signals.emit(name, name),
    ...watching(settings, folder),
  };
  // Until it can be asked, or has given up.
  for (;;) {
    if (await running.state().catch(() => null)) return running;
    if (await Promise.race([exitCode, new Promise<null>((done) => setTimeout(done, 20, null))])) return running;
  }
}

/** What can be asked of the supervisor of a folder, whoever runs it. */
export function watching(settings: Settings, folder: string) {
  const path = controlPath(settings, folder);
  const prefix = instancePrefix(resolve(folder, settings.supervisor.state_dir));
  async function state(): Promise<SupervisorSnapshot> {
    return JSON.parse((await ask(path, 'GET', '/v1/state')).body);
  }
  return {
    state,
    async worker(wanted: (view: WorkerView) => boolean): Promise<WorkerView> {
      for (;;) {
        const view = (await state()).workers[0];
        if (view && wanted(view)) return view;
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    post: async (url: string) => (await ask(path, 'POST', url)).status,
    processes: () => find({ group: null, isMarked: (id) => id.startsWith(prefix) }).map(({ pid }) => pid),
  };
}

function ask(path: string, method: string, url: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...controlTarget(path), method, path: url, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
