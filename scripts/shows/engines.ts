import { freePort, type Scene, until } from './scene.ts';

export const MODEL = 'Qwen/Qwen2.5-1.5B-Instruct';
export const SEATS = 8;
const START_MS = 120_000;

/** Simulated engines on ports of their own, which nobody supervises. `slowness`: 1 takes as long as its card would, 5 five times as long. */
export async function startEngines(scene: Scene, slowness: readonly number[], seats = SEATS): Promise<string[]> {
  const first = await freePort(slowness.length);
  const urls = slowness.map((_, i) => `http://127.0.0.1:${first + i}`);
  slowness.forEach((times, i) => {
    const env = { SIM_GPU: 'rtx-4080', SIM_START_MS: '0', SIM_SPEED: String(times), SIM_SEED: String(i + 1) };
    scene.startWith(env, 'sim', 'serve', MODEL, '--port', String(first + i), '--max-num-seqs', String(seats));
  });
  const isWell = async (url: string): Promise<boolean> => (await fetch(`${url}/health`).catch(() => null))?.status === 200;
  for (const url of urls) await until(() => isWell(url), `the engine on ${url} is up`, START_MS);
  return urls;
}
