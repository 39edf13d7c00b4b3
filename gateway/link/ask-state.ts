import { controlTarget } from './control-path.ts';
import type { SupervisorSnapshot } from './snapshot.ts';
import { exchange } from '../core/exchange.ts';

const TIMEOUT_MS = 2000;

/** The workers of the supervisor that listens at `path`, as it says; null where it says nothing, or nothing sound. */
export async function askState(path: string): Promise<Pick<SupervisorSnapshot, 'workers'> | null> {
  try {
    const { text } = await exchange({ ...controlTarget(path), path: '/v1/state', headers: { host: 'localhost' } }, null, TIMEOUT_MS);
    const said = JSON.parse(text) as SupervisorSnapshot | null;
    return Array.isArray(said?.workers) ? said : null;
  } catch {
    return null;
  }
}
