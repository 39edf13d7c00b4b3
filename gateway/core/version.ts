import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The package's version, from package.json two levels up in the sources and three in the packed files. */
export const VERSION: string = read();

function read(): string {
  for (const relative of ['../../package.json', '../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(fileURLToPath(new URL(relative, import.meta.url)), 'utf8'));
      if (name === 'headgate') return version;
    } catch {
      // Not there: try the other place.
    }
  }
  return '0.0.0';
}
