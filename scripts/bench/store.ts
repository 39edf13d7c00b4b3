import { freePort, printed } from './children.ts';
import type { Starter } from './running.ts';

const READY_MS = 10_000;

/** A server on loopback that keeps nothing on a disk. @throws where it does not come up */
export async function startStore({ store, children }: Starter): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const port = await freePort();
  const command = [store!, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const child = await children.start('store', command, { cpu: null });
  await printed(child, /Ready to accept connections/i, READY_MS);
  return { url: `redis://127.0.0.1:${port}`, stop: () => children.stop(child) };
}
