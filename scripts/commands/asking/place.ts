import { VERSION } from '../../../gateway/core/version.ts';
import type { Place } from '../../load/place.ts';
import { machineFacts } from '../../program/machine.ts';
import { readCommandLine } from '../line/command-line.ts';
import { whatIsThere } from './absent.ts';
import { findAdmin } from './admin-door.ts';
import { findGateway } from './find-gateway.ts';

/** What programs that measure need to know of where they are run. */
export function placeHere(): Place {
  return { version: VERSION, cwd: process.cwd(), env: process.env, findGateway: runningGateway, findAdmin, machine: machineFacts };
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
