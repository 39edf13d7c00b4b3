import type { SupervisorSnapshot } from './snapshot.ts';
import { controlRequest } from './control-path.ts';
import { readSnapshot } from './read-snapshot.ts';
import { exchange } from '../core/exchange.ts';

const TIMEOUT_MS = 2000;
/** What connecting fails with where nobody listens, or nobody can. */
const NOBODY: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'ENOTDIR', 'ENOTSOCK', 'EINVAL', 'ENAMETOOLONG', 'ELOOP']);

/** The supervisor that listens at the control path, as it says; null where it says nothing, or nothing sound. */
export async function askState(control: string): Promise<SupervisorSnapshot | null> {
  try {
    return readSnapshot(await stateOf(control));
  } catch {
    return null;
  }
}

/** answers · silent: somebody accepts connections and says nothing, or not in time · nobody */
export type Sound = 'answers' | 'silent' | 'nobody';

/** What is heard of the supervisor at the control path within this time. Never throws. */
export async function soundOf(control: string, limitMs = TIMEOUT_MS): Promise<Sound> {
  try {
    await stateOf(control, limitMs);
    return 'answers';
  } catch (error) {
    return NOBODY.has((error as NodeJS.ErrnoException).code ?? '') ? 'nobody' : 'silent';
  }
}

/** Whether anybody accepts connections there. One that accepts and says nothing is alive too. */
export async function isAnswered(control: string): Promise<boolean> {
  return (await soundOf(control)) !== 'nobody';
}

/** @throws Error with the system's code */
async function stateOf(control: string, limitMs = TIMEOUT_MS): Promise<string> {
  const { text } = await exchange(controlRequest(control, 'GET', '/v1/state'), null, { silenceMs: limitMs, totalMs: limitMs });
  return text;
}
