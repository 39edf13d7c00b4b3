import type { SupervisorSnapshot } from './snapshot.ts';
import { controlRequest } from './control-path.ts';
import { exchange } from '../core/exchange.ts';

const TIMEOUT_MS = 2000;
/** What connecting fails with where nobody listens, or nobody can. */
const NOBODY: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTDIR', 'ENOTSOCK', 'EINVAL', 'ENAMETOOLONG', 'ELOOP']);

/** The workers of the supervisor that listens at the control path, as it says; null where it says nothing, or nothing sound. */
export async function askState(control: string): Promise<Pick<SupervisorSnapshot, 'workers' | 'pid'> | null> {
  try {
    const said = JSON.parse(await stateOf(control)) as SupervisorSnapshot | null;
    return Array.isArray(said?.workers) ? said : null;
  } catch {
    return null;
  }
}

/** Whether anybody accepts connections there. One that accepts and says nothing is alive too. */
export async function isAnswered(control: string): Promise<boolean> {
  try {
    await stateOf(control);
    return true;
  } catch (error) {
    return !NOBODY.has((error as NodeJS.ErrnoException).code ?? '');
  }
}

/** @throws Error with the system's code */
async function stateOf(control: string): Promise<string> {
  const { text } = await exchange(controlRequest(control, 'GET', '/v1/state'), null, { silenceMs: TIMEOUT_MS, totalMs: TIMEOUT_MS });
  return text;
}
