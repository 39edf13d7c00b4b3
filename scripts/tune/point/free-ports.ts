import { createServer } from 'node:net';
import { systemRandom } from '../../../gateway/core/random.ts';

/** Others may take a port between our look and its use; so many looks are enough for any machine. */
const MOST_LOOKS = 200;
/** Below those that systems give to outgoing connections, of which a machine that works may have thousands. */
const LOW = { first: 12_000, last: 30_000 };

/** The first of so many ports in a row on which nobody listens just now. @throws Error where there are none */
export async function freePorts(count: number): Promise<number> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    const isLow = look % 2 === 0;
    const first = await freeAt(isLow ? LOW.first + Math.floor(systemRandom.next() * (LOW.last - LOW.first)) : 0);
    if (first === null || first + count > 65_536) continue;
    const others = await Promise.all(Array.from({ length: count - 1 }, (_, at) => freeAt(first + at + 1)));
    if (!others.includes(null)) return first;
  }
  throw new Error(`There are no ${count} free ports in a row on this machine.`);
}

function freeAt(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}
