import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { installedEnvironments, installedVersion, sitePackages } from '../../../scripts/vllm/environment.ts';
import { WORDS } from './words.ts';

/** Python joins texts that stand one after the other; so does this, or words that run over a line's end would not be found. */
const SEAM = /(["'])\s*\n\s*[fFrR]{0,2}\1/g;

/** Every source of a package, by its path below it, with the texts joined. */
function sources(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.py'));
  return new Map(files.map((name) => [relative('', name), readFileSync(join(folder, name), 'utf8').replaceAll(SEAM, '')]));
}

/** Looks for all that the supervisor listens for in the source of one vLLM. The result: how many words are nowhere in it. */
function check(folder: string, version: string | null): number {
  const all = sources(folder);
  let missing = 0;
  for (const { words, in: place, note } of WORDS) {
    if (all.get(place)?.includes(words)) continue;
    const moved = [...all].filter(([, text]) => text.includes(words)).map(([name]) => name);
    if (moved.length === 0) missing += 1;
    const where = moved.length === 0 ? 'is nowhere' : `stands in ${moved.slice(0, 3).join(', ')}`;
    process.stdout.write(`  “${words}”: not in ${place}, ${where}${note ? ` (${note})` : ''}\n`);
  }
  process.stdout.write(
    `vLLM ${version}: ${WORDS.length - missing} of ${WORDS.length} that the supervisor listens for are in its source.\n`,
  );
  return missing;
}

/** `node test/vllm/words/check-words.ts [FOLDER]`: of every environment that is there, or of the one package that is named. */
function main([named]: readonly string[]): number {
  const found = installedEnvironments(process.env).map((one) => ({ folder: one.folder, version: installedVersion(one) }));
  const packages = found.flatMap(({ folder, version }) => sitePackages(folder).map((site) => ({ folder: join(site, 'vllm'), version })));
  const asked = named === undefined ? packages : [{ folder: named, version: null }];
  if (asked.length === 0) {
    process.stdout.write('Skipped: there is no vLLM here (npm run vllm:install makes one; HEADGATE_VLLM_ENV names one).\n');
    return 0;
  }
  return asked.map(({ folder, version }) => check(folder, version)).some((missing) => missing > 0) ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
