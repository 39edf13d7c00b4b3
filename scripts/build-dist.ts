import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Node refuses to strip types below node_modules, so a packed copy carries JavaScript: the same lines with the types blanked out and
// imports that end in .js. Positions stay, so a stack trace from a packed copy points into the sources.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist');
/** The tests, the other benchmarks and this program need a checkout. */
const PACKED = [
  ...['gateway', 'supervisor', 'scripts/headgate.ts'],
  ...['abtest', 'bench', 'chaos', 'commands', 'criteria', 'load', 'program', 'release-gate', 'report', 'shows', 'tune', 'vllm'].map(
    (name) => `scripts/${name}`,
  ),
];

rmSync(OUT, { recursive: true, force: true });
let files = 0;
for (const path of PACKED) pack(join(ROOT, path));
chmodSync(join(OUT, 'scripts/headgate.js'), 0o755);
process.stdout.write(`${files} files in dist/\n`);

function pack(from: string): void {
  if (statSync(from).isDirectory()) {
    for (const name of readdirSync(from)) pack(join(from, name));
    return;
  }
  const to = join(OUT, from.slice(ROOT.length));
  mkdirSync(dirname(to), { recursive: true });
  if (!from.endsWith('.ts')) return cpSync(from, to);
  const code = stripTypeScriptTypes(readFileSync(from, 'utf8'), { mode: 'strip' });
  writeFileSync(
    to.replace(/\.ts$/, '.js'),
    code.replaceAll(/(from\s*|import\s*\(\s*|import\s+)(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2'),
  );
  files++;
}
