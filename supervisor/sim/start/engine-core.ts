/**
 * Stands for vLLM's EngineCore: a child that holds the pretend GPU memory by being alive, and may print a lot. Like the real one this
 * process does not notice when its parent is killed, and then stays behind as an orphan. All the work is done in the parent, which says on
 * stdin when the server is ready, and hears over the channel between the two that this process was told to stop, or lost a worker.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { FromEngineCore } from './engine-process.ts';
import { flood } from './log-flood.ts';

process.title = 'VLLM::EngineCore';
let ending = false;
const workers = Array.from({ length: Number(process.env['SIM_WORKERS'] ?? 0) }, (_, rank) => startWorker(rank));

process.on('SIGTERM', () => {
  if (process.connected) tell({ kind: 'told to stop' });
  else void end();
});
process.on('message', (message) => {
  if (message === 'end') void end();
});
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on('SIGINT', () => undefined);
const ignoreBrokenPipe = (): void => undefined;
process.stdout.on('error', ignoreBrokenPipe);
process.stderr.on('error', ignoreBrokenPipe);
process.stdin.on('error', ignoreBrokenPipe);
process.stdin.once('data', () => void flood(Number(process.env['SIM_LOG_MIB'] ?? 0), Number(process.env['SIM_LOG_SECONDS'] ?? 0)));
setInterval(() => undefined, 2 ** 30);
tell({ kind: 'up' });

function tell(message: FromEngineCore): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

function startWorker(rank: number) {
  const program = fileURLToPath(import.meta.url).replace(/engine-core\.(ts|js)$/, 'worker-process.$1');
  const env = { ...process.env, SIM_WORKER_RANK: String(rank) };
  const worker = spawn(process.execPath, [program], { stdio: ['pipe', 'ignore', 'ignore'], env });
  worker.on('error', () => undefined);
  worker.stdin.on('error', () => undefined);
  worker.once('exit', (code, signal) => {
    if (!ending) tell({ kind: 'worker died', rank, status: signal === null ? (code ?? 0) : -constants.signals[signal] });
  });
  return worker;
}

async function end(): Promise<void> {
  ending = true;
  const gone = workers.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).map((worker) => once(worker, 'exit'));
  for (const worker of workers) worker.kill('SIGKILL');
  await Promise.all(gone);
  process.exit(0);
}
