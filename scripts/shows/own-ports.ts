import { createServer } from 'node:net';

/** Below what systems hand out to outgoing connections: a port that is closed for a while is still ours when it is opened again. */
const FIRST = 10_000;
const LAST = 32_000;
const MOST_LOOKS = 500;
/** Programs that run at the same time begin elsewhere. */
let next = FIRST + Math.floor(Math.random() * (LAST - FIRST));

/**
 * The first of so many ports in a row on 127.0.0.1 that nobody uses at this moment, and that are given to nobody else of this process for a
 * long time. @throws Error where there are none
 */
export async function freePort(count = 1): Promise<number> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    if (next + count > LAST) next = FIRST;
    const first = next;
    next += count;
    const ports = Array.from({ length: count }, (_, at) => first + at);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error(`there are no ${count} free ports in a row from ${FIRST} to ${LAST}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
