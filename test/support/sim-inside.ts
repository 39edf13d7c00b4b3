import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Card } from '../../supervisor/sim/card/card.ts';
import type { MemoryPlan } from '../../supervisor/sim/card/memory.ts';
import { strikeFromStart } from '../../supervisor/sim/engine/server-faults.ts';
import { createFrontEnd } from '../../supervisor/sim/http/server.ts';
import type { StartPhase } from '../../supervisor/sim/settings/knobs.ts';
import { Log } from '../../supervisor/sim/settings/log.ts';
import { readSettings, type SimSettings } from '../../supervisor/sim/settings/settings.ts';
import { buildSim } from '../../supervisor/sim/start/build-sim.ts';
import { findMachine } from '../../supervisor/sim/start/machine.ts';
import { printStartFailure, StartFailure } from '../../supervisor/sim/start/start-failure.ts';
import { announce, startEngine } from '../../supervisor/sim/start/startup.ts';
import { DEFAULTS, type ServedSim, type SimOptions, strike } from './sim.ts';

interface Printed {
  /** What it has printed so far, both streams together. */
  output(): string;
  stdout(): string;
  stderr(): string;
}

/** A start in the test's own process, which takes no time. */
export interface StartInside extends Printed {
  /** null where it went well: the server would go on to serve, and still holds its memory. */
  readonly exitCode: number | null;
}

/** The point that a start has come to, and what it had printed by then. */
type OnPhase = (phase: StartPhase, printed: Printed) => void | Promise<void>;

interface Started extends StartInside {
  readonly settings: SimSettings;
  readonly log: Log;
  readonly plan: MemoryPlan | null;
  readonly card: Card | null;
}

/** Goes through a start of the simulated vLLM without a process of its own. `onPhase` is called where the start would take its time. */
export function startInside(options: SimOptions, onPhase: OnPhase = () => undefined): Promise<StartInside> {
  return start(options, onPhase);
}

/**
 * Serves as the simulated vLLM does, from the test's own process: all that its settings, its engine and its endpoints do, without the
 * time that a process takes to begin. Signals, exit codes and the engine core's process are not there. @throws Error when the start fails
 */
export async function serveInside(options: SimOptions = {}): Promise<ServedSim> {
  const { settings, log, plan, card, ...printed } = await start(options, () => undefined);
  if (plan === null || card === null) throw new Error(`the simulated engine ended before it was ready:\n${printed.output()}`);
  const timers = new Set<NodeJS.Timeout>();
  const { sim, target } = buildSim(plan, {
    settings,
    log,
    card,
    killEngineProcess: () => setImmediate(() => sim.engine.die()),
    ignoreSigterm: () => undefined,
    accept: () => undefined,
    later: (ms, fn) => void timers.add(setTimeout(fn, ms)),
    onDeathRaised: () => undefined,
  });
  strikeFromStart(target);
  const server = createFrontEnd(sim);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  async function stop(): Promise<void> {
    for (const timer of timers) clearTimeout(timer);
    sim.engine.die();
    await card?.hold(0);
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
  return { ...printed, url, port, stop, fault: (body) => strike(url, body), [Symbol.asyncDispose]: stop };
}

async function start(options: SimOptions, onPhase: OnPhase): Promise<Started> {
  const env = { ...DEFAULTS, ...options.env };
  const machine = await findMachine(env);
  const settings = readSettings([options.model ?? 'sim-1B', ...(options.args ?? [])], env, machine.gpu);
  const { log, ...printed } = recordingLog();
  let card: Card | null = null;
  announce(settings, log);
  try {
    const plan = await startEngine({
      settings,
      log,
      cardCount: machine.cardCount,
      spawnEngine: async () => (card = machine.open(process.pid, settings.memory.gpuCount, settings.vramReleaseMs)),
      killEngine: () => undefined,
      pause: async (_share, phase) => onPhase(phase, printed),
    });
    return { ...printed, settings, log, plan, card, exitCode: null };
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    printStartFailure(log, error);
    await (card as Card | null)?.hold(0);
    return { ...printed, settings, log, plan: null, card, exitCode: error.exitCode };
  }
}

function recordingLog(): Printed & { readonly log: Log } {
  let all = '';
  let out = '';
  let err = '';
  const log = new Log({
    stdout(text) {
      out += text;
      all += text;
    },
    stderr(text) {
      err += text;
      all += text;
    },
  });
  return { log, output: () => all, stdout: () => out, stderr: () => err };
}
