import { readFileSync } from 'node:fs';
import { examineAnywhere } from '../../scripts/commands/check.ts';
import { loadSettings, type LoadedSettings } from '../../gateway/config/load.ts';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import type { BatchRecords, FileRecords } from '../../gateway/state/store/ports.ts';
import { startGateway, type Gateway } from '../../gateway/main.ts';
import { ADMIN_KEY } from './admin.ts';
import { collectedLog } from './collected-log.ts';

export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly gateway: Gateway;
  /** Every log line so far, parsed. */
  readonly log: Record<string, unknown>[];
  /** Changes what the next reload reads. */
  settings: SettingsInput;
  stop(): Promise<void>;
}

/**
 * A whole gateway in this process, on a free loopback port, in front of workers that run already. Timeouts and limits are the defaults
 * except where `settings` says otherwise; its admin key is ADMIN_KEY, and it drains without settling.
 */
export async function startTestGateway(
  workers: readonly string[],
  settings: SettingsInput = {},
  examine = (loaded: LoadedSettings) => examineAnywhere(loaded, '/'),
  historyDir?: string,
  fileRecords?: FileRecords,
  batchRecords?: BatchRecords,
): Promise<TestGateway> {
  const { log, lines } = collectedLog();
  const state = { settings };
  const load = (): LoadedSettings => {
    const all: SettingsInput = {
      workers: workers.map((url) => ({ url })),
      ...state.settings,
      admin: { key: ADMIN_KEY, ...state.settings.admin },
      server: { port: 0, ...state.settings.server },
      shutdown: { settle_ms: 0, grace_ms: 2_000, ...state.settings.shutdown },
    };
    return loadSettings({
      env: {},
      cwd: '/',
      readFile(path) {
        if (path.endsWith('headgate.yaml')) return Buffer.from(JSON.stringify(all));
        // Of what else is asked for, only a file of keys may be a real one.
        return path === all.auth?.keys_file ? readFileSync(path) : null;
      },
    });
  };
  const gateway = await startGateway({
    loaded: load(),
    load,
    examine,
    cwd: '/',
    log,
    ...(historyDir === undefined ? {} : { historyDir }),
    ...(fileRecords === undefined ? {} : { fileRecords }),
    ...(batchRecords === undefined ? {} : { batchRecords }),
  });
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopped ??= gateway.drain(false));
  return {
    url: gateway.url,
    port: Number(new URL(gateway.url).port),
    gateway,
    log: lines,
    get settings() {
      return state.settings;
    },
    set settings(next) {
      state.settings = next;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Waits until `condition` holds; the limit is generous, since it only ends a test that has failed. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, limitMs = 60_000): Promise<void> {
  const start = Date.now();
  while (!(await condition())) {
    const waited = Date.now() - start;
    if (waited > limitMs) throw new Error(`never came about: ${what}`);
    // What takes long is a process that starts, and needs the CPU more than whoever waits for it.
    await new Promise((resolve) => setTimeout(resolve, waited < 200 ? 5 : 25));
  }
}

/** Waits until each of its workers is ready: `firstReady` is for those that have one. */
export function allReady({ gateway }: TestGateway): Promise<void> {
  return until(() => gateway.status().workers.every(({ state }) => state === 'ready'), 'all workers ready');
}
