import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems hand out to outgoing connections. */
const FIRST = 12_000;
/** Test files that run at the same time draw from different stretches. */
const STRETCH = 5_000;
/** Those of supervisor.port_range: no gateway listens there. */
const WORKERS = { first: 18_000, last: 18_099 };
const own = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? 1) % 4) * STRETCH;
let offset = Math.floor(Math.random() * STRETCH);

/** The first of `count` ports in a row on 127.0.0.1 that nobody uses at this moment, and that no other test is given meanwhile. */
export async function freePort(count = 1): Promise<number> {
  for (let tries = 0; tries < 400; tries++) {
    if (offset + count > STRETCH) offset = 0;
    const first = own + offset;
    offset += count;
    if (first <= WORKERS.last && first + count > WORKERS.first) continue;
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error(`no ${count} free ports in a row from ${own} to ${own + STRETCH}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false;
  }
}
