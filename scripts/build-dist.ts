import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// Node refuses to strip types below node_modules, so a packed copy carries JavaScript: the same lines with the types blanked out and
// imports that end in .js. Positions stay, so a stack trace from a packed copy points into the sources.

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = join(ROOT, 'dist');
const ROOMS = ['gateway', 'supervisor'];

rmSync(OUT, { recursive: true, force: true });
let files = 0;
for (const room of ROOMS) {
  for (const entry of readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const to = join(OUT, from.slice(ROOT.length));
    mkdirSync(dirname(to), { recursive: true });
    if (!from.endsWith('.ts')) {
      cpSync(from, to);
      continue;
    }
    const code = stripTypeScriptTypes(readFileSync(from, 'utf8'), { mode: 'strip' });
    writeFileSync(
      to.replace(/\.ts$/, '.js'),
      code.replaceAll(/(from\s*|import\s*\(\s*|import\s+)(['"])(\.{1,2}\/[^'"]+)\.ts\2/g, '$1$2$3.js$2'),
    );
    files++;
  }
}
chmodSync(join(OUT, 'gateway/cli.js'), 0o755);
process.stdout.write(`${files} files in dist/\n`);
