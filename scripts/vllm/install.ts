import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DEFAULT_VERSION, environmentAt } from './environment.ts';
import { ensureEnvironment } from './make-environment.ts';
import { Obstacle } from './obstacle.ts';

// npm run vllm:install [-- --version 0.32.0]: makes the environment of a real vLLM for CPUs, once. The product needs none of it.

const { values } = parseArgs({ options: { version: { type: 'string', default: DEFAULT_VERSION } } });

try {
  const environment = environmentAt(values.version, process.env);
  mkdirSync(environment.folder, { recursive: true });
  await ensureEnvironment(environment, values.version, { limitMs: 30 * 60_000, say });
  say(`try it: npm run test:vllm -- --quick`);
} catch (error) {
  if (!(error instanceof Obstacle)) throw error;
  process.stderr.write(`vllm:install: ${error.message}\n`);
  process.exitCode = 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
