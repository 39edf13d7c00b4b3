import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import type { SimSettings } from '../settings/settings.ts';

/**
 * Whether the address can be had. vLLM binds it before it loads and listens when it is ready; Node can do both only at once. So
 * the address is tried and given back, and connections are refused until the start is over.
 */
export function addressIsFree(settings: SimSettings): Promise<boolean> {
  // vLLM does not remove what an earlier run left behind.
  if (settings.uds !== null) return Promise.resolve(!existsSync(settings.uds));
  const trial = createServer();
  return new Promise((resolve) => {
    trial.once('error', () => resolve(false));
    trial.listen({ port: settings.port, host: settings.host ?? '0.0.0.0', exclusive: true }, () => {
      trial.close(() => resolve(true));
    });
  });
}
