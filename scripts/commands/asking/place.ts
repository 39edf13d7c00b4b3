import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { VERSION } from '../../../gateway/core/version.ts';
import type { Place } from '../../load/place.ts';
import { readCommandLine } from '../line/command-line.ts';
import { whatIsThere } from './absent.ts';
import { findAdmin } from './admin-door.ts';
import { findGateway } from './find-gateway.ts';

/** What programs that measure need to know of where they are run. */
export function placeHere(): Place {
  return { version: VERSION, cwd: process.cwd(), env: process.env, findGateway: runningGateway, findAdmin, machine };
}

/** @throws Error in words */
async function runningGateway(where: readonly string[]): Promise<string> {
  const line = readCommandLine('load', where, { tolerant: 'silently' });
  if (line.kind === 'ended') throw new Error('which gateway is meant cannot be told');
  const found = await findGateway(line.loaded, line.cwd, 'api');
  if (found.isGuess)
    throw new Error(`No gateway answers on ${found.base}${await whatIsThere(line.loaded.settings, line.cwd)} Or name a server by its URL.`);
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
