import { Worker } from 'node:worker_threads';
import { repeat, type Clock } from '../../core/clock.ts';
import { STUCK_MS, type ThreadData, type ThreadWord, type Told } from './told.ts';

const TELL_MS = 1_000;

interface ProbeListenerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly clock: Clock;
  /** What the gateway would answer now. */
  readonly tell: () => Told;
  /** The thread has died: probes are not answered any more. */
  readonly onDeath: (error: Error) => void;
  /** Default: STUCK_MS. */
  readonly stuckMs?: number;
}

export interface ProbeListener {
  readonly url: string;
  /** Tells the thread at once, without waiting for the next second. */
  tell(): void;
  close(): Promise<void>;
}

/**
 * Answers probes from a thread of its own, which is served however much the event loop has to do: what it answers is what it was told in the
 * last second, and that nothing was told for a long time. @throws EADDRINUSE, EACCES
 */
export async function openProbeListener(options: ProbeListenerOptions): Promise<ProbeListener> {
  const { host, port, clock, tell, stuckMs = STUCK_MS } = options;
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const workerData: ThreadData = { host, port, stuckMs, told: tell() };
  const thread = new Worker(new URL(`./probe-thread.${extension}`, import.meta.url), { workerData });
  const url = await addressOf(thread, port);
  thread.removeAllListeners('error');
  thread.on('error', (error) => options.onDeath(error as Error));
  thread.unref();
  const say = (): void => thread.postMessage(tell());
  const timer = repeat(clock, TELL_MS, say);
  return {
    url,
    tell: say,
    async close() {
      timer.cancel();
      await thread.terminate();
    },
  };
}

async function addressOf(thread: Worker, port: number): Promise<string> {
  const word = await new Promise<ThreadWord>((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
  if (word.kind === 'listening') return word.url;
  await thread.terminate();
  throw Object.assign(new Error(word.message), { code: word.code, port });
}
