import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { ControlTaken } from './control.ts';
import { Lease } from '../../gateway/core/lease.ts';

/**
 * Holds a state folder for one supervisor at a time, so that two that start at once do not end each other's engines. A name in Linux's
 * abstract socket namespace: the kernel decides who has it, and takes it back with the process, however that ends. Elsewhere, where no
 * engine of ours is told from others either, it holds nothing.
 * @throws ControlTaken when another process holds it
 */
export async function lockState(stateDir: string): Promise<Lease> {
  if (process.platform !== 'linux') return new Lease(() => {});
  const name = `\0headgate-${createHash('sha256').update(stateDir).digest('hex').slice(0, 32)}`;
  const server = createServer((stranger) => stranger.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new ControlTaken(`another supervisor uses ${stateDir}`) : error),
    );
    server.listen({ path: name }, resolve);
  });
  server.unref();
  return new Lease(() => void server.close());
}
