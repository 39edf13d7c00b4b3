import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EXIT_FAILED } from '../../gateway/config/exit-codes.ts';

/** Runs a program of scripts/ with this Node. They come with a checkout, not with the packed command. @returns its exit code */
export function runScript(name: string, argv: readonly string[]): Promise<number> {
  const file = fileURLToPath(new URL(`../${name}.ts`, import.meta.url));
  if (!existsSync(file)) {
    process.stderr.write(`headgate: ${name} runs from a checkout only.\n`);
    return Promise.resolve(EXIT_FAILED);
  }
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file, ...argv], { stdio: 'inherit' });
    child.once('error', () => resolve(EXIT_FAILED));
    child.once('close', (code) => resolve(code ?? EXIT_FAILED));
  });
}
