import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from './compile-cache.ts';

const PROGRAM = fileURLToPath(new URL('../../supervisor/sim/nvidia-smi.ts', import.meta.url));

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Writes a pretend `nvidia-smi` into a folder, with these variables (SIM_VRAM_FILE, SIM_GPU, SIM_SMI_…) built in; those of its caller
 * count where it has none of its own. Gives the PATH that finds it first.
 */
export function writeNvidiaSmi(folder: string, env: Readonly<Record<string, string>> = {}): string {
  const script = join(folder, 'nvidia-smi');
  const settings = Object.entries({ ...COMPILE_CACHE, ...env }).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  writeFileSync(script, `#!/bin/sh\n${settings.join('')}exec ${quoted(process.execPath)} ${quoted(PROGRAM)} "$@"\n`);
  chmodSync(script, 0o755);
  return `${folder}${delimiter}${process.env['PATH'] ?? ''}`;
}
