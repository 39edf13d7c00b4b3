import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { findAdminKey } from '../../../gateway/config/admin-key.ts';
import { VERSION } from '../../../gateway/core/version.ts';
import type { Place } from '../../load/place.ts';
import type { GatePlace } from '../../release-gate/gate.ts';
import { readCommandLine } from '../line/command-line.ts';
import { findGateway } from './find-gateway.ts';

/** What programs that measure need to know of where they are run. */
export function placeHere(): Place {
  return { version: VERSION, cwd: process.cwd(), env: process.env, findGateway: runningGateway, machine };
}

/** The same, and what it takes to tell the gateway here something. */
export function gatePlaceHere(): GatePlace {
  return { ...placeHere(), adminKey };
}

function adminKey(where: readonly string[]): string | null {
  const line = readCommandLine('release-gate', where, { tolerant: 'silently' });
  if (line.kind === 'ended') return null;
  const found = findAdminKey(line.loaded.settings, line.cwd);
  return found === null || found.kind === 'none' ? null : found.key;
}

/** @throws Error in words */
async function runningGateway(where: readonly string[]): Promise<string> {
  const line = readCommandLine('load', where, { tolerant: 'silently' });
  if (line.kind === 'ended') throw new Error('which gateway is meant cannot be told');
  const found = await findGateway(line.loaded, line.cwd, 'api');
  if (found.isGuess)
    throw new Error(
      `No gateway answers on ${found.base}, and none that was started in this folder. Start one, or name a server: headgate load URL.`,
    );
  return found.base;
}

/** The machine that measures; what is measured may run elsewhere. */
function machine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: `${platform()} ${release()}`,
    arch: arch(),
    node: process.versions.node,
    load_before: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}
