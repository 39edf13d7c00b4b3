/**
 * Stands for vLLM's EngineCore: a child that holds the pretend GPU memory by being alive, and may print a lot. Like the real one this
 * process does not notice when its parent is killed, and then stays behind as an orphan. All the work is done in the parent, which says on
 * stdin when the server is ready, and hears over the channel between the two that this process was told to stop: the real one then drains.
 */
import { flood } from './log-flood.ts';

process.title = 'VLLM::EngineCore';
process.on('SIGTERM', () => {
  if (process.connected) process.send?.('told to stop');
  else process.exit(0);
});
process.on('message', (message) => {
  if (message === 'end') process.exit(0);
});
// Ctrl-C in a terminal reaches the whole group; the parent decides.
process.on('SIGINT', () => undefined);
const ignoreBrokenPipe = (): void => undefined;
process.stdout.on('error', ignoreBrokenPipe);
process.stderr.on('error', ignoreBrokenPipe);
process.stdin.on('error', ignoreBrokenPipe);
process.stdin.once('data', () => void flood(Number(process.env['SIM_LOG_MIB'] ?? 0), Number(process.env['SIM_LOG_SECONDS'] ?? 0)));
setInterval(() => undefined, 2 ** 30);
