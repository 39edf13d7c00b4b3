import { FaultyWorker } from './faulty-worker.ts';

// A sound worker as a process of its own, for what can only be done to a process: SIGKILL, SIGSTOP. Its first line names its port.

const worker = new FaultyWorker();
worker.port = Number(process.argv[2] ?? 0);
await worker.listen();
process.stdout.write(`${worker.port}\n`);
// Whoever started it has gone.
process.stdin.resume().once('end', () => process.exit(0));
