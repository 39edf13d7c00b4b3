import type { Engine } from './engine.ts';
import { isRequestFault, isServerFault, isStartFault } from '../settings/faults.ts';
import type { FaultKind, RequestFaults, ServerFaultKind } from '../settings/faults.ts';
import type { Log } from '../settings/log.ts';
import type { SimSettings } from '../settings/settings.ts';
import type { Card } from '../card/card.ts';
import { cudaOutOfMemory } from '../card/memory-failure.ts';

const SLOWDOWN = 10;
/** How long a crash-looping server stays up, at full speed. */
const CRASH_LOOP_MS = 1000;

/** What a fault can do to the server that it strikes. */
export interface FaultTarget {
  readonly settings: SimSettings;
  readonly engine: Engine;
  readonly requestFaults: RequestFaults;
  readonly log: Log;
  readonly card: Card;
  killEngineProcess(): void;
  ignoreSigterm(ignore: boolean): void;
  /** Accepts connections, or refuses them. */
  accept(accepting: boolean): void;
  later(ms: number, fn: () => void): void;
}

/** Lets a fault strike a server that is up. @returns in words what was done; null for a fault that only a start can have */
export function strike(target: FaultTarget, fault: FaultKind | 'none', count: number, afterTokens: number | null): string | null {
  if (fault === 'none') return heal(target);
  if (isServerFault(fault)) return strikeServer(target, fault, afterTokens ?? 0);
  if (!isRequestFault(fault)) return null;
  target.requestFaults.arm(fault, count, afterTokens);
  return `the next ${count} request(s)`;
}

/** Lets the fault of SIM_FAULT strike once the server is ready. Such a fault lasts. */
export function strikeFromStart(target: FaultTarget): void {
  const { fault, speed, faultAfterTokens, runtimeOomAboveUtil, memory } = target.settings;
  if (fault === 'oom-runtime' || runtimeOomAboveUtil !== null) {
    if (memory.gpuMemoryUtilization > (runtimeOomAboveUtil ?? 0)) strikeServer(target, 'oom-runtime', faultAfterTokens);
  }
  if (fault === null || fault === 'oom-runtime' || isStartFault(fault)) return;
  if (isRequestFault(fault)) target.requestFaults.arm(fault, Infinity, null);
  else if (fault === 'crash-loop') target.later(CRASH_LOOP_MS * speed, () => target.killEngineProcess());
  else strikeServer(target, fault, faultAfterTokens);
}

/** Ends every fault that lasts. @returns in words what was done */
export function heal(target: FaultTarget): string {
  target.requestFaults.clear();
  target.engine.slowdown = 1;
  target.engine.gauges.stale = false;
  target.engine.hung = false;
  target.ignoreSigterm(false);
  target.accept(true);
  return 'all is well again';
}

function strikeServer(target: FaultTarget, fault: ServerFaultKind, afterTokens: number): string {
  const { engine } = target;
  const when = afterTokens === 0 ? 'now' : `after ${afterTokens} more token(s)`;
  switch (fault) {
    case 'engine-death':
    case 'crash-loop':
      engine.afterTokens(afterTokens, () => dieOf(target, target.settings.deathError));
      return `the engine core is killed ${when}`;
    case 'oom-runtime':
      engine.afterTokens(afterTokens, () => runOutOfMemory(target, 0.5));
      return `the engine core runs out of GPU memory ${when}`;
    case 'host-oom':
      engine.afterTokens(afterTokens, () => {
        target.killEngineProcess();
        process.kill(process.pid, 'SIGKILL');
      });
      return `every process of the server is killed ${when}`;
    case 'hang':
      engine.afterTokens(afterTokens, () => {
        engine.hung = true;
      });
      return `tokens stop ${when}`;
    case 'slow':
      engine.slowdown = SLOWDOWN;
      return `steps take ${SLOWDOWN} times as long`;
    case 'stale-gauges':
      engine.gauges.stale = true;
      return 'the gauges keep what has been aborted';
    case 'refuse':
      target.accept(false);
      return 'no connection is accepted';
    case 'ignore-sigterm':
      target.ignoreSigterm(true);
      return 'SIGTERM is ignored';
  }
}

/** The engine core asks for `gib` of memory that is not there, and dies of that. */
export function runOutOfMemory(target: Pick<FaultTarget, 'card' | 'log' | 'killEngineProcess'>, gib: number): void {
  const card = target.card.look();
  dieOf(target, cudaOutOfMemory(gib, { ...card, freeGib: Math.min(card.freeGib, gib / 2) }));
}

/** The engine core dies with these last words; null: killed from outside, without any. */
function dieOf(target: Pick<FaultTarget, 'log' | 'killEngineProcess'>, words: string | null): void {
  if (words !== null) {
    target.log.error('EngineCore', 'core.py:1109', 'EngineCore encountered a fatal error.');
    target.log.error('EngineCore', 'core.py:1109', `Traceback (most recent call last):\n${words}`);
  }
  target.killEngineProcess();
}
