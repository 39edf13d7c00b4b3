import { request } from 'node:http';
import { controlTarget } from '../gateway/config/control-path.ts';
import type { SupervisorSnapshot } from '../gateway/core/supervision.ts';

const TIMEOUT_MS = 2000;
const MAX_BYTES = 4 * 1024 * 1024;

/** What the supervisor that listens at `path` says of itself; null where it says nothing, or nothing sound. */
export function askState(path: string): Promise<Pick<SupervisorSnapshot, 'pid' | 'workers'> | null> {
  return new Promise((resolve) => {
    const asking = request(
      { ...controlTarget(path), path: '/v1/state', agent: false, timeout: TIMEOUT_MS, headers: { host: 'localhost' } },
      (answer) => {
        const pieces: Buffer[] = [];
        let bytes = 0;
        answer.on('data', (piece: Buffer) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes > MAX_BYTES) asking.destroy(new Error('its answer does not end'));
        });
        answer.on('end', () => resolve(read(Buffer.concat(pieces).toString('utf8'))));
        answer.on('error', () => resolve(null));
      },
    );
    asking.on('timeout', () => asking.destroy(new Error('it does not answer')));
    asking.on('error', () => resolve(null));
    asking.end();
  });
}

function read(text: string): Pick<SupervisorSnapshot, 'pid' | 'workers'> | null {
  try {
    const said = JSON.parse(text) as SupervisorSnapshot | null;
    return said && Array.isArray(said.workers) ? said : null;
  } catch {
    return null;
  }
}
